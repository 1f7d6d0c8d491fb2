import { fromHex } from "../../shared/bytes.js";

/** Ed25519 by the browser itself, which has it on secure pages only (https, or an address of this machine). */
export async function isSigned(publicKey: string, signature: string, bytes: Uint8Array): Promise<boolean | null> {
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) return null;
  const own = (part: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(part);
  let key: CryptoKey;
  try {
    key = await subtle.importKey("raw", own(fromHex(publicKey)), "Ed25519", false, ["verify"]);
  } catch (error) {
    // A browser without Ed25519 says so; anything else is no key.
    return error instanceof DOMException && error.name === "NotSupportedError" ? null : false;
  }
  return subtle.verify("Ed25519", key, own(fromHex(signature)), own(bytes));
}
