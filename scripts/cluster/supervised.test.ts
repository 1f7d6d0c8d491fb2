import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { poll } from "../lib/processes.js";
import { type ProgramEvent, RestartPolicy, Supervised } from "./supervised.js";

describe("the restart policy", () => {
  it("waits one second, then twice as long each time, and gives up at the fifth death within a minute", () => {
    const policy = new RestartPolicy();
    const delays = [0, 2_000, 5_000, 10_000, 20_000].map((atMs) => policy.delayAfterDeathMs(atMs));
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, undefined]);
  });

  it("forgets deaths that are a minute old", () => {
    const policy = new RestartPolicy();
    for (const atMs of [0, 1_000, 2_000, 3_000]) policy.delayAfterDeathMs(atMs);
    expect(policy.delayAfterDeathMs(61_500)).toBe(4_000);
  });
});

describe("a supervised program", () => {
  const events: ProgramEvent[] = [];
  const running: Supervised[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.kill()));
    events.length = 0;
  });

  function supervise(spawnIt: () => ChildProcess, isFinal = false, ready = async () => {}): Supervised {
    const program = {
      label: "sleeper",
      logPath: "sleeper.log",
      advice: "Wake it.",
      prepare: async () => {},
      spawn: spawnIt,
      ready,
      autopsy: (child: ChildProcess) => ({ reason: `it ended with ${child.signalCode ?? child.exitCode}`, isFinal }),
    };
    const supervised = new Supervised(program, (event) => events.push(event));
    running.push(supervised);
    supervised.start();
    return supervised;
  }
  const sleeper = () => spawn("sleep", ["60"], { stdio: "ignore" });

  it("is started again a second after it was killed from outside", async () => {
    const program = supervise(sleeper);
    const pid = (await poll(() => program.pid, { withinMs: 5_000 })) as number;
    process.kill(pid, "SIGKILL");
    await poll(() => program.pid !== undefined && program.pid !== pid, { withinMs: 5_000 });
    expect(events.map(({ kind }) => kind)).toEqual(["up", "died", "up"]);
    expect(events[1]).toMatchObject({ reason: "it ended with SIGKILL", restartInMs: 1_000 });
  });

  it("stays down when it was stopped on purpose, until it is started again", async () => {
    const program = supervise(sleeper);
    await poll(() => program.pid, { withinMs: 5_000 });
    await program.stop(5_000);
    expect(program.pid).toBeUndefined();
    program.start();
    expect(await poll(() => program.pid, { withinMs: 5_000 })).toBeGreaterThan(1);
    expect(events.map(({ kind }) => kind)).toEqual(["up", "up"]);
  });

  it("that was asked to stop already is waited for: a second signal would end it at once", async () => {
    const stops = `let n = 0; process.on("SIGTERM", () => n++ ? process.exit(9) : setTimeout(process.exit, 300, 0) && console.log("stops"));
      setInterval(() => {}, 1_000); console.log("up")`;
    const child = spawn(process.execPath, ["-e", stops]);
    const program = supervise(
      () => child,
      false,
      () => new Promise((resolve) => child.stdout.once("data", () => resolve())),
    );
    await program.whenUp();
    program.signal("SIGTERM");
    await once(child.stdout, "data");
    await program.stop(5_000);
    expect([child.exitCode, child.signalCode]).toEqual([0, null]);
  });

  it("stays down, and says where its log is, when starting it again would end in the same way", async () => {
    supervise(() => spawn("sh", ["-c", "exit 78"], { stdio: "ignore" }), true);
    await poll(() => events.some(({ kind }) => kind === "down"), { withinMs: 5_000 });
    const reason = "it ended with 78";
    expect(events.at(-1)).toMatchObject({ reason, isFinal: true, logPath: "sleeper.log", advice: "Wake it." });
  });

  it("that is never ready is ended, and the reason is why it was not ready", async () => {
    supervise(sleeper, false, async () => {
      throw new Error("it does not answer after 60 s");
    });
    await poll(() => events.length > 0, { withinMs: 5_000 });
    expect(events[0]).toMatchObject({ kind: "died", reason: "it does not answer after 60 s" });
  });

  it("that cannot be started for want of space is tried again", async () => {
    supervise(() => {
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    });
    await poll(() => events.length > 0, { withinMs: 5_000 });
    expect(events[0]).toMatchObject({ kind: "died", reason: "the disk is full (ENOSPC)", restartInMs: 1_000 });
  });

  it("says so at once when there is no such program", async () => {
    supervise(() => spawn("/no/such/program"));
    await poll(() => events.some(({ kind }) => kind === "down"), { withinMs: 5_000 });
    expect(events.at(-1)).toMatchObject({ kind: "down", reason: expect.stringContaining("ENOENT") });
  });
});
