import { fromUtf8 } from "../bytes.js";
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

/** A part's table of ends. */
export class Table {
  private readonly view: DataView;
  private readonly start: number;

  constructor(
    private readonly bytes: Uint8Array,
    count: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.start = 4 * count;
    if (bytes.length < this.start) throw new BodyError("a table is cut");
    // Ends that grow, to exactly the end of the part: then each entry is within it, and no byte is left over.
    let before = 0;
    for (let i = 0; i < count; i++) {
      const end = this.view.getUint32(4 * i);
      if (end <= before) throw new BodyError("the ends of a table do not grow");
      before = end;
    }
    if (this.start + before !== bytes.length) throw new BodyError("a part does not end where its table says");
  }

  entry(i: number): Uint8Array {
    const from = i === 0 ? 0 : this.view.getUint32(4 * (i - 1));
    return this.bytes.subarray(this.start + from, this.start + this.view.getUint32(4 * i));
  }
}

/** Reads one event's fields; every read checks what is left. */
export class Fields {
  private at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw new RangeError("its record is cut");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  u8(): number {
    if (this.at >= this.bytes.length) throw new RangeError("its record is cut");
    return this.bytes[this.at++] as number;
  }
  u16(): number {
    return this.u8() * 256 + this.u8();
  }
  u32(): number {
    return this.u16() * 65_536 + this.u16();
  }
  text(): string {
    return fromUtf8(this.take(this.u16()));
  }
  millis(): string {
    const high = this.u32();
    const written = millisText((high >= TWO_32 / 2 ? high - TWO_32 : high) * TWO_32 + this.u32());
    if (written === null) throw new RangeError("its timestamp is outside of the years 0000 to 9999");
    return written;
  }
  end(): void {
    if (this.at !== this.bytes.length) throw new RangeError("bytes are left over in its record");
  }
}
