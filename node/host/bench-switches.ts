import type { BlockSigner, SignatureVerifier } from "../../shared/log/chain.js";
import type { NodeSigner } from "./signer.js";

/**
 * What `npm run bench -- --variant NAME=1` leaves out, to show what it costs. No settings of a log that anybody keeps:
 * blocks without signatures verify on no other node.
 */
export interface BenchSwitches {
  readonly hasSignatures: boolean;
  /** Whether the node's own database is watched and verified. */
  readonly hasIntegrity: boolean;
  /** Whether changes are watched; without it only the scrub finds them. */
  readonly hasWatch: boolean;
  readonly warnings: readonly string[];
}

export function readBenchSwitches(env: NodeJS.ProcessEnv): BenchSwitches {
  const hasSignatures = env.BENCH_NO_SIGNATURES !== "1";
  const warnings: string[] = [];
  if (!hasSignatures)
    warnings.push("BENCH_NO_SIGNATURES=1: blocks are not signed and signatures not checked. Only for measurements.");
  const hasIntegrity = env.BENCH_NO_INTEGRITY !== "1";
  if (!hasIntegrity)
    warnings.push("BENCH_NO_INTEGRITY=1: nobody looks for changes in the database. Only for measurements.");
  const hasWatch = env.BENCH_NO_WATCH !== "1";
  if (!hasWatch)
    warnings.push("BENCH_NO_WATCH=1: only the scrub finds changes in the database. Only for measurements.");
  return { hasSignatures, hasIntegrity, hasWatch, warnings };
}

const NO_SIGNATURE = new Uint8Array(64);
const nobody: BlockSigner = { sign: () => NO_SIGNATURE };
/** Takes what `nobody` signs, and nothing that anybody signed: logs of the two kinds never mix. */
const unsignedOnly: SignatureVerifier = { verify: (_key, _bytes, signature) => signature.every((byte) => byte === 0) };

export function signingOf(
  switches: BenchSwitches,
  real: { signer: NodeSigner; verifier: SignatureVerifier },
): { signer: NodeSigner; verifier: SignatureVerifier } {
  return switches.hasSignatures ? real : { signer: { ...real.signer, block: nobody }, verifier: unsignedOnly };
}
