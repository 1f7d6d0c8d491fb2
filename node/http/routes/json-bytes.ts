import { fromUtf8 } from "../../../shared/bytes.js";
import { millisAt } from "../../../shared/log/body-bytes.js";
import { millisText } from "../../../shared/timestamp.js";

const BYTES_FIRST = 64 * 1024;
/** What is longer than this is not written byte by byte. */
const LOOP_BYTES_MAX = 48;
/** An answer that was larger does not keep its memory. */
const BYTES_KEPT_MAX = 1024 * 1024;
const DAY_MS = 86_400_000;
const [QUOTE, BACKSLASH, SPACE, ZERO] = [0x22, 0x5c, 0x20, 0x30];

const DIGITS = Buffer.from("0123456789abcdef");
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte >> 4] as number);
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte & 15] as number);

/**
 * Writes JSON text as bytes: of what is UTF-8 already no text is made. One after the other, in memory that is used again;
 * what is taken has memory of its own.
 */
export class JsonBytes {
  private bytes = Buffer.allocUnsafeSlow(BYTES_FIRST);
  private at = 0;
  private day = { days: Number.NaN, text: "" };

  get length(): number {
    return this.at;
  }

  /** What was written since the last time. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.at);
    this.bytes.copy(taken, 0, 0, this.at);
    this.at = 0;
    if (this.bytes.length > BYTES_KEPT_MAX) this.bytes = Buffer.allocUnsafeSlow(BYTES_FIRST);
    return taken;
  }

  /** What was written from there on; to be read at once. */
  since(at: number): Uint8Array {
    return this.bytes.subarray(at, this.at);
  }

  /** Forgets what was written and not taken, by somebody who failed. */
  begin(): void {
    this.at = 0;
  }

  text(text: string): void {
    // A UTF-16 unit takes at most 3 bytes; of a long text it is worth the time to know how many.
    this.reserve(text.length > BYTES_FIRST ? Buffer.byteLength(text) : 3 * text.length);
    this.at += this.bytes.write(text, this.at);
  }

  /** Text of one byte a character. */
  ascii(text: string): void {
    this.reserve(text.length);
    const { bytes } = this;
    for (let i = 0; i < text.length; i++) bytes[this.at++] = text.charCodeAt(i);
  }

  copy(from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    const { bytes } = this;
    if (length > LOOP_BYTES_MAX) {
      bytes.set(from.subarray(start, end), this.at);
      this.at += length;
      return;
    }
    let { at } = this;
    for (let i = start; i < end; i++) bytes[at++] = from[i] as number;
    this.at = at;
  }

  /** Lower-case hex digits. */
  hex(from: Uint8Array, start: number, end: number): void {
    this.reserve(2 * (end - start));
    const { bytes } = this;
    let { at } = this;
    for (let i = start; i < end; i++) {
      const byte = from[i] as number;
      bytes[at++] = HIGH[byte] as number;
      bytes[at++] = LOW[byte] as number;
    }
    this.at = at;
  }

  /** A text in quotes, from its UTF-8, as `JSON.stringify` writes it. */
  quoted(from: Uint8Array, start: number, end: number): void {
    this.reserve(2 + end - start);
    const { bytes } = this;
    let { at } = this;
    bytes[at++] = QUOTE;
    for (let i = start; i < end; i++) {
      const byte = from[i] as number;
      if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) {
        this.text(JSON.stringify(fromUtf8(from.subarray(start, end))));
        return;
      }
      bytes[at++] = byte;
    }
    bytes[at++] = QUOTE;
    this.at = at;
  }

  /** `YYYY-MM-DDTHH:MM:SS.mmmZ` of the milliseconds that stand there as int64. */
  millis(from: Uint8Array, start: number): void {
    const millis = millisAt(from, start);
    const days = Math.floor(millis / DAY_MS);
    if (days !== this.day.days) this.day = { days, text: (millisText(days * DAY_MS) as string).slice(0, 11) };
    const rest = millis - days * DAY_MS;
    this.ascii(this.day.text);
    this.reserve(13);
    this.digits(Math.floor(rest / 3_600_000), 2);
    this.mark(":");
    this.digits(Math.floor(rest / 60_000) % 60, 2);
    this.mark(":");
    this.digits(Math.floor(rest / 1_000) % 60, 2);
    this.mark(".");
    this.digits(rest % 1_000, 3);
    this.mark("Z");
  }

  private mark(mark: string): void {
    this.bytes[this.at++] = mark.charCodeAt(0);
  }

  private digits(value: number, count: number): void {
    let left = value;
    for (let i = count - 1; i >= 0; i--) {
      this.bytes[this.at + i] = ZERO + (left % 10);
      left = Math.floor(left / 10);
    }
    this.at += count;
  }

  private reserve(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, this.at + length));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
