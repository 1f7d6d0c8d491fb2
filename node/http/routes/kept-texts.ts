/** Room for about 13,000 events of 250 bytes as our own API shows them. */
const BYTES = 8 * 1024 * 1024;
/** An event has one place, which it shares with others. */
const PLACES = 16_384;
/** What is larger is written anew each time, and drives nothing out. */
const TEXT_BYTES_MAX = 4_096;

/**
 * The newest texts of events that were shown, as bytes: what is asked for again and again is copied, not made. One piece
 * of memory that is written round and round, so nothing of it is the collector's; a text is there until it is written over.
 */
export class KeptTexts {
  private readonly bytes: Buffer;
  /** For each place: whose text it is, where that began in all that was ever written, and its length. */
  private readonly sequences: Float64Array;
  private readonly hashes: Float64Array;
  private readonly starts: Float64Array;
  private readonly lengths: Int32Array;
  private written = 0;

  constructor(bytes = BYTES, places = PLACES) {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
    this.sequences = new Float64Array(places).fill(-1);
    this.hashes = new Float64Array(places);
    this.starts = new Float64Array(places);
    this.lengths = new Int32Array(places);
  }

  /** The text of an event, to be copied at once; `hash`: bits of the event's own, by which it is known. */
  of(sequence: number, hash: number): Uint8Array | null {
    const place = sequence % this.sequences.length;
    if (this.sequences[place] !== sequence || this.hashes[place] !== hash) return null;
    const start = this.starts[place] as number;
    if (start + this.bytes.length < this.written) return null;
    const from = start % this.bytes.length;
    return this.bytes.subarray(from, from + (this.lengths[place] as number));
  }

  keep(sequence: number, hash: number, text: Uint8Array): void {
    const { length } = text;
    if (length > Math.min(TEXT_BYTES_MAX, this.bytes.length)) return;
    const left = this.bytes.length - (this.written % this.bytes.length);
    // A text is in one piece.
    if (left < length) this.written += left;
    const place = sequence % this.sequences.length;
    this.bytes.set(text, this.written % this.bytes.length);
    this.sequences[place] = sequence;
    this.hashes[place] = hash;
    this.starts[place] = this.written;
    this.lengths[place] = length;
    this.written += length;
  }
}
