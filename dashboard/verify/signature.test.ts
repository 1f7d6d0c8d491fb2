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

describe("a script for signatures that the network does not give any more", () => {
  const lost = (): never => {
    throw new Error("no network");
  };
  const freshOne = async (): Promise<typeof import("./signature.js")> => {
    vi.resetModules();
    vi.stubGlobal("crypto", {});
    return import("./signature.js");
  };
  afterEach(() => vi.doUnmock("@noble/ed25519"));

  it("is there where the page has loaded it beforehand", async () => {
    const fresh = await freshOne();
    await fresh.prepareSignatures();
    vi.doMock("@noble/ed25519", lost);
    expect(await fresh.isSigned(key, signature, bytes)).toBe(true);
  });

  it("leaves the signature open, and is asked for again with the next one", async () => {
    const fresh = await freshOne();
    vi.doMock("@noble/ed25519", lost);
    expect(await fresh.isSigned(key, signature, bytes)).toBeNull();
    vi.doUnmock("@noble/ed25519");
    expect(await fresh.isSigned(key, signature, bytes)).toBe(true);
  });
});
