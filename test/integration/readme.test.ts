import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../scripts/lib/project.js";
import { eventually } from "../support/eventually.js";
import { openNodes, postJson, type TestNodes } from "./api-support.js";

/** So many events a line that follows a stream is to show. */
const STREAMED = 3;
const STREAM_MS_MAX = 180_000;
const HASH = /^[0-9a-f]{64}$/;

let nodes: TestNodes;
beforeAll(async () => {
  if (spawnSync("curl", ["--version"]).status !== 0)
    throw new Error(
      "The lines of README and examples are run by curl, and there is none on PATH: install it (apt install curl).",
    );
  nodes = await openNodes();
  await postJson(`${nodes.urls[0]}/api/v1/events`, { eventType: "T", sourceAppId: "readme", dataPayload: {} });
});
afterAll(() => nodes?.stop());

/** The commands of a page's `sh` blocks, in order; a backslash joins lines. */
const commandsOf = (page: string): string[] =>
  [...readFileSync(join(projectRoot(), page), "utf8").matchAll(/^```sh\n(.*?)^```$/gms)]
    .flatMap(([, block = ""]) => block.replaceAll(/\\\n\s*/g, "").split("\n"))
    .filter((line) => line !== "" && !line.startsWith("#"));
const inReadme = commandsOf("README.md");
const commands = commandsOf("docs/reference/examples.md");

// What an answer's body is, each row says itself.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Body = any;

/** Every route of the three APIs, once: the start of its line, the status, and what is in the answer. */
const expected: readonly [start: RegExp, status: number, check: (body: Body) => void][] = [
  [
    /^curl -X POST \S+\/api\/event-logs /,
    201,
    (event) => {
      const fields = "_id dataPayload eventType hash previousHash sequence sourceAppId timestamp";
      expect(Object.keys(event).sort().join(" ")).toBe(fields);
      expect(event.hash).toMatch(HASH);
      expect(event.timestamp).toBe("2026-05-01T12:00:00Z");
    },
  ],
  [
    /^curl '\S+\/api\/event-logs\?/,
    200,
    (list) => {
      expect(list).toMatchObject({ page: 1, limit: 10 });
      expect(list.data.length).toBeGreaterThan(0);
      expect(list.total).toBeGreaterThanOrEqual(list.data.length);
      for (const event of list.data) expect(event).toMatchObject({ eventType: "INFO", sourceAppId: "App1" });
    },
  ],
  [
    /^curl -X POST \S+:\d+\/events /,
    201,
    ({ message, event }) => {
      expect(message).toBe("Event logged successfully");
      expect(event.currentHash).toMatch(HASH);
    },
  ],
  [/^curl '\S+:\d+\/events\?page/, 200, (list) => expect(list[0]).toMatchObject({ previousHash: "" })],
  [
    /^curl -X POST \S+\/api\/v1\/events /,
    201,
    (place) => {
      const fields = "acknowledgedBy hash height id previousHash recordedAt sequence term";
      expect(Object.keys(place).sort().join(" ")).toBe(fields);
      expect(place.acknowledgedBy.length).toBeGreaterThanOrEqual(2);
    },
  ],
  [
    /^curl -X POST \S+\/api\/v1\/events:batch /,
    201,
    ({ events }) => expect(events[1]).toMatchObject({ height: events[0].height, previousHash: events[0].hash }),
  ],
  [
    /^curl '\S+\/api\/v1\/events\?/,
    200,
    ({ events }) => expect(events[0]).toMatchObject({ v: 1, sourceAppId: "demo" }),
  ],
  [/^curl \S+\/api\/v1\/events\/0$/, 200, (event) => expect(event).toMatchObject({ sequence: 0, previousHash: "" })],
  [/^curl \S+\/api\/v1\/events\/0\/nodes$/, 200, (copies) => expect(copies.nodes).toHaveLength(3)],
  [/^curl -X DELETE \S+\/api\/v1\/events\/0$/, 405, (problem) => expect(problem.code).toBe("append_only")],
  [/^curl \S+\/api\/v1\/cluster$/, 200, (status) => expect(status).toMatchObject({ state: "available", quorum: 2 })],
  [/^curl '\S+\/api\/v1\/chain\?count=10'$/, 200, (chain) => expect(chain.nodes).toHaveLength(3)],
  [/^curl \S+\/api\/v1\/blocks\/1$/, 200, (block) => expect(block.header).toMatchObject({ height: 1 })],
  [/^curl \S+\/api\/v1\/alerts$/, 200, ({ alerts }) => expect(alerts).toEqual([])],
  [/^curl -X POST \S+\/cluster\/admit /, 409, (problem) => expect(problem.code).toBe("admission_conflict")],
  [/^curl \S+\/livez$/, 200, (alive) => expect(alive.status).toBe("alive")],
  [/^curl '\S+\/readyz\?verbose'$/, 200, (text) => expect(text).toContain("[+]mongodb ok")],
  [/^curl \S+:\d+\/$/, 200, (home) => expect(home.apis).toHaveLength(3)],
  [/^curl \S+\/problems\/append_only$/, 200, (page) => expect(page).toMatchObject({ status: 405 })],
];
const isStream = (command: string): boolean => command.startsWith("node -e") || command.includes(" -N ");
const plain = commands.filter((command) => !isStream(command));

/** Runs a line; one that follows a stream is ended when it has shown enough. */
function shell(
  command: string,
  isEnough: (output: string) => boolean = () => false,
): Promise<{ output: string; error: string }> {
  const url = new URL(nodes.urls[0] as string);
  // `exec`, so that what is ended is the command itself and not a shell around it.
  const child = spawn("sh", ["-c", `exec ${command.replaceAll("127.0.0.1:3000", url.host)}`], { cwd: projectRoot() });
  const timer = setTimeout(() => child.kill(), STREAM_MS_MAX);
  let output = "";
  let error = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
    if (isEnough(output)) child.kill();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    error += chunk;
  });
  return new Promise((resolve) =>
    child.once("close", () => {
      clearTimeout(timer);
      resolve({ output, error });
    }),
  );
}

describe("the commands of README and examples", () => {
  it("name every route, each once, and nothing else", () => {
    expect(inReadme).toHaveLength(2);
    for (const command of [...plain, ...inReadme]) {
      const rows = expected.filter(([start]) => start.test(command));
      expect([command, rows.length]).toEqual([command, 1]);
    }
    expect(plain).toHaveLength(expected.length);
    expect(commands.filter(isStream)).toHaveLength(3);
    expect(commands.filter((command) => command.startsWith("curl")).length).toBe(expected.length + 1);
  });

  it.each([...inReadme, ...plain])("%s", async (command) => {
    const [, status, check] = expected.find(([start]) => start.test(command)) as (typeof expected)[number];
    const answer = async (): Promise<true> => {
      const { output, error } = await shell(`${command} -sS -w '\\n%{http_code} %{content_type}'`);
      const at = output.lastIndexOf("\n");
      const [code, type = ""] = output.slice(at + 1).split(" ");
      const body = /json/.test(type) ? JSON.parse(output.slice(0, at)) : output.slice(0, at);
      expect([error, Number(code)], output).toEqual(["", status]);
      check(body);
      return true;
    };
    // A read says of the others what they say at that moment, and one of them may be slow.
    await (command.includes("-X POST") ? answer() : eventually(answer, 20_000, "the answer"));
  });

  it.each(commands.filter(isStream))("%s", async (command) => {
    let isOver = false;
    const eventsIn = (output: string) =>
      [...output.matchAll(/(\{.*\})\r?\n/g)].map(([, text = ""]) => JSON.parse(text));
    const shown = shell(command, (output) => eventsIn(output).length >= STREAMED).finally(() => {
      isOver = true;
    });
    // The stream begins when the client is connected, and the client does not say when: so events come all the time.
    const posted: string[] = [];
    while (!isOver) {
      const event = { eventType: "Streamed", sourceAppId: "readme", dataPayload: {} };
      const { body } = await postJson(`${nodes.urls[1]}/events`, event);
      posted.push(body.event._id);
      await sleep(100);
    }
    const { output } = await shown;
    const events = eventsIn(output);
    expect(events.length).toBeGreaterThanOrEqual(STREAMED);
    expect(posted.join(" ")).toContain(events.map((event) => event._id).join(" "));
  });
});
