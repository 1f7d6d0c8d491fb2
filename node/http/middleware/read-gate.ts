import type { ServerResponse } from "node:http";
import { ProblemError } from "../../problems.js";
import { type Asking, type FairLimits, FairPlaces } from "../../service/fair-places.js";
import { clientOf } from "../client-address.js";

/** Bytes of lists under way, over all clients of this process. */
const BYTES_MAX = 20 * 1024 * 1024;
/** Beyond, as in all that follows, for clients' addresses that have none under way. */
const BYTES_SPARE = 4 * 1024 * 1024;
const WAITING_MAX = 512;
const WAIT_MS_MAX = 5_000;
/** Single answers that are large: bytes of those that clients take, and how many wait with theirs for a place. */
const SINGLE_BYTES_MAX = 16 * 1024 * 1024;
const SINGLE_BYTES_SPARE = 4 * 1024 * 1024;
const SINGLE_WAITING_MAX = 128;
/** They have been made by then. */
const SINGLE_WAITING_BYTES_MAX = 32 * 1024 * 1024;
/** Bundles of evidence at once, of up to 14 MB each, and how many requests wait. */
const EVIDENCE_MAX = 1;
const EVIDENCE_SPARE = 1;
const EVIDENCE_WAITING_MAX = 16;
/** Requests at once, each of which reads this node's database and asks every other node. */
const QUESTIONS_MAX = 4;
const QUESTIONS_SPARE = 2;
/** Histograms at once, each of which may look through the index for as long as a search may; and how many wait. */
const HISTOGRAMS_MAX = 2;
const HISTOGRAMS_SPARE = 1;
const HISTOGRAMS_WAITING_MAX = 64;
/** What persons have done, in requests: each asks this node's database, other nodes, the start script or the webhook. */
const DECISIONS_MAX = 4;
const DECISIONS_SPARE = 2;
const DECISIONS_WAITING_MAX = 64;

export interface GateLimits extends FairLimits {
  readonly refusal?: string;
}

/** Bounds what answers of one kind take together. Whoever comes later waits in a queue that has an end; clients take turns. */
export class ReadGate {
  private readonly places: FairPlaces;

  constructor(private readonly limits: GateLimits) {
    this.places = new FairPlaces(limits);
  }

  /** Runs `answer` with its share of what there is. Throws ProblemError `overloaded` where nothing is left in time. */
  async run(res: ServerResponse, share: number, answer: () => Promise<void>): Promise<void> {
    const place = await this.enter(res, Math.min(share, this.limits.max));
    try {
      if (!res.destroyed) await answer();
    } finally {
      this.places.leave(place);
    }
  }

  private enter(res: ServerResponse, share: number): Promise<Asking> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let isDecided = false;
      const stop = (): void => {
        isDecided = true;
        clearTimeout(timer);
        res.off("close", giveUp);
      };
      const refuse = (): void => {
        stop();
        reject(this.overloaded());
      };
      const giveUp = (): void => {
        refuse();
        this.places.withdraw(asking);
      };
      const onEntered = (): void => {
        stop();
        resolve(asking);
      };
      const asking: Asking = { by: clientOf(res.req.socket), share, onEntered, onPushedOut: refuse };
      if (!this.places.ask(asking)) refuse();
      if (isDecided) return;
      timer = setTimeout(giveUp, WAIT_MS_MAX);
      res.once("close", giveUp);
    });
  }

  private overloaded(): ProblemError {
    return new ProblemError("overloaded", this.limits.refusal ?? ASK_AGAIN, { retryAfterSeconds: 1 });
  }
}

/** What reads may take of this process, whatever its clients ask for, and however many they are. */
export interface ReadGates {
  /** Lists of events, in bytes: each has a place while it is made and until its client has taken it. */
  readonly lists: ReadGate;
  /** Large answers that are none, in bytes: each has a place until its client has taken it. */
  readonly singles: ReadGate;
  /** Bundles of evidence, in requests: one that is taken slowly keeps no event from its reader. */
  readonly evidence: ReadGate;
  /** What asks every node, in requests. Its peers' answers come where those to forwarded writes do. */
  readonly questions: ReadGate;
  /** What counts entries of the index, in requests. */
  readonly histograms: ReadGate;
  /** Decisions of persons, and what else is passed on to be done: reads of whatever number never keep them out. */
  readonly decisions: ReadGate;
}

export const readGates = (): ReadGates => ({
  lists: new ReadGate({ max: BYTES_MAX, spare: BYTES_SPARE, waitingMax: WAITING_MAX }),
  singles: new ReadGate({
    ...{ max: SINGLE_BYTES_MAX, spare: SINGLE_BYTES_SPARE },
    ...{ waitingMax: SINGLE_WAITING_MAX, waitingShareMax: SINGLE_WAITING_BYTES_MAX },
  }),
  evidence: new ReadGate({ max: EVIDENCE_MAX, spare: EVIDENCE_SPARE, waitingMax: EVIDENCE_WAITING_MAX }),
  questions: new ReadGate({ max: QUESTIONS_MAX, spare: QUESTIONS_SPARE, waitingMax: WAITING_MAX }),
  histograms: new ReadGate({ max: HISTOGRAMS_MAX, spare: HISTOGRAMS_SPARE, waitingMax: HISTOGRAMS_WAITING_MAX }),
  decisions: new ReadGate({
    ...{ max: DECISIONS_MAX, spare: DECISIONS_SPARE, waitingMax: DECISIONS_WAITING_MAX, refusal: NOT_DONE },
  }),
});

const ASK_AGAIN = "This node is answering as many requests of this kind as it can. Ask again shortly, or another node.";
const NOT_DONE =
  "This node is having as many decisions carried out as it can. Nothing was done for this one. Send it again shortly.";
