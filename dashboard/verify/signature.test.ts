import { generateKeyPairSync, sign } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { toHex, utf8 } from "../../shared/bytes.js";
import { isSigned } from "./signature.js";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key = toHex(publicKey.export({ type: "spki", format: "der" }).subarray(-32));
const bytes = utf8("a block's header");
const signature = toHex(sign(null, bytes, privateKey));

afterEach(() => vi.unstubAllGlobals());

const notSupported = () => Promise.reject(new DOMException("no Ed25519", "NotSupportedError"));
describe.each([
  ["the browser itself", globalThis.crypto],
  ["a script, on a page that is not secure", {}],
  ["a script, in a browser without Ed25519", { subtle: { importKey: notSupported } }],
])("a signature checked by %s", (_, crypto) => {
  it("is told from an altered one, from one of something else, and from one by what is no key", async () => {
    vi.stubGlobal("crypto", crypto);
    expect(await isSigned(key, signature, bytes)).toBe(true);
    expect(await isSigned(key, signature, utf8("another header"))).toBe(false);
    expect(await isSigned(key, `${signature.slice(0, -4)}0000`, bytes)).toBe(false);
    expect(await isSigned(key, signature.slice(2), bytes)).toBe(false);
    expect(await isSigned("00", signature, bytes)).toBe(false);
  });
});
