import { deriveSigner } from "../../node/host/signer.js";
import type { LogStore, NewBlock, StoredBlock } from "../../node/storage/port.js";
import { stateMacOf } from "../../node/storage/state-mac.js";
import { canonicalBytes, type JsonObject } from "../../shared/canonical.js";
import { height, term } from "../../shared/ids.js";
import { type ChainState, EMPTY_CHAIN, sealBlock } from "../../shared/log/chain.js";
import type { Control } from "../../shared/log/control.js";
import {
  type EventView,
  eventView,
  type LoggedEvent,
  type PreparedEvent,
  payloadCommitment,
} from "../../shared/log/event.js";
import { ownRun } from "../../shared/log/index.js";

export interface TestEvent {
  readonly dataPayload?: JsonObject;
  readonly eventType?: string;
  readonly sourceAppId?: string;
  readonly timestamp?: string;
  readonly idempotencyKey?: string;
  readonly batch?: readonly [number, number];
}

export interface TestBlock {
  readonly stored: StoredBlock;
  /** The same with its entry. */
  readonly toStore: NewBlock;
  readonly next: ChainState;
  readonly views: readonly EventView[];
  readonly events: readonly LoggedEvent[];
}

/** One after the other. */
export async function insert(log: LogStore, blocks: readonly TestBlock[]): Promise<void> {
  for (const { toStore } of blocks) await log.insertBlocks([toStore]);
}

/** Of a node whose seed is all sevens. */
export const STATE_MAC = stateMacOf(new Uint8Array(32).fill(7));

const signer = deriveSigner(new Uint8Array(32).fill(7));
const member = {
  id: "n1",
  address: "http://127.0.0.1:3000",
  priority: 3_000_000_000,
  storeId: "1".repeat(32),
  joinNonce: "2".repeat(32),
  keys: signer.keys,
};
export const GENESIS: Control = { kind: "genesis", nonce: "0".repeat(32), members: [member] };
export const ADMITTED: Extract<Control, { kind: "node_admitted" }> = {
  kind: "node_admitted",
  node: "n1",
  joinNonce: "3".repeat(32),
  storeId: "1".repeat(32),
  keys: signer.keys,
  actor: "a person",
  reason: "ünïcode $and.dots",
};

/** Seals real blocks, one after the other; `fork` goes on from an earlier one. */
export class TestLog {
  private state: ChainState = EMPTY_CHAIN;
  private clock = Date.parse("2026-01-01T00:00:00.000Z");

  fork(at: TestBlock): TestLog {
    const log = new TestLog();
    log.state = at.next;
    log.clock = this.clock;
    return log;
  }

  block(
    events: readonly TestEvent[],
    options: { term?: number; control?: Control; paths?: readonly string[]; commitHeight?: number } = {},
  ): TestBlock {
    this.clock += 1_000;
    const {
      block,
      next,
      events: logged,
      index,
    } = sealBlock(
      this.state,
      {
        term: term(options.term ?? Math.max(1, this.state.term)),
        leaderId: "n1",
        events: events.map(prepare),
        now: new Date(this.clock).toISOString(),
        commitHeight: height(options.commitHeight ?? Math.max(0, this.state.height - 1)),
        ...(options.control === undefined ? {} : { control: options.control }),
      },
      signer.block,
    );
    this.state = next;
    const stored: StoredBlock = { block, frontier: next.range.hashes };
    const entry = logged.length === 0 ? null : { index, own: ownRun(logged, options.paths ?? []) };
    return {
      stored,
      toStore: { ...stored, entry },
      events: logged,
      next,
      views: logged.map((event) => eventView(event, block.header)),
    };
  }

  /** The genesis and `count` blocks of one event each. */
  static grow(count: number): { log: TestLog; blocks: TestBlock[] } {
    const log = new TestLog();
    const blocks = [log.block([], { control: GENESIS })];
    for (let i = 0; i < count; i++) blocks.push(log.block([{ dataPayload: { i } }]));
    return { log, blocks };
  }
}

let ids = 0;
function prepare(event: TestEvent): PreparedEvent {
  const payload = canonicalBytes(event.dataPayload ?? {});
  const payloadSalt = new Uint8Array(16).fill(ids % 256);
  return {
    id: (ids++).toString(16).padStart(24, "0"),
    eventType: event.eventType ?? "test.event",
    timestamp: event.timestamp ?? "2026-01-01T00:00:00Z",
    sourceAppId: event.sourceAppId ?? "app",
    payload,
    payloadSalt,
    payloadHash: payloadCommitment(payloadSalt, payload),
    ...(event.idempotencyKey === undefined ? {} : { idempotencyKey: event.idempotencyKey }),
    ...(event.batch === undefined ? {} : { batch: event.batch }),
  };
}
