import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Config, loadConfig } from "./config.js";
import { createLogger } from "./host/logger.js";

const MONGODB_URI = "mongodb://localhost:27017/eventLogs";
const SECRET = "s".repeat(32);
const MEMBERS = "n1=http://127.0.0.1:3000,n2=http://127.0.0.1:3001,n3=http://127.0.0.1:3002";

const folder = mkdtempSync(join(tmpdir(), "quorumlog-config-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function good(env: Record<string, string>, dotenv = ""): Config & { warnings: readonly string[] } {
  const result = loadConfig({ MONGODB_URI, ...env }, dotenv);
  if (!result.ok) throw new Error(result.report);
  return { ...result.config, warnings: result.warnings };
}
function report(env: Record<string, string>, dotenv = ""): string {
  const result = loadConfig({ MONGODB_URI, ...env }, dotenv);
  return result.ok ? "" : result.report;
}

describe("a configuration that is right", () => {
  it("needs no more than PORT and MONGODB_URI for a node alone", () => {
    const self = { id: "n1", address: "http://127.0.0.1:4000", priority: 1 };
    expect(good({ PORT: "4000" })).toEqual({
      nodeId: "n1",
      port: 4000,
      host: "127.0.0.1",
      mongodbUri: MONGODB_URI,
      identityFolder: expect.stringMatching(/^data\/n1-[0-9a-f]{8}$/),
      dataDir: "./data",
      members: [self],
      self,
      clusterSecret: null,
      logLevel: "info",
      admitsNewKeys: false,
      allowsUnsafeMongod: false,
      chaos: null,
      links: new Map(),
      indexedPaths: [],
      initiatesReplicaSet: false,
      keyFilterBytes: 8 * 1024 * 1024,
      heartbeatMs: 100,
      electionTimeoutMs: 1000,
      requestTimeoutMs: 5000,
      takeoverCooldownMs: 5000,
      eventBytesMax: 262_144,
      diskFreeMinBytes: 1024 ** 3,
      managedDbFolder: null,
      verifySchedule: "* * * * *",
      hostNames: ["127.0.0.1"],
      allowedOrigins: [],
      webhook: null,
      warnings: [],
    });
  });

  it("takes requests for faults from this machine's start script only", () => {
    const token = "t".repeat(64);
    const config = good({ CHAOS_URL: `http://${token}@127.0.0.1:4999`, CHAOS_LINKS: "n2=http://127.0.0.1:5000" });
    expect(config.chaos).toEqual({ url: "http://127.0.0.1:4999/", token });
    expect([...config.links]).toEqual([["n2", "http://127.0.0.1:5000"]]);
    for (const CHAOS_URL of ["http://127.0.0.1:4999", `http://${token}@192.0.2.2:4999`, `https://${token}@127.0.0.1/x`])
      expect(report({ CHAOS_URL })).toMatch(/CHAOS_URL must look like/);
  });

  it("names the hosts and origins by which it is reached", () => {
    const config = good({
      NODE_ID: "n2",
      MEMBERS: "n1=http://a:3000,n2=http://B:3000,n3=http://c:3000",
      CLUSTER_SECRET: SECRET,
      HOST: "0.0.0.0",
      PORT: "3000",
      ALLOWED_HOSTS: "Logs.example, lb",
      ALLOWED_ORIGINS: "https://board.example,http://localhost:5173/",
    });
    expect(config.hostNames).toEqual(["b", "0.0.0.0", "logs.example", "lb"]);
    expect(config.allowedOrigins).toEqual(["https://board.example", "http://localhost:5173"]);
  });

  it("knows where a managed mongod keeps its files, and takes sizes beyond nine digits", () => {
    const config = good({ MONGODB_MANAGED: "true", DATA_DIR: "/var/q", DISK_FREE_MIN_BYTES: "20000000000" });
    expect([config.managedDbFolder, config.diskFreeMinBytes]).toEqual(["/var/q/n1/db", 20_000_000_000]);
  });

  it("reads members with their places as priorities, and PRIORITY for this node", () => {
    const config = good({ NODE_ID: "n2", PORT: "3001", MEMBERS, CLUSTER_SECRET: SECRET, PRIORITY: "9" });
    expect(config.members.map((member) => member.priority)).toEqual([1, 9, 3]);
    expect(config.self.address).toBe("http://127.0.0.1:3001");
    expect(config.warnings).toEqual([]);
  });

  it("lets the environment win over .env, and counts an empty value as not set", () => {
    const dotenv = `PORT=3005\nLOG_LEVEL="debug"\n# a comment\nNODE_ID=n7\n`;
    const config = good({ PORT: "3006", LOG_LEVEL: "" }, dotenv);
    expect([config.port, config.logLevel, config.nodeId]).toEqual([3006, "debug", "n7"]);
  });

  it("reads a secret from the file that its _FILE twin names", () => {
    const path = join(folder, "secret");
    writeFileSync(path, `${SECRET}\n`);
    expect(good({ CLUSTER_SECRET_FILE: path }).clusterSecret).toBe(SECRET);
    expect(good({ CLUSTER_SECRET: "t".repeat(32) }, `CLUSTER_SECRET_FILE=${path}`).clusterSecret).toBe("t".repeat(32));
  });

  it("has the identity beside a mongod that npm start runs, else in a folder for the database", () => {
    const folderOf = (env: Record<string, string>) => good({ DATA_DIR: "/var/q", ...env }).identityFolder;
    expect(folderOf({ MONGODB_MANAGED: "true" })).toBe("/var/q/n1");
    expect(folderOf({ MONGODB_URI: "mongodb://a:1/x" })).not.toBe(folderOf({ MONGODB_URI: "mongodb://a:1/y" }));
  });

  it("warns about an open address and about a port that MEMBERS does not name", () => {
    const { warnings } = good({ HOST: "0.0.0.0", PORT: "3009", MEMBERS, CLUSTER_SECRET: SECRET });
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain("no API keys yet");
    expect(warnings[1]).toContain("PORT is 3009");
  });

  it("warns at most of names that others have put into the environment", () => {
    const { warnings, port } = good({
      NODE_IP: "10.0.0.7",
      // What Kubernetes sets for a service of this name.
      QUORUMLOG_PORT: "tcp://10.0.0.1:3000",
      QUORUMLOG_SERVICE_HOST: "10.0.0.1",
    });
    expect(port).toBe(3000);
    expect(warnings).toEqual([
      "NODE_IP in the environment is no setting and is ignored; did you mean NODE_ID?",
      "QUORUMLOG_PORT in the environment is no setting and is ignored; did you mean PORT?",
    ]);
  });

  it.each([
    ["INFO", "info"],
    ["Warning", "warn"],
    ["verbose", "debug"],
    [" DEBUG ", "debug"],
    ["CRITICAL", "fatal"],
  ])("understands LOG_LEVEL=%s, as other programs write it", (value, level) => {
    expect(good({ LOG_LEVEL: value }).logLevel).toBe(level);
  });

  it("answers where it listens, unless MEMBERS says otherwise", () => {
    expect(good({ HOST: "::1", PORT: "4000" }).self.address).toBe("http://[::1]:4000");
    expect(good({ HOST: "0.0.0.0" }).self.address).toBe("http://127.0.0.1:3000");
    expect(good({ HOST: "192.0.2.2" }).self.address).toBe("http://192.0.2.2:3000");
    const { warnings } = good({ MEMBERS: "n1=http://192.0.2.2:3000" });
    expect(warnings).toEqual([expect.stringContaining("HOST=127.0.0.1 is reached from this machine only")]);
  });

  it("leaves unrelated names of the environment alone", () => {
    const env = { HOME: "/root", PATH: "/bin", HOSTNAME: "x", NODE_ENV: "test", TERM: "xterm", PWD: "/", USER: "u" };
    expect(report({ ...env, MONGODB_PORT: "tcp://10.0.0.1:27017", npm_config_port: "1" })).toBe("");
  });
});

describe("a configuration that is wrong", () => {
  it("is reported whole: every mistake at once, with a did-you-mean", () => {
    const text = report(
      { PORT: "99999", LOG_LEVEL: "loud", MONGO_URI: "x", QUORUMLOG_PRIORITY: "3", ADMIT_NEW_KEYS: "maybe" },
      "MEMBER=n1=http://a:1\nUNRELATED=1\nDATADIR=/x\n",
    );
    expect(text).toBe(
      [
        "The configuration has 6 mistakes:",
        "  - DATADIR is unknown (in .env); did you mean DATA_DIR?",
        "  - MEMBER is unknown (in .env); did you mean MEMBERS?",
        "  - UNRELATED is unknown (in .env)",
        '  - PORT must be a whole number from 1 to 65535, not "99999"',
        "  - LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent",
        '  - ADMIT_NEW_KEYS must be true or false, not "maybe"',
        "  (MONGO_URI in the environment is no setting and is ignored; did you mean MONGODB_URI?)",
        "  (QUORUMLOG_PRIORITY in the environment is no setting and is ignored; did you mean PRIORITY?)",
        "The names are explained in .env.example.",
      ].join("\n"),
    );
  });

  it.each([
    [{ HEARTBEAT_MS: "400", ELECTION_TIMEOUT_MS: "1000" }, "at most a third of ELECTION_TIMEOUT_MS"],
    [{ HEARTBEAT_MS: "fast" }, "HEARTBEAT_MS must be a whole number"],
    [{ NODE_ID: "n9", MEMBERS, CLUSTER_SECRET: SECRET }, "NODE_ID n9 is not in MEMBERS (n1, n2, n3)"],
    [{ NODE_ID: "a b" }, "NODE_ID must be"],
    [{ MEMBERS: "n1=http://a:1,n2=http://b:2", CLUSTER_SECRET: SECRET }, "MEMBERS has two members"],
    [{ MEMBERS: "n1=http://a:1,n1=http://b:2,n3=http://c:3", CLUSTER_SECRET: SECRET }, "MEMBERS names n1 twice"],
    [{ MEMBERS: "n1=http://a:1,n2=http://a:1/,n3=http://c:3", CLUSTER_SECRET: SECRET }, "address http://a:1 twice"],
    [{ MEMBERS: "n1=http://a:1,n2", CLUSTER_SECRET: SECRET }, "wrong at entry 2"],
    [{ MEMBERS: "n1=https://a:1" }, "wrong at entry 1"],
    [{ MEMBERS: "n1=http://a:1/path" }, "wrong at entry 1"],
    [{ MEMBERS }, "CLUSTER_SECRET is needed"],
    [{ MEMBERS, CLUSTER_SECRET: "short" }, "CLUSTER_SECRET must have at least 32 characters"],
    [{ MEMBERS, CLUSTER_SECRET: SECRET, PRIORITY: "3" }, "PRIORITY 3 is already n3's"],
    [{ MONGODB_URI: "" }, "MONGODB_URI is not set"],
    [{ MONGODB_URI: "localhost:27017" }, "MONGODB_URI is not a MongoDB connection string"],
    [{ EVENT_BYTES_MAX: "1048577" }, "EVENT_BYTES_MAX must be a whole number"],
    [{ VERIFY_SCHEDULE: "hourly" }, "VERIFY_SCHEDULE must be a cron expression"],
    [{ ALLOWED_HOSTS: "logs.example:3000" }, "ALLOWED_HOSTS must be host names without a port"],
    [{ ALLOWED_ORIGINS: "https://logs.example,*" }, "ALLOWED_ORIGINS must be origins such as"],
    [{ ALLOWED_ORIGINS: "https://logs.example/page" }, "ALLOWED_ORIGINS must be origins such as"],
    [{ CLUSTER_SECRET: SECRET, CLUSTER_SECRET_FILE: "/x" }, "set CLUSTER_SECRET or CLUSTER_SECRET_FILE, not both"],
    [{ CLUSTER_SECRET_FILE: "/nowhere/secret" }, "CLUSTER_SECRET_FILE: cannot read /nowhere/secret (ENOENT)"],
    [{ HOST: "http://x/" }, "HOST must be"],
    [{ HOST: "fe80::1%eth0" }, "without brackets or a zone"],
    [{ MONGODB_URI: "mongodb://a:1,b:2/x" }, "for one server"],
    [{ MONGODB_URI: "mongodb+srv://user:pw@a.example/x" }, "SRV URI does not support directConnection"],
    [{ MONGODB_URI: "mongodb://a:1/a.b" }, "cannot contain the character '.'"],
  ])("%o is refused with a sentence", (env: Record<string, string>, sentence) => {
    const text = report(env);
    expect(text).toContain(sentence);
    expect(text).toContain("one mistake");
  });

  it("names the lines of .env that say nothing", () => {
    expect(report({}, "PORT: 6060\nCLUSTER_SECRET=abc #def")).toContain(
      "  - line 1 of .env is no NAME=value\n  - line 2 of .env: CLUSTER_SECRET has a #",
    );
    expect(good({}, "\uFEFFPORT=6060").port).toBe(6060);
  });

  it("never shows a secret in its report", () => {
    const text = report({ MONGODB_URI: "mongodb://user:hunter2@host:bad/x", CLUSTER_SECRET: "tooshort" });
    expect(text).toContain("2 mistakes");
    expect(text).not.toMatch(/hunter2|tooshort/);
  });

  it("accepts the limits themselves", () => {
    expect(good({ EVENT_BYTES_MAX: "1048576", HEARTBEAT_MS: "300", ELECTION_TIMEOUT_MS: "900" }).eventBytesMax).toBe(
      1_048_576,
    );
  });
});

describe("the log", () => {
  function lines(write: (logger: ReturnType<typeof createLogger>) => void): string[] {
    const out: string[] = [];
    const destination = { write: (line: string) => void out.push(line) };
    write(createLogger({ node: "n1", level: "info", secrets: [SECRET], destination }));
    return out;
  }

  it("is one JSON object a line with time, level, msg, node, and what a child adds", () => {
    const [line = ""] = lines((logger) => logger.child({ term: 4 }).info({ requestId: "request-1" }, "hello"));
    const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(rest).toEqual({ level: "info", node: "n1", term: 4, requestId: "request-1", msg: "hello" });
  });

  it("holds no secret, wherever it came from", () => {
    const text = lines((logger) => {
      logger.info({ config: { clusterSecret: "hidden-by-name" }, secret: "hidden-by-name" }, "started");
      logger.error(new Error(`cannot reach mongodb://user:hunter2@db:27017/x with ${SECRET}`));
      logger.debug("below the level");
    }).join("");
    expect(text).not.toMatch(/hidden-by-name|hunter2|s{32}/);
    expect(text).toContain("mongodb://[redacted]@db:27017/x");
    expect(text).not.toContain("below the level");
  });
});

describe("the webhook's settings", () => {
  const env = { MONGODB_URI: "mongodb://localhost:27017/eventLogs" };
  const secret = Buffer.alloc(32, 7).toString("base64");
  const of = (more: Record<string, string>) => loadConfig({ ...env, ...more });
  const mistakes = (more: Record<string, string>): readonly string[] => {
    const result = of(more);
    return result.ok ? [] : result.mistakes;
  };

  it("are taken with the secret in either form, and leave private addresses alone unless told otherwise", () => {
    for (const form of [secret, `whsec_${secret}`]) {
      const result = of({ ALERT_WEBHOOK_URL: "https://a.example/in?token=x", ALERT_WEBHOOK_SECRET: form });
      expect(result).toMatchObject({
        config: {
          webhook: { url: "https://a.example/in?token=x", allowsPrivate: false, heartbeatMs: 3_600_000 },
        },
      });
      if (result.ok) expect(result.config.webhook?.secret).toEqual(new Uint8Array(32).fill(7));
    }
  });

  it("are refused with a sentence that repeats no secret", () => {
    const url = { ALERT_WEBHOOK_URL: "https://a.example/" };
    expect(mistakes(url)).toEqual([expect.stringMatching(/^ALERT_WEBHOOK_SECRET is needed/)]);
    const base64Url = Buffer.alloc(32, 0xfb).toString("base64url");
    // All but the first are long enough once a decoder has passed over what is no base64.
    for (const wrong of ["hunter2hunter2", "A".repeat(45), `${secret.slice(0, 20)} ${secret.slice(20)}`, base64Url])
      expect(mistakes({ ...url, ALERT_WEBHOOK_SECRET: wrong })).toEqual([
        expect.stringMatching(/^ALERT_WEBHOOK_SECRET must be base64 of 24 to 64 bytes/),
      ]);
    for (const wrong of ["a.example", "ftp://a.example/", "https://ada:hunter2@a.example/"])
      expect(mistakes({ ALERT_WEBHOOK_URL: wrong, ALERT_WEBHOOK_SECRET: secret }).join()).toMatch(
        /^ALERT_WEBHOOK_URL must be an address(?!.*hunter2)/,
      );
  });
});
