import type { BlockSigner, SignatureVerifier } from "../../shared/log/chain.js";
import type { EventView } from "../../shared/log/event.js";
import type { Projection, Storage } from "../storage/port.js";
import type { NodeSigner } from "./signer.js";

/**
 * What `npm run bench -- --variant NAME=1` leaves out, to show what it costs. No settings of a log that anybody keeps:
 * blocks without signatures verify on no other node, and events without a projection cannot be read.
 */
export interface BenchSwitches {
  readonly hasSignatures: boolean;
  readonly hasProjection: boolean;
  readonly warnings: readonly string[];
}

export function readBenchSwitches(env: NodeJS.ProcessEnv): BenchSwitches {
  const hasSignatures = env.BENCH_NO_SIGNATURES !== "1";
  const hasProjection = env.BENCH_NO_PROJECTION !== "1";
  const warnings: string[] = [];
  if (!hasSignatures)
    warnings.push("BENCH_NO_SIGNATURES=1: blocks are not signed and signatures not checked. Only for measurements.");
  if (!hasProjection)
    warnings.push("BENCH_NO_PROJECTION=1: events cannot be read or looked up by key. Only for measurements.");
  return { hasSignatures, hasProjection, warnings };
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

export function storageOf(switches: BenchSwitches, real: Storage): Storage {
  return switches.hasProjection ? real : { ...real, projection: new UnwrittenProjection(real.projection) };
}

/** Says of every event that it is projected, and writes none. */
class UnwrittenProjection implements Projection {
  private end = 0;
  constructor(private readonly real: Projection) {}

  get through(): number {
    return Math.max(this.end, this.real.through);
  }
  async apply(events: readonly EventView[]): Promise<void> {
    this.end = Math.max(this.end, (events.at(-1)?.sequence ?? -1) + 1);
  }
  get: Projection["get"] = (sequence) => this.real.get(sequence);
  list: Projection["list"] = (filter, page) => this.real.list(filter, page);
  count: Projection["count"] = (filter, cap) => this.real.count(filter, cap);
  findByKey: Projection["findByKey"] = (sourceAppId, key) => this.real.findByKey(sourceAppId, key);
}
