import { expect, it } from "vitest";
import { utf8 } from "../../shared/bytes.js";
import { readBenchSwitches, signingOf } from "./bench-switches.js";
import { createVerifier, deriveSigner } from "./signer.js";

const real = { signer: deriveSigner(new Uint8Array(32).fill(1)), verifier: createVerifier() };
const bytes = utf8("a header");

it("changes nothing and says nothing unless it is asked for by the value 1", () => {
  const switches = readBenchSwitches({ BENCH_NO_SIGNATURES: "0", BENCH_NO_INTEGRITY: "0", BENCH_NO_WATCH: "0" });
  expect([switches.hasIntegrity, switches.hasWatch, switches.warnings]).toEqual([true, true, []]);
  expect(signingOf(switches, real)).toBe(real);
});

it("says that nobody looks for changes where that is asked for", () => {
  const { hasIntegrity, warnings } = readBenchSwitches({ BENCH_NO_INTEGRITY: "1" });
  expect([hasIntegrity, warnings.length]).toEqual([false, 1]);
});

it("says that only the scrub looks for changes where the watch is switched off", () => {
  const { hasIntegrity, hasWatch, warnings } = readBenchSwitches({ BENCH_NO_WATCH: "1" });
  expect([hasIntegrity, hasWatch, warnings.length]).toEqual([true, false, 1]);
});

it("without signatures, what was signed is not taken, nor what was not signed by a node that signs", () => {
  const switches = readBenchSwitches({ BENCH_NO_SIGNATURES: "1" });
  expect(switches.warnings).toHaveLength(1);
  const { signer, verifier } = signingOf(switches, real);
  const key = real.signer.keys.block;
  const [unsigned, signed] = [signer.block.sign(bytes), real.signer.block.sign(bytes)];
  expect(verifier.verify(key, bytes, unsigned)).toBe(true);
  expect(verifier.verify(key, bytes, signed)).toBe(false);
  expect(real.verifier.verify(key, bytes, unsigned)).toBe(false);
});
