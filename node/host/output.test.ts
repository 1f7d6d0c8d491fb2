import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createLogger, linesTo } from "./logger.js";
import { fileOutput, type Output, streamOutput } from "./output.js";

/** A reader that takes nothing until it is told to go on. */
function stoppedReader(): { stream: Writable; taken: string[]; goOn: () => Promise<void> } {
  const taken: string[] = [];
  let isStopped = true;
  let waiting: (() => void) | null = null;
  const stream = new Writable({
    write(chunk, _encoding, done) {
      taken.push(String(chunk));
      if (isStopped) waiting = done;
      else done();
    },
  });
  const goOn = async (): Promise<void> => {
    isStopped = false;
    waiting?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { stream, taken, goOn };
}

const logTo = (output: Output) =>
  createLogger({ node: "n1", level: "info", destination: linesTo(output, { node: "n1", format: (line) => line }) });

describe("output that nobody reads", () => {
  it("keeps a bounded part, drops and counts the rest, and says so when it is read again", async () => {
    const { stream, taken, goOn } = stoppedReader();
    const logger = logTo(streamOutput(stream, 10_000));
    for (let i = 0; i < 1_000; i++) logger.info(`line ${i}`);
    expect(stream.writableLength).toBeLessThanOrEqual(10_000);
    await goOn();
    logger.info("after");
    const lines = taken.join("").trimEnd().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as { msg: string; level: string; dropped?: number });
    const [note, after] = entries.slice(-2);
    expect(after?.msg).toBe("after");
    expect(note).toMatchObject({ level: "warn", node: "n1", dropped: 1_000 - (entries.length - 2) });
    expect(entries[entries.length - 3]?.msg).toBe(`line ${entries.length - 3}`);
    logger.info("once");
    expect(taken.join("").match(/were dropped/g)).toHaveLength(1);
  });

  it("outlives a reader that has gone", async () => {
    const stream = new PassThrough();
    const output = streamOutput(stream);
    stream.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(() => output.write("line\n")).not.toThrow();
  });

  it("outlives a full disk, and counts what it did not get down", () => {
    let isFull = true;
    const kept: string[] = [];
    const logger = logTo(
      fileOutput((text) => {
        if (isFull) throw Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" });
        kept.push(text);
      }),
    );
    logger.info("lost");
    logger.info("lost, too");
    isFull = false;
    logger.info("first");
    logger.info("second");
    expect(kept.map((line) => JSON.parse(line).msg)).toEqual([
      "first",
      expect.stringMatching(/^2 log lines/),
      "second",
    ]);
  });
});
