import type { HardState } from "../../cluster/types.js";
import type { NodeIdentity } from "../../node/replica/memory.js";
import type { Identity, IdentityUpdate, Mark } from "../../node/storage/identity.js";
import type { StateMac } from "../../node/storage/state-mac.js";
import type { NodeKeys } from "../../shared/log/control.js";
import type { SimProcess } from "./process.js";

const MARK_INTERVAL_MS = 1_000;
const WRITE_MS: readonly [number, number] = [1, 3];

/** A stand-in for the HMAC, as there is one for signatures: another state, or another node's seed, gives another text. */
export function fakeStateMac(seed: string): StateMac {
  // Nobody writes to the list of founders: it is replaced as a whole, once or twice in a life.
  let founders: { of: HardState["forming"]; text: string } = { of: null, text: "null" };
  return (value) => {
    if ("alert" in value || "truncating" in value || "indexWork" in value) return `${seed} ${JSON.stringify(value)}`;
    if ("anchors" in value) return `${seed} ${value.clusterId} ${value.page} ${value.anchors}`;
    const { term, votedFor, joinNonce, forming, ...others } = value;
    if (founders.of !== forming) founders = { of: forming, text: JSON.stringify(forming) };
    return `${seed} ${term} ${votedFor} ${joinNonce} ${founders.text} ${JSON.stringify(others)}`;
  };
}

/** What a node keeps outside its database: a restored or lost database takes none of it along. */
export class IdentityRecord {
  /** Null: there is no file. */
  file: Identity | null = null;

  constructor(
    private readonly nodeId: string,
    public keys: NodeKeys,
  ) {}

  /** Made at the first start; the keys stand for the seed. */
  make(): Identity {
    this.file = {
      version: 1,
      nodeId: this.nodeId,
      seed: this.keys.block,
      storeId: null,
      bootCounter: 0,
      formedClusterId: null,
      votedTerm: 0,
      mark: null,
      lostThrough: 0,
      found: [],
    };
    return this.file;
  }

  /** What was found at a start is an alert from here on. */
  raise(): void {
    if (this.file !== null && this.file.found.length > 0) this.file = { ...this.file, found: [] };
  }

  get formedClusterId(): string | null {
    return this.file?.formedClusterId ?? null;
  }
}

/** The identity file as one process has it open: `IdentityFile` in virtual time. */
export class SimIdentity implements NodeIdentity {
  readonly folder = "a simulated folder";
  private isUnsettled: boolean;
  private tail: Promise<void> = Promise.resolve();
  private pendingMark: Mark | null = null;
  private isMarking = false;
  /** A mark is being written because its time has come, and for no other reason. */
  private isTimed = false;

  constructor(
    private readonly record: IdentityRecord,
    private readonly process: SimProcess,
  ) {
    this.isUnsettled = record.file === null;
    if (record.file === null) record.make();
  }

  get isNew(): boolean {
    return this.isUnsettled;
  }
  settle(): void {
    this.isUnsettled = false;
  }
  get identity(): Identity {
    return this.record.file ?? this.record.make();
  }

  update(change: IdentityUpdate): Promise<void> {
    if (typeof change === "object" && Object.keys(change).length === 0 && !this.isTimed)
      this.process.node.onMarkBeforeTruncation?.();
    this.tail = this.tail.then(() => this.write(change));
    return this.tail;
  }

  recordMark(mark: Mark): void {
    if (mark.height <= (this.pendingMark ?? this.identity.mark ?? { height: -1 }).height) return;
    this.pendingMark = mark;
    if (this.isMarking) return;
    this.isMarking = true;
    this.process.after(MARK_INTERVAL_MS, () => {
      this.isMarking = false;
      this.isTimed = true;
      void this.update({});
      this.isTimed = false;
    });
  }

  private async write(update: IdentityUpdate): Promise<void> {
    const { process } = this;
    if (!process.recoversAtOnce) {
      const { node } = process;
      const ms = node.around.random.between(...(node.identityWriteMs ?? WRITE_MS));
      await new Promise<void>((resolve) => {
        process.after(ms, resolve);
      });
    }
    const mark = this.pendingMark;
    const change = typeof update === "function" ? update(this.identity) : update;
    for (const finding of change.found?.slice(this.identity.found.length) ?? []) process.node.onStartFinding(finding);
    this.record.file = { ...this.identity, ...(mark === null ? {} : { mark }), ...change };
    if (this.pendingMark === mark) this.pendingMark = null;
  }
}
