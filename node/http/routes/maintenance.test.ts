import { afterEach, beforeEach, expect, it } from "vitest";
import { MAINTENANCE_MS_MAX, NAME_CHARACTERS_MAX, REASON_CHARACTERS_MAX } from "../../../shared/limits.js";
import { controlSchema, type Maintenance } from "../../../shared/log/control.js";
import { type Door, openDoor } from "../../../test/doubles/door.js";
import { BEGUN_MS_MAX } from "./maintenance.js";

let door: Door;
let recorded: Maintenance[];
beforeEach(async () => {
  recorded = [];
  door = await openDoor();
  Object.assign(door.log.maintenance, {
    record: async (said: Maintenance) => {
      recorded.push(said);
      return { ...said, height: 7, recordedAt: said.from };
    },
  });
});
afterEach(() => door.close());

/** Far enough from the bounds that no step of a slow machine crosses them. */
const HOUR_MS = 3_600_000;
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
const WHO = { node: "n2", actor: "ada", reason: "mongod is upgraded" };

/** A window, or a problem. */
interface Told extends Maintenance {
  readonly height: number;
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly { readonly pointer: string }[];
}

async function asked(body: object, type = "application/json"): Promise<{ status: number; body: Told }> {
  const answer = await fetch(`${door.url}/api/v1/cluster/maintenance`, {
    method: "POST",
    headers: { "Content-Type": type },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Told };
}

it("records a window as UTC, from now on unless told, and answers with its block", async () => {
  const until = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + HOUR_MS);
  const told = until.toISOString().replace(".000Z", "+00:00");
  const { status, body } = await asked({ ...WHO, until: told });
  expect(status).toBe(201);
  expect(body).toMatchObject({ ...WHO, until: until.toISOString(), height: 7 });
  expect(Math.abs(Date.parse(body.from) - Date.now())).toBeLessThan(HOUR_MS);
  const from = inMs(HOUR_MS);
  expect((await asked({ ...WHO, from, until: inMs(2 * HOUR_MS) })).body.from).toBe(from);
});

it("takes no window that is over, empty, too long or of nobody, and says so of each field at once", async () => {
  const begun = inMs(-BEGUN_MS_MAX - HOUR_MS);
  const later = inMs(HOUR_MS);
  const pointers = async (body: object): Promise<string[]> => {
    const { status, body: problem } = await asked(body);
    expect([status, problem.code]).toEqual([422, "invalid_body"]);
    expect(problem.detail).toMatch(/^No maintenance was recorded\./);
    return problem.errors.map(({ pointer }) => pointer).sort();
  };
  expect(await pointers({ ...WHO, from: begun, until: later })).toEqual(["#/from"]);
  expect(await pointers({ ...WHO, from: later, until: later })).toEqual(["#/until"]);
  expect(await pointers({ ...WHO, until: inMs(MAINTENANCE_MS_MAX + HOUR_MS) })).toEqual(["#/until"]);
  expect(await pointers({ ...WHO, until: inMs(-HOUR_MS) })).toEqual(["#/until"]);
  expect(await pointers({ ...WHO, node: "-", until: "tomorrow", more: 1 })).toEqual(["#/more", "#/node", "#/until"]);
  expect(await pointers({})).toEqual(["#/actor", "#/node", "#/reason", "#/until"]);
  // What a form of another site can send.
  expect((await asked({ ...WHO, until: later }, "text/plain")).status).toBe(415);
  expect(recorded).toEqual([]);
});

it("takes exactly what followers take in a block", async () => {
  const from = inMs(HOUR_MS);
  const until = new Date(Date.parse(from) + MAINTENANCE_MS_MAX).toISOString();
  const letter = "\u{1f600}";
  const longest = { actor: letter.repeat(NAME_CHARACTERS_MAX), reason: letter.repeat(REASON_CHARACTERS_MAX) };
  expect((await asked({ ...WHO, from, until, ...longest })).status).toBe(201);
  const [said] = recorded;
  const isSealed = (more: object): boolean =>
    controlSchema.safeParse({ kind: "maintenance", ...said, ...more }).success;
  expect(isSealed({})).toBe(true);
  for (const more of [
    { until: new Date(Date.parse(until) + 1).toISOString() },
    { until: from },
    { from: from.replace("Z", "+00:00") },
    { reason: `${said?.reason}${letter}` },
    { node: "-" },
    { more: 1 },
  ])
    expect([more, isSealed(more)]).toEqual([more, false]);
});
