import { expect, it } from "vitest";
import { Lab } from "./lab.js";

/** A leader that remembers the ids of its newest block only. */
const forgetful = (): Lab => new Lab({ limits: { idsMax: 1, idsBlocksMin: 1 } }).form();

it("logs nothing twice when the machine of a forwarder sleeps in the middle of a write, and the leader forgets", () => {
  const lab = forgetful();
  const n2 = lab.node("n2");
  lab.network.cut("n1", "n2");
  lab.isConnected = (from) => from !== "n1";
  const { write, outcome } = lab.begin("n2");
  const id = write.events[0]?.id ?? "";
  lab.until("the write is committed", () => lab.checkers.history.sequenceOf(id) !== undefined, 200);
  n2.suspend();
  lab.run(50);
  lab.network.mend("n1", "n2");
  lab.isConnected = () => true;
  for (let i = 0; i < 5; i++) lab.writeTo("n1");
  lab.timeouts(60);
  n2.resume();
  // To itself it has just sent the write, and has all of the request timeout left.
  lab.until("the client is answered", () => outcome() !== null, 6_000);
  const refusals = lab.effects.flatMap(({ effect }) => (effect.kind === "refused" ? [effect.reason] : []));
  expect(refusals).toContain("cannot_tell");
  expect(outcome()).toEqual({ kind: "unknown" });
  lab.finish();
});

it("tells a write that was tried before and certainly not written by a new height, and takes it", () => {
  const lab = forgetful();
  const undo = lab.drop(({ to, body }) => to === "n2" && body.kind === "append");
  for (let i = 0; i < 5; i++) lab.writeTo("n1");
  // n2 knows neither the last blocks nor that they are committed.
  const { outcome } = lab.begin("n2");
  lab.run(100);
  expect(outcome()).toBeNull();
  expect(lab.effects.map(({ effect }) => effect)).toContainEqual(
    expect.objectContaining({ kind: "refused", reason: "cannot_tell" }),
  );
  undo();
  lab.until("it is written", () => outcome()?.kind === "written", 2_000);
  lab.finish();
});

it("a storm of 10,000 repeated keys after a change of leader costs nobody the lead, and each has the answer of its first write", () => {
  const KEYS = 10_000;
  // A few look-ups go on at a time: with a disk of several milliseconds most keys would wait too long for their turn.
  const lab = new Lab({ timing: { diskLatencyMs: [0, 1] } }).form();
  const keys = Array.from({ length: KEYS }, (_, n) => `storm ${n}`);
  const first = stormed(lab, ["n1", "n2"], keys);
  lab.until("all are level", () => lab.isLevel());
  lab.node("n1").crash();
  lab.elect("n2");
  const { term } = lab.node("n2").view;
  const repeated = stormed(lab, ["n2", "n3"], keys);
  expect(repeated).toEqual(first);
  expect(new Set(first.values()).size).toBe(KEYS);
  expect(lab.leader?.id).toBe("n2");
  expect(lab.node("n2").view.term).toBe(term);
  lab.finish();
}, 120_000);

/** Where the event of each key stands: clients that all write at once, and again those that were told to. */
function stormed(lab: Lab, nodes: readonly string[], keys: readonly string[]): Map<string, number> {
  const places = new Map<string, number>();
  const refusals = new Set<string>();
  for (let left = keys; left.length > 0; left = left.filter((key) => !places.has(key))) {
    const tried = left.map((key, n) => ({
      key,
      outcome: lab.begin(nodes[n % nodes.length] as string, { key }).outcome,
    }));
    for (let ms = 0; ms < 12_000 && tried.some(({ outcome }) => outcome() === null); ms += 10) lab.run(10);
    for (const { key, outcome } of tried) {
      const told = outcome();
      if (told?.kind === "written") places.set(key, told.events[0]?.sequence as number);
      else refusals.add(JSON.stringify(told));
    }
  }
  expect([...refusals].filter((told) => !told.includes("overloaded"))).toEqual([]);
  return places;
}

it.each([
  ["sooner", { n1: 1_000, n2: 20_000 }],
  ["later", { n1: 20_000, n2: 1_000 }],
])(
  "logs a write once that is repeated elsewhere while its forwarder sleeps, and whose leader ends requests %s",
  (_, of) => {
    const timingOf = Object.fromEntries(Object.entries(of).map(([id, requestTimeoutMs]) => [id, { requestTimeoutMs }]));
    const lab = new Lab({ limits: { idsMax: 1, idsBlocksMin: 1 }, timingOf }).form();
    const n2 = lab.node("n2");
    lab.network.cut("n1", "n2");
    lab.isConnected = (from) => from !== "n1";
    const [keyed, keyless] = [lab.begin("n2", { key: "once" }), lab.begin("n2")];
    const logged = ({ write }: typeof keyed): (number | undefined)[] =>
      write.events.map(({ id }) => lab.checkers.history.sequenceOf(id));
    lab.until("both are committed", () => ![...logged(keyed), ...logged(keyless)].includes(undefined), 200);
    n2.suspend();
    lab.run(50);
    lab.network.mend("n1", "n2");
    lab.isConnected = () => true;
    for (let i = 0; i < 5; i++) lab.writeTo("n1");
    lab.timeouts(60);
    const elsewhere = lab.begin("n3", { key: "once" }).outcome;
    lab.until("who repeats it is answered", () => elsewhere() !== null, 1_000);
    n2.resume();
    lab.until("both are answered", () => keyed.outcome() !== null && keyless.outcome() !== null, 21_000);
    const [sequence] = logged(keyed);
    expect(elsewhere()).toMatchObject({ kind: "written", isReplay: true, events: [{ sequence }] });
    // The leader has forgotten the ids of both, and takes neither.
    expect([keyed.outcome(), keyless.outcome()]).toEqual([{ kind: "unknown" }, { kind: "unknown" }]);
    const again = lab.begin("n2", { key: "once" }).outcome;
    lab.until("who asks again is answered", () => again() !== null, 1_000);
    expect(again()).toMatchObject({ kind: "written", isReplay: true, events: [{ sequence }] });
    lab.finish();
  },
);
