import { hexToBytes } from "@noble/hashes/utils.js";

/** Throws on anything but an even number of hex digits. */
export const fromHex = hexToBytes;

interface Utf8Decoder {
  decode(bytes: Uint8Array): string;
}
interface Utf8Encoder {
  encode(text: string): Uint8Array;
  encodeInto(text: string, into: Uint8Array): { written: number };
}
// Browsers and Node both have them; the compiler here knows neither platform, so their shapes are stated.
const { TextDecoder, TextEncoder } = globalThis as unknown as {
  TextDecoder: new (label: string, options: { fatal: boolean; ignoreBOM: boolean }) => Utf8Decoder;
  TextEncoder: new () => Utf8Encoder;
};
const encoder = new TextEncoder();

/** Small texts share memory, which is made for many of them at once: a buffer each would keep the collector busy. */
const SLAB_BYTES = 64 * 1024;
let slab = new Uint8Array(0);
let used = 0;

/** The bytes of a text; to be read only, because their memory holds others beside them. */
export function utf8(text: string): Uint8Array {
  // A UTF-16 unit takes at most 3 bytes.
  const most = 3 * text.length;
  if (most > SLAB_BYTES / 8) return encoder.encode(text);
  if (used + most > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const { written } = encoder.encodeInto(text, slab.subarray(used, used + most));
  used += written;
  return slab.subarray(used - written, used);
}

/** Writes a text's bytes from `at` on, where there is room for 3 a UTF-16 unit; returns how many they are. */
export function utf8Into(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Most short texts are ASCII: they are written without a call of the platform.
    if (unit > 0x7f) return encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + i] = unit;
  }
  return text.length;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws on bytes that are not UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string => strictDecoder.decode(bytes);

const DIGITS = encoder.encode("0123456789abcdef");
const digits = new Uint8Array(128);

/**
 * Lower-case hex. In one piece: the library's text is a tree of as many parts as there are bytes, which took three
 * quarters of the memory of a decoded event.
 */
export const toHex = (bytes: Uint8Array): string => hexOf(bytes, 0, bytes.length);

/** The same of the bytes from `start` to before `end`. */
export function hexOf(bytes: Uint8Array, start: number, end: number): string {
  const length = 2 * (end - start);
  const text = length > digits.length ? new Uint8Array(length) : digits;
  for (let i = 0; i < end - start; i++) {
    const byte = bytes[start + i] as number;
    text[2 * i] = DIGITS[byte >> 4] as number;
    text[2 * i + 1] = DIGITS[byte & 15] as number;
  }
  return strictDecoder.decode(text.subarray(0, length));
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Negative, zero or positive, as the first comes before, with or after the second in the order of unsigned bytes. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
  return a.length - b.length;
}

/** Reads length-prefixed fields from bytes whose lengths a peer chose: every read checks what is left. */
export class ByteReader {
  private offset = 0;
  private readonly view: DataView;
  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get remaining(): number {
    return this.bytes.length - this.offset;
  }
  u32(): number {
    if (this.remaining < 4) throw new RangeError("truncated length");
    const value = this.view.getUint32(this.offset);
    this.offset += 4;
    return value;
  }
  take(length: number): Uint8Array {
    if (length > this.remaining) throw new RangeError("truncated field");
    const part = this.bytes.subarray(this.offset, this.offset + length);
    this.offset += length;
    return part;
  }
  /** A field with its u32 length (big-endian) in front. */
  field(): Uint8Array {
    return this.take(this.u32());
  }
}

/** Writes length-prefixed fields into bytes of a length that is known before. */
export class ByteWriter {
  readonly bytes: Uint8Array;
  private offset = 0;
  private readonly view: DataView;
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }
  put(part: Uint8Array): this {
    this.bytes.set(part, this.offset);
    this.offset += part.length;
    return this;
  }
  /** A field with its u32 length (big-endian) in front. */
  field(part: Uint8Array): this {
    this.view.setUint32(this.offset, part.length);
    this.offset += 4;
    return this.put(part);
  }
}
