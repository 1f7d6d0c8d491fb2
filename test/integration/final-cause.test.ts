import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WITHOUT_ENV_FILE } from "../../node/host/env-file.js";
import { freePorts } from "../../scripts/lib/processes.js";
import { projectRoot } from "../../scripts/lib/project.js";
import { reapWithUs, temporaryFolder } from "../../scripts/mongod/reaper.js";
import { startMongod, type TestMongod } from "../support/mongod.js";

/** What a person waits for at most on a quiet machine. */
const CAUSE_MS_MAX = 5_000;
/** A process that only judges its settings is over in a small part of that; on a busy machine both take longer. */
const SETTINGS_SHARE = 10;
/** The machine may stand still for a moment; a node that tries again and again never says it in time. */
const TRIES = 4;

let open: TestMongod;
let locked: TestMongod;
const dataDir = temporaryFolder("final-cause");
beforeAll(async () => {
  open = await startMongod({ replSet: false });
  locked = await startMongod({ replSet: false, extraArgs: ["--auth"] });
  const client = new MongoClient(open.uri);
  await client.db("Shop").collection("orders").insertOne({ total: 1 });
  await client.close();
});
afterAll(async () => {
  await open?.stop();
  await locked?.stop();
});

interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
  readonly ms: number;
}

async function node(settings: NodeJS.ProcessEnv): Promise<Ended> {
  const [port] = await freePorts(1);
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, NODE_ID: "n1", PORT: String(port), DATA_DIR: dataDir, ...settings };
  const beganAt = performance.now();
  const main = join(projectRoot(), "dist", "node", "main.js");
  const child = spawn(process.execPath, [main, WITHOUT_ENV_FILE], { env, stdio: ["ignore", "pipe", "pipe"] });
  reapWithUs(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const [exitCode] = await once(child, "close");
  return { exitCode: exitCode as number | null, output, ms: performance.now() - beganAt };
}

const at = ({ port }: TestMongod, rest: string, user = ""): string => `mongodb://${user}127.0.0.1:${port}/${rest}`;

it.each<[string, () => string, RegExp]>([
  ["a server that wants a password", () => at(locked, "x"), /wants a user and a password: MONGODB_URI=/],
  [
    "a user that the server does not know",
    () => at(locked, "x", "ada:secret@"),
    /does not accept the user or password/,
  ],
  ["a compressor that no Node has", () => at(open, "x?compressors=snappy"), /asks for something that cannot be had/],
  ["the name of a database in other case", () => at(open, "shop"), /under a name in other case: write it so/],
  ["a file that is not there", () => at(open, "x?tls=true&tlsCAFile=/nowhere.pem"), /a file that cannot be read/],
])("a MONGODB_URI with %s ends the node for good, within five seconds, with the cause", async (_, uri, cause) => {
  const took: number[] = [];
  for (let i = 0; i < TRIES; i++) {
    const settings = await node({ MONGODB_URI: at(open, "x"), LOG_LEVEL: "loud" });
    expect([settings.exitCode, settings.output]).toEqual([78, expect.stringContaining("LOG_LEVEL")]);
    const { exitCode, output, ms } = await node({ MONGODB_URI: uri() });
    expect([exitCode, output]).toEqual([78, expect.stringMatching(cause)]);
    expect(output).not.toContain("secret");
    took.push(Math.round(ms));
    if (ms <= Math.max(CAUSE_MS_MAX, SETTINGS_SHARE * settings.ms)) return;
  }
  throw new Error(`It took ${took.join(", ")} ms.`);
});
