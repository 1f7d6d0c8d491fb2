import { utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import type { NodeId } from "../../shared/ids.js";
import type { BlockSigner } from "../../shared/log/chain.js";
import type { AlertNote } from "../../shared/log/control.js";
import { type Clock, sleep } from "../clock.js";
import type { AlteredLog } from "../replica/verified-tail.js";
import type { PeerDesk } from "../service/parts.js";
import type { Identity } from "../storage/identity.js";
import { UNFIT_LOG } from "../storage/incident.js";
import { HAS_ALREADY, signedRecords } from "./alert-recorder.js";

/** An election may be under way. In all, the end of a node waits for four seconds at most. */
const TRIES_MAX = 3;
const TRY_EVERY_MS = 800;
const ANSWER_WITHIN_MS = 800;

export interface LastWordParts {
  readonly nodeId: NodeId;
  readonly identity: Pick<Identity, "formedClusterId" | "storeId">;
  readonly signer: BlockSigner;
  readonly desk: Pick<PeerDesk, "others" | "request">;
  readonly clock: Clock;
}

/**
 * A node that ends rather than go on with an altered log can keep no alert of it. It has whoever leads write a record to the
 * log, as of any alert. True if one has, or had it already.
 */
export async function tellOfAlteredLog(error: AlteredLog, parts: LastWordParts): Promise<boolean> {
  const { nodeId, identity, signer, desk, clock } = parts;
  const { formedClusterId } = identity;
  if (formedClusterId === null || desk.others.length === 0) return false;
  const records = signedRecords(signer, formedClusterId, { node: nodeId, notes: [noteOf(error, parts)] });
  const isTakenBy = async (peer: NodeId): Promise<boolean> => {
    const reply = await desk.request(peer, "log-alerts", records, { timeoutMs: ANSWER_WITHIN_MS }).catch(() => null);
    return reply?.kind === "answered" || (reply?.kind === "refused" && reply.detail === HAS_ALREADY);
  };
  for (let tries = 1; ; tries++) {
    // Only who leads takes it.
    if ((await Promise.all(desk.others.map(isTakenBy))).includes(true)) return true;
    if (tries === TRIES_MAX) return false;
    await sleep(clock, TRY_EVERY_MS);
  }
}

/** The same at each further start that ends so: it is one alert. */
function noteOf({ at, kind, message }: AlteredLog, { nodeId, identity, clock }: LastWordParts): AlertNote {
  const name = canonicalText([UNFIT_LOG, nodeId, identity.storeId, kind, at, message]);
  return {
    ...{ id: sha256Hex(utf8(name)).slice(0, 24), n: 0, action: "opened", at: clock.wall() },
    ...{ alertKind: kind, severity: "critical", accused: nodeId, heights: [[at, at]], fields: [UNFIT_LOG] },
  };
}
