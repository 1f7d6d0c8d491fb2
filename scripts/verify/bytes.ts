import { hash } from "node:crypto";

/** SHA-256. A text is hashed as UTF-8. */
export const sha256 = (input: Uint8Array | string): Buffer => hash("sha256", input, "buffer");
export const sha256Hex = (input: Uint8Array | string): string => hash("sha256", input, "hex");

export const ZERO_HASH = "0".repeat(64);
export const isHash = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Texts that are not UTF-8 are none. A byte order mark is a character like any other. */
export function textOf(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  // What is not UTF-8 is decoded to this character; it may also stand there rightly.
  if (text.includes("\ufffd") && !Buffer.from(text).equals(bytes)) throw new RangeError("a text is not UTF-8");
  return text;
}

/** Reads what somebody else has written: every read checks what is left. */
export class Reader {
  #at = 0;
  constructor(private readonly bytes: Buffer) {}

  take(length: number): Buffer {
    if (length > this.bytes.length - this.#at) throw new RangeError("bytes are missing");
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }
  u8(): number {
    return this.take(1).readUInt8();
  }
  u16(): number {
    return this.take(2).readUInt16BE();
  }
  u32(): number {
    return this.take(4).readUInt32BE();
  }
  int64(): bigint {
    return this.take(8).readBigInt64BE();
  }
  text(): string {
    return textOf(this.take(this.u16()));
  }
  end(): void {
    if (this.#at !== this.bytes.length) throw new RangeError("bytes are left over");
  }
}
