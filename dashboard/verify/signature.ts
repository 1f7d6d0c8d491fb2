import { sha512 } from "@noble/hashes/sha2.js";
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

type Verify = typeof import("@noble/ed25519")["verify"];
let script: Promise<Verify | null> | undefined;

/** Loads the script where it will be needed, so that it is there when the network is not. */
export async function prepareSignatures(): Promise<void> {
  const subtle = globalThis.crypto?.subtle as typeof globalThis.crypto.subtle | undefined;
  const any = new Uint8Array(32);
  const key = await subtle?.importKey("raw", any, "Ed25519", false, ["verify"]).catch(whyNoKey);
  if (key === undefined || key === "not supported") await loadScript();
}

async function loadScript(): Promise<Verify | null> {
  script ??= (async () => {
    const { hashes, verify } = await import("@noble/ed25519");
    hashes.sha512 = sha512;
    return verify;
  })().catch(() => null);
  const loaded = await script;
  // The next signature asks for it again.
  if (loaded === null) script = undefined;
  return loaded;
}

async function byScript(publicKey: string, signature: string, bytes: Uint8Array): Promise<boolean | null> {
  const verify = await loadScript();
  if (verify === null) return null;
  try {
    // As strict as what the nodes check with.
    return verify(fromHex(signature), bytes, fromHex(publicKey), { zip215: false });
  } catch {
    return false;
  }
}
