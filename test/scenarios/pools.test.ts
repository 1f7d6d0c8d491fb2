import { expect, it } from "vitest";
import { ProblemError } from "../../node/problems.js";
import { READ_CONNECTIONS_MAX } from "../../node/storage/mongo/options.js";
import { Lab } from "./lab.js";

/** More than the pool of clients' reads has connections, and each of another block. */
const READERS = 3 * READ_CONNECTIONS_MAX;

it("goes on with writes, with new keys and repeated ones, while readers that hang fill their pool, and answers the readers afterwards", () => {
  // Nothing is read from memory, and no key is known to be new.
  const lab = new Lab({ memory: { cacheBytesMax: 1, keyFilterBytes: 1 } }).form();
  for (let i = 0; i < READERS; i++) lab.writeTo("n1");
  const first = keyed(lab, "old");
  const n1 = lab.node("n1");
  const answers: string[] = [];
  const read = (sequence: number): void => {
    n1.service.reads.get(sequence).then(
      (found) => answers.push(found === null ? "denied" : "read"),
      (error: unknown) => answers.push(error instanceof ProblemError ? error.code : String(error)),
    );
  };
  n1.store.behaviour.held = ({ by }) => by === "reads";
  for (let i = 0; i < READERS; i++) read(i);
  lab.run(50);
  expect(answers).toEqual([]);
  for (let i = 0; i < 5; i++) {
    const { outcome } = lab.begin(i % 2 === 0 ? "n1" : "n2", { key: `new ${i}` });
    lab.until("a write with a new key is answered", () => outcome() !== null, 500);
    expect(outcome()?.kind).toBe("written");
    expect(keyed(lab, "old")).toEqual(first);
    lab.writeTo("n1", 500);
  }
  lab.timeouts(12);
  // None waits for ever: neither for a connection nor for an answer.
  expect(answers).toHaveLength(READERS);
  expect(new Set(answers)).toEqual(new Set(["not_ready"]));
  n1.store.behaviour.held = () => false;
  n1.store.next();
  answers.length = 0;
  for (let i = 0; i < READERS; i++) read(i);
  lab.until("all readers are answered", () => answers.length === READERS, 500);
  expect(new Set(answers)).toEqual(new Set(["read"]));
  expect(lab.leaderChanges()).toEqual([]);
  lab.finish();
});

/** Where the event of a key stands, by a write that is answered at once. */
function keyed(lab: Lab, key: string): number | undefined {
  const { outcome } = lab.begin("n1", { key });
  lab.until("a write with this key is answered", () => outcome() !== null, 500);
  const told = outcome();
  return told?.kind === "written" ? told.events[0]?.sequence : undefined;
}
