import { fork } from "node:child_process";
import { createHash, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exitOf } from "../lib/processes.js";
import { projectRoot } from "../lib/project.js";
import { reapWithUs } from "../mongod/reaper.js";
import { benchEvent } from "./load/events.js";
import { median } from "./statistics.js";

const WARM_UP = 200;
const LOOP_MS = 300;
const PACE_MS = 10;
const PACED = 100;

/** What one machine takes for it and another does not: microseconds, in a loop, and once every 10 ms (the median). */
export interface Calibration {
  readonly what: string;
  readonly loopMicros: number;
  readonly pacedMicros: number;
}

/** About six seconds. Figures of two machines are compared by these. */
export async function calibrate(): Promise<Calibration[]> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const kilobyte = randomBytes(1_024);
  const signature = sign(null, kilobyte, privateKey);
  const text = JSON.stringify(benchEvent(1));
  const echo = await Echo.start();
  try {
    return [
      await timed("one Ed25519 verification", () => verify(null, kilobyte, publicKey, signature)),
      await timed("SHA-256 of 1 KiB", () => createHash("sha256").update(kilobyte).digest()),
      await timed("JSON.parse of one event", () => JSON.parse(text)),
      await timed("one round trip between two processes", () => echo.roundTrip()),
    ];
  } finally {
    await echo.stop();
  }
}

export function calibrationText(calibrations: readonly Calibration[]): string {
  const parts = calibrations.map(
    ({ what, loopMicros, pacedMicros }) => `${what} ${loopMicros.toFixed(1)} (${pacedMicros.toFixed(1)})`,
  );
  return `Calibration, µs in a loop (and once every 10 ms): ${parts.join(", ")}`;
}

export async function timed(what: string, work: () => unknown): Promise<Calibration> {
  await repeat(work, WARM_UP);
  let done = 0;
  const startMs = performance.now();
  while (performance.now() - startMs < LOOP_MS) {
    await repeat(work, WARM_UP);
    done += WARM_UP;
  }
  const loopMicros = ((performance.now() - startMs) / done) * 1_000;
  const paced: number[] = [];
  for (let index = 0; index < PACED; index++) {
    await sleep(PACE_MS);
    const beganMs = performance.now();
    const pending = work();
    if (pending instanceof Promise) await pending;
    paced.push((performance.now() - beganMs) * 1_000);
  }
  return { what, loopMicros, pacedMicros: median(paced) };
}

/** Only a promise is awaited: waiting for what is there already would cost more than parsing an event. */
async function repeat(work: () => unknown, times: number): Promise<void> {
  for (let index = 0; index < times; index++) {
    const pending = work();
    if (pending instanceof Promise) await pending;
  }
}

/** A process that sends back what it gets. */
class Echo {
  private constructor(
    private readonly socket: Socket,
    private readonly end: () => Promise<void>,
  ) {}

  static async start(): Promise<Echo> {
    const child = fork(join(projectRoot(), "dist/scripts/bench/load/echo-process.js"));
    reapWithUs(child);
    const [port] = (await once(child, "message")) as [number];
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    await once(socket, "connect");
    return new Echo(socket, async () => {
      child.disconnect();
      await exitOf(child);
    });
  }

  roundTrip(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.once("data", () => resolve());
      this.socket.write("?");
    });
  }

  async stop(): Promise<void> {
    this.socket.destroy();
    await this.end();
  }
}
