import { expect, it } from "vitest";
import type { ReplicaStanding } from "../../cluster/types.js";
import { utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { height, sequence, term } from "../../shared/ids.js";
import { eventView, logEvent, type PreparedEvent, payloadCommitment } from "../../shared/log/event.js";
import type { QuestionTo } from "../../shared/protocol/requests.js";
import { systemClock } from "../clock.js";
import { BODY_BYTES_MAX } from "../peers/limits.js";
import { PeerError } from "../peers/peer-client.js";
import type { PeerHandler } from "../peers/peer-server.js";
import { ForwardedWrites } from "./forwarded-writes.js";
import { Forwarder } from "./forwarder.js";
import { LeaderWatch } from "./leader-watch.js";
import { type Parts, PeerDesk } from "./parts.js";
import type { WriteResult } from "./write-tracker.js";

type Question = QuestionTo<"append">;
const MIB = 1024 * 1024;
const RECORDED_AT = "2030-01-01T00:00:00.000Z";

let made = 0;
function eventOf(dataPayload: Record<string, string>, more: Partial<PreparedEvent> = {}): PreparedEvent {
  const payload = utf8(canonicalText(dataPayload));
  const payloadSalt = new Uint8Array(16).fill(made % 251);
  return {
    id: (++made).toString(16).padStart(24, "0"),
    ...{ eventType: "t", timestamp: "2030-01-01T00:00:00Z", sourceAppId: "s", payload, payloadSalt },
    payloadHash: payloadCommitment(payloadSalt, payload),
    ...more,
  };
}

/** As a leader logs events, from a sequence on. */
function committed(events: readonly PreparedEvent[], from: number, isReplay = false): WriteResult {
  let previousHash = "";
  const views = events.map((event, i) => {
    const logged = logEvent(event, { sequence: sequence(from + i), recordedAt: RECORDED_AT, previousHash });
    previousHash = logged.hash;
    return eventView(logged, { height: height(9), term: term(3) });
  });
  return { kind: "committed", events: views, acknowledgedBy: ["n1", "n2"], isReplay };
}

const standing = (at: Partial<ReplicaStanding>): ReplicaStanding => ({
  ...{ role: "follower", term: term(3), leaderId: "n2", hasQuorum: true, isLearner: false },
  knownCommitHeight: height(8),
  ...at,
});

interface Proposed {
  readonly events: readonly PreparedEvent[];
  readonly decide: (result: WriteResult) => void;
}

/** A node that forwards to n2, and n2, with all that is said between them as JSON text. */
function linked(requestTimeoutMs = 20_000) {
  const proposed: Proposed[] = [];
  const questions: Question[] = [];
  const state = {
    lost: null as PeerError | null,
    answersLost: false,
    propose: null as null | ((one: Proposed) => void),
  };
  let atLeader: PeerHandler | undefined;
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const common = { clock: systemClock, logger };

  const leader = { nodeId: "n2", requestTimeoutMs };
  const leading = standing({ role: "leader" });
  new ForwardedWrites(
    {
      ...{ ...common, config: leader, driver: { standing: () => leading } },
      peers: new PeerDesk({
        config: leader,
        transport: { handle: (_: string, handler: PeerHandler) => (atLeader = handler) },
        clock: systemClock,
      } as never),
    } as unknown as Parts,
    (writes) =>
      writes.map(
        ({ events }) =>
          new Promise((decide) => {
            const one = { events, decide };
            proposed.push(one);
            state.propose?.(one);
          }),
      ),
  );

  let known = standing({});
  const leaders = new LeaderWatch({ standing: () => known });
  leaders.look();
  const request = async (_to: string, _path: string, question: Question, { signal }: { signal: AbortSignal }) => {
    questions.push(question);
    if (state.lost !== null) throw state.lost;
    const asked = { from: "n1", requestId: "", signal: new AbortController().signal };
    let giveUp = (): void => undefined;
    const given = new Promise<never>((_, reject) => {
      giveUp = () => reject(new PeerError("n2", "aborted", "aborted", true));
    });
    signal.addEventListener("abort", giveUp);
    const answer = await Promise.race([atLeader?.(JSON.parse(JSON.stringify(question)), asked), given]);
    signal.removeEventListener("abort", giveUp);
    if (state.answersLost) throw new PeerError("n2", "failed", "ECONNRESET", true);
    return JSON.parse(JSON.stringify(answer));
  };
  const config = { nodeId: "n1", requestTimeoutMs };
  const forwarder = new Forwarder({
    ...{ ...common, config, leaders, driver: { standing: () => known } },
    peers: new PeerDesk({ config, transport: { handle: () => undefined, request }, clock: systemClock } as never),
  } as unknown as Parts);
  const forward = (events: readonly PreparedEvent[], leftMs = requestTimeoutMs) =>
    forwarder.forward(
      { events, requestId: "the-request" },
      { leaderId: "n2", term: term(3) },
      { deadline: performance.now() + leftMs, sinceHeight: height(8), ifPreviousHash: undefined },
    );
  const follow = (at: Partial<ReplicaStanding>): void => {
    known = standing(at);
    leaders.look();
  };
  const ask = async (question: Question) => {
    const asked = { from: "n1", requestId: "", signal: new AbortController().signal };
    return (await atLeader?.(JSON.parse(JSON.stringify(question)), asked))?.body;
  };
  return { forward, follow, ask, proposed, questions, state };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("it did not come about");
    await turn();
  }
}
const countsOf = (questions: readonly Question[]): number[] => questions.map(({ writes }) => writes.length);
const some = (count: number): PreparedEvent[] => Array.from({ length: count }, () => eventOf({ a: "b" }));

it("sends all that came since the last request in one, and gives each write its own result", async () => {
  const { forward, proposed, questions } = linked();
  const events = some(3);
  const results = events.map((event) => forward([event]));
  await until(() => proposed.length === 3);
  expect(countsOf(questions)).toEqual([3]);
  expect(proposed.map((one) => one.events[0]?.id)).toEqual(events.map(({ id }) => id));
  const outcomes = events.map((event, i) => committed([event], 10 + i));
  for (const i of [2, 0, 1]) proposed[i]?.decide(outcomes[i] as WriteResult);
  expect(await Promise.all(results)).toEqual(outcomes);
  expect(countsOf(questions)).toEqual([3]);
});

it("gets no payload back, and shows a batch and a repeated request as they were logged", async () => {
  const { forward, proposed } = linked();
  const batch = [0, 1, 2].map((i) => eventOf({ n: `${i}` }, { batch: [i, 3], idempotencyKey: "k" }));
  const first = forward(batch);
  await until(() => proposed.length === 1);
  proposed[0]?.decide(committed(batch, 5));
  expect(await first).toEqual(committed(batch, 5));
  const again = batch.map(
    ({ payload, ...event }) => ({ ...event, payload, id: eventOf({}).id, isStampedHere: true }) as const,
  );
  const second = forward(again);
  await until(() => proposed.length === 2);
  proposed[1]?.decide(committed(batch, 5, true));
  expect(await second).toEqual(committed(batch, 5, true));
});

it.each([
  ["another place", { from: 6 }],
  ["another write's event", { other: true }],
])("takes an answer with %s for none", async (_, { from = 5, other = false }: { from?: number; other?: boolean }) => {
  const { forward, proposed } = linked();
  const event = eventOf({ a: "mine" });
  const result = forward([event]);
  await until(() => proposed.length === 1);
  const told = committed([other ? eventOf({ a: "another" }) : event], 5) as Extract<WriteResult, { kind: "committed" }>;
  const [view] = told.events;
  proposed[0]?.decide({ ...told, events: [{ ...(view as (typeof told.events)[0]), sequence: from }] });
  expect(await result).toEqual({ kind: "unknown" });
});

it("answers what is decided while another write of the same request waits, and what comes after it", async () => {
  const { forward, proposed, questions } = linked();
  const [slow, quick, later] = some(3) as [PreparedEvent, PreparedEvent, PreparedEvent];
  const waits = forward([slow]);
  const goes = forward([quick]);
  await until(() => proposed.length === 2);
  proposed[1]?.decide(committed([quick], 1));
  expect(await goes).toEqual(committed([quick], 1));
  const comes = forward([later]);
  await until(() => proposed.length === 3);
  proposed[2]?.decide(committed([later], 2));
  expect(await comes).toEqual(committed([later], 2));
  proposed[0]?.decide({ kind: "in_progress" });
  expect(await waits).toEqual({ kind: "in_progress" });
  expect(questions.length).toBeLessThan(8);
});

it("refuses an event that is not valid, and no other with it", async () => {
  const { forward, proposed } = linked();
  const wrong = [
    eventOf({}, { eventType: "" }),
    eventOf({}, { payloadHash: "0".repeat(64) }),
    eventOf({}, { payloadSalt: new Uint8Array(3) }),
    eventOf({}, { payload: utf8(`{"a":${"[".repeat(80)}${"]".repeat(80)}}`) }),
  ];
  const good = eventOf({});
  const refused = wrong.map((event) => forward([event]));
  const taken = forward([good]);
  await until(() => proposed.length === 1);
  proposed[0]?.decide(committed([good], 1));
  expect(await taken).toEqual(committed([good], 1));
  for (const result of await Promise.all(refused)) expect(result).toEqual({ kind: "not_written", reason: "not_valid" });
});

it("sends at most 1,000 writes in one request, and two requests at a time", async () => {
  const { forward, proposed, questions, state } = linked();
  state.propose = ({ events, decide }) => decide(committed(events, proposed.length));
  const results = some(2_500).map((event) => forward([event]));
  expect(new Set((await Promise.all(results)).map(({ kind }) => kind))).toEqual(new Set(["committed"]));
  expect(countsOf(questions).filter((count) => count > 0)).toEqual([1_000, 1_000, 500]);
});

it("sends at most 1 MiB of events in one request, or one write", async () => {
  const { forward, proposed, questions, state } = linked();
  state.propose = ({ events, decide }) => decide(committed(events, proposed.length));
  const sizes = [0.4, 0.4, 0.4, 2, 0.1].map((mebibytes) => Math.floor(mebibytes * MIB));
  await Promise.all(sizes.map((size) => forward([eventOf({ a: "x".repeat(size) })])));
  expect(countsOf(questions).filter((count) => count > 0)).toEqual([2, 1, 1, 1]);
});

it("sends no request that a peer does not take, however small the payloads of large batches are", async () => {
  const { forward, proposed, questions, state } = linked();
  state.propose = ({ events, decide }) => decide(committed(events, proposed.length));
  const batches = Array.from({ length: 15 }, () =>
    some(1_000).map((event, i) => ({ ...event, batch: [i, 1_000] as const })),
  );
  const results = await Promise.all(batches.map((batch) => forward(batch)));
  expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(["committed"]));
  expect(Math.max(...questions.map((question) => JSON.stringify(question).length))).toBeLessThan(BODY_BYTES_MAX / 2);
}, 60_000);

it("refuses what a node forwards beyond 10,000 writes that are not answered", async () => {
  const { forward, proposed } = linked(30_000);
  const events = some(10_001);
  const results = events.map((event) => forward([event]));
  expect(await results.at(-1)).toEqual({ kind: "not_written", reason: "queue_full" });
  expect(proposed).toHaveLength(10_000);
  for (const [i, { decide, events: own }] of proposed.entries()) decide(committed(own, i));
  const logged = (await Promise.all(results.slice(0, -1))).map((result) => "events" in result && result.events[0]?.id);
  expect(logged).toEqual(events.slice(0, -1).map(({ id }) => id));
}, 60_000);

it("fetches many answers of earlier requests in parts", async () => {
  const { forward, proposed, questions } = linked();
  const batches = Array.from({ length: 5 }, () =>
    some(1_000).map((event, i) => ({ ...event, batch: [i, 1_000] as const })),
  );
  const results = batches.map((batch) => forward(batch));
  await until(() => proposed.length === 5);
  for (const [i, { events, decide }] of proposed.entries()) decide(committed(events, i * 1_000, true));
  expect((await Promise.all(results)).map((result) => "events" in result && result.events.length)).toEqual(
    new Array(5).fill(1_000),
  );
  expect(questions.filter(({ writes }) => writes.length === 0).length).toBeGreaterThan(1);
});

it("says that a write is not written where its request certainly did not arrive, else that it is not known", async () => {
  const { forward, state } = linked();
  state.lost = new PeerError("n2", "unreachable", "ECONNREFUSED", false);
  expect(await forward(some(1))).toEqual({ kind: "not_written", reason: "unreached" });
  state.lost = new PeerError("n2", "failed", "ECONNRESET", true);
  expect(await forward(some(1))).toEqual({ kind: "unknown" });
});

it("knows nothing of all that is open when one of its answers is lost", async () => {
  const { forward, proposed, state } = linked();
  const first = forward(some(1));
  await until(() => proposed.length === 1);
  state.answersLost = true;
  const second = forward(some(1));
  expect(await Promise.all([first, second])).toEqual([{ kind: "unknown" }, { kind: "unknown" }]);
});

it.each([[{ leaderId: "n3" }], [{ term: term(4) }], [{ leaderId: null }]])(
  "gives up what it has sent when it follows another leader, and what it has not sent is not written: %o",
  async (at) => {
    const { forward, follow, proposed } = linked();
    const sent = forward(some(1));
    await until(() => proposed.length === 1);
    const queued = forward(some(1));
    follow(at);
    expect(await sent).toEqual({ kind: "unknown" });
    expect(await queued).toEqual({ kind: "not_written", reason: "unreached" });
    expect(proposed).toHaveLength(1);
  },
);

it("waits for no answer long after the deadline, and sends nothing that is past its own", async () => {
  const { forward, questions } = linked();
  expect(await forward(some(1), 30)).toEqual({ kind: "unknown" });
  expect(await forward(some(1), 0)).toEqual({ kind: "not_written", reason: "expired" });
  expect(questions.flatMap(({ writes }) => writes)).toHaveLength(1);
});

it("gives what is decided to the request that was sent last, also where an earlier one comes after it", async () => {
  const { forward, ask, proposed, questions } = linked();
  void forward(some(1));
  await until(() => proposed.length === 1);
  const [{ writes }] = questions as [Question];
  const common = { course: "0".repeat(16), term: 3 };
  const last = ask({ ...common, request: 2, writes });
  await until(() => proposed.length === 2);
  expect(await ask({ ...common, request: 1, writes: writes.map((write) => ({ ...write, n: 7 })) })).toEqual({
    answers: [],
  });
  expect(proposed).toHaveLength(3);
  proposed[2]?.decide({ kind: "unknown" });
  expect(await last).toEqual({ answers: [{ n: 7, result: { kind: "unknown" } }] });
});
