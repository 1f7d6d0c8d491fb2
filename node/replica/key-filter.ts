const PROBES = 4;

/**
 * Which keys were never used: a Bloom filter over the terms of keys (8 bytes of a SHA-256, so their own bytes are as good
 * as hashes). "No" is certain; "perhaps" becomes likelier as it fills, and costs a look-up.
 */
export class KeyFilter {
  private readonly bits: Uint8Array;

  constructor(bytes: number) {
    this.bits = new Uint8Array(Math.max(1, bytes));
  }

  add(term: Uint8Array): void {
    for (const bit of this.probes(term)) this.bits[bit >>> 3] = (this.bits[bit >>> 3] as number) | (1 << (bit & 7));
  }

  has(term: Uint8Array): boolean {
    return this.probes(term).every((bit) => ((this.bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0);
  }

  private probes(term: Uint8Array): number[] {
    const view = new DataView(term.buffer, term.byteOffset);
    const first = view.getUint32(0);
    // Odd, so that the probes of one term differ.
    const second = view.getUint32(4) | 1;
    const size = Math.min(this.bits.length * 8, 0x1_0000_0000);
    return Array.from({ length: PROBES }, (_, i) => ((first + i * second) >>> 0) % size);
  }
}
