import { fromUtf8, hexOf } from "../bytes.js";
import { millisText } from "../timestamp.js";

const TWO_32 = 0x1_0000_0000;

/** The event at this sequence is not what the body's other bytes say of it. */
export class BodyError extends RangeError {
  constructor(
    message: string,
    readonly sequence?: number,
  ) {
    super(message);
  }
}

/** The number that stands there as int64. */
export function millisAt(bytes: Uint8Array, at: number): number {
  const int32 = (from: number): number =>
    ((bytes[from] as number) << 24) |
    ((bytes[from + 1] as number) << 16) |
    ((bytes[from + 2] as number) << 8) |
    (bytes[from + 3] as number);
  return int32(at) * TWO_32 + (int32(at + 4) >>> 0);
}

/** A part's table of ends. */
export class Table {
  private readonly view: DataView;
  private readonly first: number;

  constructor(
    readonly bytes: Uint8Array,
    count: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.first = 4 * count;
    if (bytes.length < this.first) throw new BodyError("a table is cut");
    // Ends that grow, to exactly the end of the part: then each entry is within it, and no byte is left over.
    let before = 0;
    for (let i = 0; i < count; i++) {
      const end = this.view.getUint32(4 * i);
      if (end <= before) throw new BodyError("the ends of a table do not grow");
      before = end;
    }
    if (this.first + before !== bytes.length) throw new BodyError("a part does not end where its table says");
  }

  /** Where an entry begins in `bytes`, and where it ends. */
  start(i: number): number {
    return i === 0 ? this.first : this.first + this.view.getUint32(4 * (i - 1));
  }
  end(i: number): number {
    return this.first + this.view.getUint32(4 * i);
  }

  entry(i: number): Uint8Array {
    return this.bytes.subarray(this.start(i), this.end(i));
  }
}

/** Reads one event's fields, from `at` to before `last`; every read checks what is left. */
export class Fields {
  constructor(
    private readonly bytes: Uint8Array,
    private at = 0,
    private readonly last = bytes.length,
  ) {}

  take(length: number): Uint8Array {
    const from = this.pass(length);
    return this.bytes.subarray(from, this.at);
  }
  hex(length: number): string {
    const from = this.pass(length);
    return hexOf(this.bytes, from, this.at);
  }
  u8(): number {
    return this.bytes[this.pass(1)] as number;
  }
  u16(): number {
    return this.u8() * 256 + this.u8();
  }
  text(): string {
    return fromUtf8(this.take(this.u16()));
  }
  millis(): string {
    const written = millisText(millisAt(this.bytes, this.pass(8)));
    if (written === null) throw new RangeError("its timestamp is outside of the years 0000 to 9999");
    return written;
  }
  end(): void {
    if (this.at !== this.last) throw new RangeError("bytes are left over in its record");
  }

  /** Where the next bytes begin, which are passed. */
  private pass(length: number): number {
    if (length > this.last - this.at) throw new RangeError("its record is cut");
    this.at += length;
    return this.at - length;
  }
}
