import { describe, expect, it } from "vitest";
import { whyMongodEnded, whyNodeEnded } from "./autopsy.js";

const line = (entry: object) => JSON.stringify(entry);
const plenty = { freeBytes: 10_000_000_000, hasServed: false };
const aborted = { signalCode: "SIGABRT" as const, exitCode: null };

describe("why a mongod ended", () => {
  it("names the first error of its newest run, not how it went down after that", () => {
    const log = [
      line({ s: "E", id: 1, msg: "an error of an earlier run" }),
      line({ s: "I", id: 4615611, msg: "MongoDB starting" }),
      line({ s: "E", id: 22435, msg: "WiredTiger error message", attr: { error: -31809, message: { msg: "turtle" } } }),
      line({ s: "F", id: 23089, msg: "Fatal assertion" }),
    ];
    expect(whyMongodEnded(aborted, log, plenty).reason).toBe(
      "its data files are damaged: WiredTiger error message (turtle)",
    );
  });

  it("says that its port was taken", () => {
    const log = [
      line({ s: "E", id: 23024, msg: "Failed to set up listener", attr: { error: "Address already in use" } }),
    ];
    expect(whyMongodEnded({ signalCode: null, exitCode: 48 }, log, plenty)).toEqual({
      reason: "it could not listen on its port: Failed to set up listener (Address already in use)",
      isFinal: false,
    });
  });

  it("says at least how it ended", () => {
    expect(whyMongodEnded({ signalCode: "SIGKILL", exitCode: null }, ["not JSON"], plenty)).toEqual({
      reason: "it was ended by SIGKILL",
      isFinal: false,
    });
  });

  const failed = (error: string) => [line({ s: "E", id: 20557, msg: "DBException in initAndListen", attr: { error } })];
  it.each([
    [62, [], "another version of MongoDB"],
    [14, failed("unsupported WiredTiger file version: this build only supports versions up to 4"), "another version"],
    [
      14,
      [line({ s: "W", id: 22347, msg: "Failed to start up WiredTiger under any compatibility version." })],
      "another version",
    ],
    [100, failed("DBPathInUse: Unable to lock the lock file: /d/mongod.lock"), "another mongod is using"],
    [100, failed("IllegalOperation: Attempted to create a lock file on a read-only directory: /d"), "not the right"],
    [2, [], "does not know one of its arguments"],
  ])("knows that exit code %i with %j is for good, and advises nothing that loses data", (exitCode, log, cause) => {
    const autopsy = whyMongodEnded({ signalCode: null, exitCode }, log, plenty);
    expect(autopsy).toMatchObject({ isFinal: true, reason: expect.stringContaining(cause) });
    expect(autopsy.advice).not.toMatch(/away|delete|remove|empty/);
  });

  it("names a full disk, which may pass where it served before, and needs a person where it never did", () => {
    const message = { msg: "failed to write 4096 bytes", error_str: "No space left on device" };
    const log = [line({ s: "E", id: 22435, msg: "WiredTiger error message", attr: { error: 28, message } })];
    const reason = "its disk is full: WiredTiger error message (failed to write 4096 bytes)";
    expect(whyMongodEnded(aborted, log, plenty)).toMatchObject({ reason, isFinal: true });
    expect(whyMongodEnded(aborted, log, { ...plenty, hasServed: true })).toMatchObject({ reason, isFinal: false });
    // It had no room for its last words.
    const { reason: unsaid } = whyMongodEnded(aborted, [], { freeBytes: 0, hasServed: true });
    expect(unsaid).toBe("its disk is full");
  });
});

describe("why a node ended", () => {
  it("names its newest error, from its logger or from Node itself", () => {
    const end = { signalCode: null, exitCode: 1 };
    const older = line({ level: "error", msg: "older" });
    expect(
      whyNodeEnded(end, [older, line({ level: "fatal", msg: "newest" }), line({ level: "info", msg: "bye" })]),
    ).toBe("it ended with exit code 1: newest");
    expect(whyNodeEnded(end, [older, "TypeError: x is not a function", "    at main.js:1"])).toBe(
      "it ended with exit code 1: TypeError: x is not a function",
    );
  });
});
