import { fromHex } from "../../shared/bytes.js";

/**
 * Ed25519 by the browser itself, which has it on secure pages only (https, or an address of this machine); elsewhere by a
 * script, which takes a hundred times as long. null where that could not be loaded.
 */
export async function isSigned(publicKey: string, signature: string, bytes: Uint8Array): Promise<boolean | null> {
  const subtle = globalThis.crypto?.subtle as typeof globalThis.crypto.subtle | undefined;
  if (subtle === undefined) return byScript(publicKey, signature, bytes);
  const own = (part: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(part);
  const key = await subtle.importKey("raw", own(fromHex(publicKey)), "Ed25519", false, ["verify"]).catch(whyNoKey);
  if (key === "not supported") return byScript(publicKey, signature, bytes);
  return key !== "no key" && subtle.verify("Ed25519", key, own(fromHex(signature)), own(bytes));
}

/** A browser without Ed25519 says so. */
const whyNoKey = (error: unknown): "not supported" | "no key" =>
  error instanceof DOMException && error.name === "NotSupportedError" ? "not supported" : "no key";

async function byScript(publicKey: string, signature: string, bytes: Uint8Array): Promise<boolean | null> {
  const parts = Promise.all([import("@noble/ed25519"), import("@noble/hashes/sha2.js")]);
  const loaded = await parts.catch(() => null);
  if (loaded === null) return null;
  const [{ hashes, verify }, { sha512 }] = loaded;
  hashes.sha512 = sha512;
  try {
    // As strict as what the nodes check with.
    return verify(fromHex(signature), bytes, fromHex(publicKey), { zip215: false });
  } catch {
    return false;
  }
}
