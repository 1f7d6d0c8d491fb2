import { describe, expect, it } from "vitest";
import { whyMongodEnded, whyNodeEnded } from "./autopsy.js";

const line = (entry: object) => JSON.stringify(entry);
const aborted = { signalCode: "SIGABRT" as const, exitCode: null };

describe("why a mongod ended", () => {
  it("names the first error of its newest run, not how it went down after that", () => {
    const log = [
      line({ s: "E", id: 1, msg: "an error of an earlier run" }),
      line({ s: "I", id: 4615611, msg: "MongoDB starting" }),
      line({ s: "E", id: 22435, msg: "WiredTiger error message", attr: { error: -31809, message: { msg: "turtle" } } }),
      line({ s: "F", id: 23089, msg: "Fatal assertion" }),
    ];
    expect(whyMongodEnded(aborted, log)).toBe("it was ended by SIGABRT: WiredTiger error message (turtle)");
  });

  it("says that its port was taken", () => {
    const log = [
      line({ s: "E", id: 23024, msg: "Failed to set up listener", attr: { error: "Address already in use" } }),
    ];
    expect(whyMongodEnded({ signalCode: null, exitCode: 48 }, log)).toBe(
      "its port was taken by another program: Failed to set up listener (Address already in use)",
    );
  });

  it("says at least how it ended", () => {
    expect(whyMongodEnded({ signalCode: "SIGKILL", exitCode: null }, ["not JSON"])).toBe("it was ended by SIGKILL");
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
