import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ANOMALY_KINDS, Anomalies, type AnomalyKind } from "./anomalies.js";
import { canonical, hashesOf } from "./canonical.js";
import type { AppendLine, HistoryLine, ListLine, LogEvent, ReadLine, SeenEvent, SentEvent } from "./format.js";
import { Judge } from "./judge.js";
import { JudgedLog } from "./log.js";

const sent = (write: string): SentEvent => ({ eventType: "t", sourceAppId: "s", dataPayload: { write } });

/** A log that verifies, of the writes given; `change` is applied to each event before it is hashed. */
function log(writes: string[], change: (event: LogEvent) => Partial<LogEvent> = () => ({})): LogEvent[] {
  const events: LogEvent[] = [];
  for (const [sequence, write] of writes.entries()) {
    const event: LogEvent = {
      ...{ v: 1, sequence, id: createHash("md5").update(write).digest("hex").slice(0, 24), ...sent(write) },
      ...{ timestamp: "2026-01-01T00:00:00Z", recordedAt: "2026-01-01T00:00:00.000Z", height: 1, term: 1 },
      ...{ payloadSalt: "00".repeat(16), payloadHash: "", hash: "", previousHash: events.at(-1)?.hash ?? "" },
    };
    Object.assign(event, change(event));
    event.payloadHash = hashesOf(event).payloadHash;
    event.hash = hashesOf(event).hash;
    events.push(event);
  }
  return events;
}

const seen = ({ sequence, id, hash, dataPayload }: LogEvent): SeenEvent => {
  return { sequence, id, hash, write: String(dataPayload.write) };
};
const call = (start: number, end: number, node = "n1") => ({ client: "c", node, start, end, status: 0 });

/** An append of `writes` that ended as said; acknowledged where `of` has them. */
function append(writes: string[], [start, end]: [number, number], of: LogEvent[] | AppendLine["outcome"]): AppendLine {
  const line = { type: "append" as const, ...call(start, end), events: writes.map(sent) };
  const batch = writes.length > 1 ? { isBatch: true } : {};
  if (typeof of === "string") return { ...line, ...batch, outcome: of };
  const places = writes.map((write) => seen(of.find(({ dataPayload }) => dataPayload.write === write) as LogEvent));
  return { ...line, ...batch, outcome: "ok", places };
}

function read(
  sequence: number,
  [start, end]: [number, number],
  of: LogEvent[],
  more: Partial<ReadLine> = {},
): ReadLine {
  const event = of[sequence];
  const found = event === undefined ? { outcome: "absent" as const } : { outcome: "ok" as const, event: seen(event) };
  return { type: "read", ...call(start, end), isLinearizable: true, sequence, ...found, ...more };
}

function list([start, end]: [number, number], events: LogEvent[], more: Partial<ListLine> = {}): ListLine {
  const page = { order: "desc" as const, isFirstPage: true, outcome: "ok" as const, events: events.map(seen) };
  return { type: "list", ...call(start, end), isLinearizable: true, ...page, ...more };
}

const provoked = new Set<AnomalyKind>();

async function judge(
  history: HistoryLine[],
  ...logs: LogEvent[][]
): Promise<{ kinds: AnomalyKind[]; details: string }> {
  const anomalies = new Anomalies();
  const judged = new JudgedLog(anomalies);
  for (const [index, events] of logs.entries()) await judged.addNode(`n${index + 1}`, events);
  const judgement = new Judge(judged, anomalies);
  for (const line of history) judgement.add(line);
  judgement.finish();
  for (const kind of anomalies.counts.keys()) provoked.add(kind);
  return { kinds: [...anomalies.counts.keys()], details: anomalies.kept.map(({ detail }) => detail).join("\n") };
}

describe("a sound history", () => {
  const events = log(["a", "b", "c", "d0", "d1"], ({ dataPayload: { write } }) => {
    return String(write).startsWith("d") ? { batch: [Number(String(write)[1]), 2] } : {};
  });

  it("has no anomaly: acknowledged, unknown either way, refused, batches, reads of both kinds", async () => {
    const history = [
      append(["a"], [0, 1], events),
      append(["b"], [2, 9], "unknown"),
      append(["b"], [10, 11], "refused"),
      append(["lost on the way"], [2, 9], "unknown"),
      append(["refused"], [2, 3], "refused"),
      append(["c"], [12, 13], events),
      append(["c"], [14, 15], events),
      append(["d0", "d1"], [16, 17], events),
      read(2, [14, 15], events),
      list([18, 19], [...events].reverse()),
      list([18, 19], events, { order: "asc" }),
      // Not linearizable, at a node that acknowledged nothing: it may be behind.
      read(4, [20, 21], [], { isLinearizable: false, node: "n2" }),
    ];
    expect(await judge(history, events, events, events)).toEqual({ kinds: [], details: "" });
  });

  it("may order calls that overlap in either way", async () => {
    const history = [append(["b"], [0, 10], events), append(["a"], [5, 6], events), append(["c"], [5, 20], events)];
    const rest = append(["d0", "d1"], [0, 30], "unknown");
    expect((await judge([...history, rest], events)).kinds).toEqual([]);
  });
});

describe("every kind of anomaly is found", () => {
  const three = log(["a", "b", "c"]);
  const all = (events: LogEvent[]) =>
    events.map(({ dataPayload }) => append([String(dataPayload.write)], [0, 100], "unknown"));
  const abc = all(three);

  it("lost", async () => {
    const { kinds, details } = await judge([append(["a"], [0, 1], three), ...all(three)], []);
    expect(kinds).toEqual(["lost"]);
    expect(details).toBe("a, acknowledged at 0");
  });

  it("moved, and with it out of order", async () => {
    const history = [append(["a"], [0, 1], three), append(["b"], [2, 3], three), append(["c"], [4, 5], three)];
    expect((await judge(history, log(["a", "c", "b"]))).kinds).toContain("moved");
  });

  it("changed: the body that was sent, or the hash that was acknowledged", async () => {
    const other = log(["a", "b", "c"], ({ sequence }) => (sequence === 1 ? { eventType: "u" } : {}));
    expect((await judge(abc, other)).kinds).toEqual(["changed"]);
    const salted = log(["a", "b", "c"], ({ sequence }) => (sequence === 1 ? { payloadSalt: "11".repeat(16) } : {}));
    expect((await judge([...abc, append(["b"], [0, 1], three)], salted)).kinds).toEqual(["changed"]);
  });

  it("doubled, and a key used twice", async () => {
    expect((await judge(abc, log(["a", "b", "c", "a"]))).kinds).toEqual(["doubled"]);
    const keyed = log(["a", "b", "c"], ({ sequence }) => (sequence === 1 ? {} : { idempotencyKey: "k" }));
    expect((await judge(abc, keyed)).kinds).toEqual(["key_doubled"]);
  });

  it("invented", async () => {
    expect(await judge(abc, log(["a", "b", "c", "x"]))).toEqual({ kinds: ["invented"], details: "x at 3" });
  });

  it("refused, and there all the same; but not where another attempt may have written it", async () => {
    const refused = append(["a"], [0, 1], "refused");
    const rest = abc.slice(1);
    expect((await judge([refused, ...rest], three)).kinds).toEqual(["refused_present"]);
    expect((await judge([refused, append(["a"], [2, 3], "unknown"), ...rest], three)).kinds).toEqual([]);
  });

  it("refused for its key, which no other write holds: its own does, or nobody", async () => {
    const keyed = log(["a", "b", "c"], ({ sequence }) => (sequence === 0 ? { idempotencyKey: "k" } : {}));
    const refused = (write: string, key: string): AppendLine => {
      return { ...append([write], [2, 3], "refused"), status: 422, code: "idempotency_key_reused", key };
    };
    const { kinds, details } = await judge([...abc, refused("a", "k")], keyed);
    expect(kinds).toEqual(["key_refused"]);
    expect(details).toBe("a, key k: c at n1, begun at 2.0 ms: 422 idempotency_key_reused");
    expect((await judge([...abc, refused("z", "other")], keyed)).kinds).toEqual(["key_refused"]);
    expect((await judge([...abc, refused("z", "k")], keyed)).kinds).toEqual([]);
    const elsewhere = refused("z", "k");
    const [event] = elsewhere.events as [SentEvent];
    expect((await judge([...abc, { ...elsewhere, events: [{ ...event, sourceAppId: "t" }] }], keyed)).kinds).toEqual([
      "key_refused",
    ]);
  });

  it("a torn batch: a part missing, apart, or in another order", async () => {
    const history = [append(["d0", "d1"], [0, 9], "unknown"), ...abc];
    const batch = ({ dataPayload: { write } }: LogEvent): Partial<LogEvent> =>
      String(write).startsWith("d") ? { batch: [Number(String(write)[1]), 2] } : {};
    for (const writes of [["d0"], ["d0", "a", "d1"], ["d1", "d0"]])
      expect([writes, (await judge(history, log(writes, batch))).kinds]).toEqual([writes, ["torn_batch"]]);
    expect((await judge(history, log(["a", "d0", "d1"], batch))).kinds).toEqual([]);
  });

  it("two answers to one write", async () => {
    const other = append(["a"], [2, 3], log(["x", "a"]));
    expect((await judge([append(["a"], [0, 1], three), other, ...abc], three)).kinds).toEqual(["answers_differ"]);
    const short = { ...append(["a"], [2, 3], three), places: [] };
    expect((await judge([short, ...abc], three)).kinds).toEqual(["answers_differ"]);
  });

  it("order: sent after another was acknowledged, or read, and stands before it", async () => {
    const acknowledged = append(["c"], [0, 1], three);
    const later = [append(["a"], [0, 1], "unknown"), append(["b"], [2, 3], three)];
    expect((await judge([acknowledged, ...later], three)).kinds).toEqual(["order"]);
    const sentEarly = [
      append(["a"], [0, 9], "unknown"),
      append(["c"], [0, 9], "unknown"),
      append(["b"], [2, 9], "unknown"),
    ];
    const plain = read(2, [0, 1], three, { isLinearizable: false });
    expect((await judge([plain, ...sentEarly], three)).kinds).toEqual(["order"]);
  });

  it.each([
    ["an event that was acknowledged is absent", read(2, [2, 3], [])],
    ["the newest page ends before it", list([2, 3], three.slice(0, 2).reverse())],
    ["the size that the answer names is below it", read(0, [2, 3], three, { size: 2 })],
  ])("a stale linearizable read: %s", async (_, line) => {
    const history = [...abc, append(["c"], [0, 1], three)];
    expect((await judge([...history, { ...line, node: "n2" }], three)).kinds).toEqual(["stale_linearizable"]);
    const begunBefore = { ...line, node: "n2", start: 0.5 };
    expect((await judge([...history, begunBefore], three)).kinds).toEqual([]);
    expect((await judge([...history, { ...line, node: "n2", isLinearizable: false }], three)).kinds).toEqual([]);
  });

  it("a linearizable read that goes back behind what another read has shown", async () => {
    const history = [
      ...abc,
      list([0, 1], [...three].reverse()),
      { ...list([2, 3], three.slice(0, 2).reverse()), node: "n3" },
    ];
    expect((await judge(history, three)).kinds).toEqual(["stale_linearizable"]);
  });

  it("a node that does not show what it acknowledged itself, also in a plain read", async () => {
    const history = [...abc, append(["c"], [0, 1], three), read(2, [2, 3], [], { isLinearizable: false })];
    expect((await judge(history, three)).kinds).toEqual(["stale_own"]);
  });

  it("a node that denies what it has shown, by its events or by the size that it named", async () => {
    const plain = { isLinearizable: false };
    const gone = read(2, [4, 5], [], plain);
    const byEvent = [...abc, read(2, [2, 3], three, { ...plain, node: gone.node })];
    expect((await judge([...byEvent, gone], three)).kinds).toContain("denied");
    const bySize = [...abc, read(0, [2, 3], three, { ...plain, node: gone.node, size: 3 })];
    expect((await judge([...bySize, gone], three)).kinds).toContain("denied");
    expect((await judge([...byEvent, { ...gone, node: "n9" }], three)).kinds).not.toContain("denied");
  });

  it("an event that was read before it was sent", async () => {
    const history = [append(["a"], [5, 6], three), ...abc.slice(1), read(0, [0, 1], three)];
    expect((await judge(history, three)).kinds).toContain("early");
  });

  it("a read of another event than the log has, of another place, or with a hole", async () => {
    expect((await judge([...abc, read(1, [0, 1], log(["a", "x"]))], three)).kinds).toEqual(["read_differs"]);
    const misplaced = { ...read(1, [0, 1], three), sequence: 2 };
    expect((await judge([...abc, misplaced], three)).kinds).toEqual(["read_differs"]);
    const [first, , third] = three as [LogEvent, LogEvent, LogEvent];
    const hole = list([0, 1], [first, third], { order: "asc" });
    expect((await judge([...abc, hole], three)).kinds).toEqual(["read_differs"]);
  });

  it("a broken chain: a payload, a hash, a link, a place", async () => {
    const changes: Partial<LogEvent>[] = [
      { dataPayload: { write: "b", more: 1 } },
      { recordedAt: "2026-01-02T00:00:00.000Z" },
      { previousHash: "0".repeat(64) },
      { sequence: 7 },
    ];
    for (const change of changes) {
      const forged = three.map((event, place) => (place === 1 ? { ...event, ...change } : event));
      expect([change, (await judge(abc, forged)).kinds]).toEqual([change, expect.arrayContaining(["broken_chain"])]);
    }
  });

  it("logs that differ: in an event, in length", async () => {
    expect((await judge([...abc, ...all(log(["x"]))], three, log(["a", "b", "x"]))).kinds).toEqual(["logs_differ"]);
    expect((await judge(abc, three, three.slice(0, 2))).kinds).toEqual(["logs_differ"]);
    expect((await judge(abc, three, three, [])).kinds).toEqual(["logs_differ"]);
  });

  it("an answer that no valid request may get", async () => {
    expect((await judge([...abc, append(["z"], [0, 1], "unexpected")], three)).kinds).toEqual(["unexpected_answer"]);
    const failed = read(0, [0, 1], three, { outcome: "unexpected" });
    expect((await judge([...abc, failed], three)).kinds).toEqual(["unexpected_answer"]);
  });
});

it("the tests above provoke every kind that there is", () => {
  expect([...provoked].sort()).toEqual(Object.keys(ANOMALY_KINDS).sort());
});

it("canonical JSON is RFC 8785's", () => {
  expect(canonical({ b: [1e21, -0, "\u2028é"], a: null, "\u00e9": { z: 1, y: true } })).toBe(
    '{"a":null,"b":[1e+21,0,"\u2028é"],"é":{"y":true,"z":1}}',
  );
});
