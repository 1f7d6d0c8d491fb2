import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { freePorts, poll, stopChild } from "../../lib/processes.js";
import { reapWithUs, temporaryFolder } from "../../mongod/reaper.js";
import { LoadProcess } from "../load/load-process.js";
import { NatsConnection } from "../load/nats-operations.js";
import type { LoadTarget, Work } from "../load/spec.js";
import type { Place, Standing, Target, Watched } from "./target.js";
import { versionOf } from "./versions.js";

const MEMBERS = 3;
const STREAM = "bench";
const SUBJECT = "bench.events";
const READY_WITHIN_MS = 60_000;
const STOP_PATIENCE_MS = 10_000;

/** The version, or undefined where there is no nats-server on the PATH. */
export const natsVersion = (): string | undefined => versionOf("nats-server", ["--version"], /v(\d\S+)/);

/** Three servers with a stream of three replicas, each of which syncs every message before it answers. */
export class NatsTarget implements Target {
  readonly name = "nats";
  readonly title = `NATS JetStream ${natsVersion()}, 3 servers, 3 replicas, sync_interval: always`;
  /** It acknowledges what a majority has, and has no index to fill. */
  readonly catchesUp = undefined;
  readonly load = new LoadProcess();

  private constructor(
    private readonly folder: string,
    private readonly ports: number[],
    private readonly children: ChildProcess[],
  ) {}

  static async start(): Promise<NatsTarget> {
    const folder = temporaryFolder("nats");
    const ports = await freePorts(2 * MEMBERS);
    const [clientPorts, routePorts] = [ports.slice(0, MEMBERS), ports.slice(MEMBERS)];
    const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(", ");
    const children = clientPorts.map((port, index) => {
      const file = join(folder, `${index + 1}.conf`);
      const store = join(folder, `store-${index + 1}`);
      writeFileSync(
        file,
        `server_name: s${index + 1}\nlisten: 127.0.0.1:${port}\n` +
          `jetstream { store_dir: "${store}", sync_interval: always }\n` +
          `cluster { name: bench, listen: 127.0.0.1:${routePorts[index]}, routes: [${routes}] }\n`,
      );
      const child = spawn("nats-server", ["--config", file], { detached: true, stdio: "ignore" });
      reapWithUs(child);
      return child;
    });
    const target = new NatsTarget(folder, clientPorts, children);
    if (await poll(() => target.#makeStream(), { withinMs: READY_WITHIN_MS, everyMs: 500 })) return target;
    await target.stop();
    throw new Error("NATS has no stream a minute after its start.");
  }

  takes(work: Work): boolean {
    return work.kind === "append" && work.batch === 1 && !work.isKeyed;
  }

  async at(place: Place): Promise<LoadTarget> {
    const leader = await this.#leaderIndex();
    const isChosen = (index: number) => place === "all" || (place === "leader") === (index === leader);
    return { kind: "nats", ports: this.ports.filter((_, index) => isChosen(index)), subject: SUBJECT };
  }

  async standing(): Promise<Standing> {
    const { cluster, state } = await this.#info();
    return { leader: cluster?.leader ?? "none", size: state?.messages ?? 0 };
  }

  async processes(): Promise<Watched[]> {
    const leader = await this.#leaderIndex();
    return this.children.flatMap(({ pid }, index) => {
      const role = index === leader ? "nats leader" : "nats follower";
      return pid === undefined ? [] : [{ label: `nats ${index + 1}`, role, pid }];
    });
  }

  async caughtUp(): Promise<void> {}

  async stop(): Promise<void> {
    await this.load.stop();
    await Promise.all(this.children.map((child) => stopChild(child, "SIGTERM", STOP_PATIENCE_MS)));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #makeStream(): Promise<boolean> {
    const stream = { name: STREAM, subjects: [SUBJECT], num_replicas: MEMBERS, storage: "file", retention: "limits" };
    try {
      await this.#ask("CREATE", JSON.stringify(stream));
      return (await this.#leaderIndex()) >= 0;
    } catch {
      return false; // Not all servers know each other yet.
    }
  }

  async #leaderIndex(): Promise<number> {
    return Number((await this.#info()).cluster?.leader?.slice(1) ?? 0) - 1;
  }

  #info(): Promise<StreamInfo> {
    return this.#ask("INFO", "");
  }

  async #ask(what: "CREATE" | "INFO", body: string): Promise<StreamInfo> {
    const connection = await NatsConnection.open(this.ports[0] as number);
    try {
      return JSON.parse(await connection.request(`$JS.API.STREAM.${what}.${STREAM}`, body)) as StreamInfo;
    } finally {
      connection.close();
    }
  }
}

interface StreamInfo {
  cluster?: { leader?: string };
  state?: { messages: number };
}
