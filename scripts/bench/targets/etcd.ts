import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "../../lib/loopback.js";
import { freePorts, poll, stopChild } from "../../lib/processes.js";
import { reapWithUs, temporaryFolder } from "../../mongod/reaper.js";
import { EVENT_BYTES } from "../load/events.js";
import { LoadProcess } from "../load/load-process.js";
import type { LoadTarget, Work } from "../load/spec.js";
import type { Place, Standing, Target, Watched } from "./target.js";
import { versionOf } from "./versions.js";

const MEMBERS = 3;
const READY_WITHIN_MS = 60_000;
const STOP_PATIENCE_MS = 10_000;
/** The default of 2 GiB could be reached in a long run, and etcd then refuses writes. */
const QUOTA_BYTES = String(8 * 1024 ** 3);

/** Its own default is 1.5 MiB. */
const REQUEST_BYTES_MAX = 1_000_000;

/** The version, or undefined where there is no etcd on the PATH. */
export const etcdVersion = (): string | undefined => versionOf("etcd", ["--version"], /etcd Version: (\S+)/);

/** Three members with their defaults (fsync before each answer), spoken to through the JSON gateway. */
export class EtcdTarget implements Target {
  readonly name = "etcd";
  readonly title = `etcd ${etcdVersion()}, 3 members, HTTP gateway`;
  /** It acknowledges what is applied on the member that answers, and has no index to fill. */
  readonly catchesUp = undefined;
  readonly load = new LoadProcess();

  private constructor(
    private readonly folder: string,
    private readonly urls: string[],
    private readonly children: ChildProcess[],
  ) {}

  static async start(): Promise<EtcdTarget> {
    const folder = temporaryFolder("etcd");
    const ports = await freePorts(2 * MEMBERS);
    const members = Array.from({ length: MEMBERS }, (_, index) => ({
      name: `e${index + 1}`,
      client: `http://127.0.0.1:${ports[2 * index]}`,
      peer: `http://127.0.0.1:${ports[2 * index + 1]}`,
    }));
    const initial = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
    const children = members.map(({ name, client, peer }) => {
      const flags = {
        name,
        "data-dir": join(folder, name),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": initial,
        "quota-backend-bytes": QUOTA_BYTES,
        "log-level": "error",
      };
      const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
      const child = spawn("etcd", args, { detached: true, stdio: "ignore" });
      reapWithUs(child);
      return child;
    });
    const target = new EtcdTarget(
      folder,
      members.map(({ client }) => client),
      children,
    );
    if (await poll(() => target.#leaderIndex(), { withinMs: READY_WITHIN_MS })) return target;
    throw new Error("etcd has no leader a minute after its start.");
  }

  takes(work: Work): boolean {
    const bytes = work.kind === "append" ? work.batch * (work.bytes ?? EVENT_BYTES) : REQUEST_BYTES_MAX;
    return work.kind === "append" && !work.isKeyed && bytes < REQUEST_BYTES_MAX;
  }

  async at(place: Place): Promise<LoadTarget> {
    const leader = Number(await this.#leaderIndex()) - 1;
    const isChosen = (index: number) => place === "all" || (place === "leader") === (index === leader);
    return { kind: "etcd", urls: this.urls.filter((_, index) => isChosen(index)) };
  }

  async standing(): Promise<Standing> {
    return { leader: `e${await this.#leaderIndex()}`, size: undefined };
  }

  async processes(): Promise<Watched[]> {
    const leader = Number(await this.#leaderIndex()) - 1;
    return this.children.flatMap(({ pid }, index) => {
      const role = index === leader ? "etcd leader" : "etcd follower";
      return pid === undefined ? [] : [{ label: `etcd ${index + 1}`, role, pid }];
    });
  }

  async caughtUp(): Promise<void> {}

  async stop(): Promise<void> {
    await this.load.stop();
    await Promise.all(this.children.map((child) => stopChild(child, "SIGTERM", STOP_PATIENCE_MS)));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** From 1; undefined while there is none. */
  async #leaderIndex(): Promise<number | undefined> {
    const answers = await Promise.all(this.urls.map(status));
    const index = answers.findIndex((answer) => answer !== undefined && answer.leader === answer.header.member_id);
    return index < 0 ? undefined : index + 1;
  }
}

interface EtcdStatus {
  header: { member_id: string };
  leader?: string;
}

async function status(url: string): Promise<EtcdStatus | undefined> {
  try {
    const signal = AbortSignal.timeout(2_000);
    const answer = await loopback(`${url}/v3/maintenance/status`, { method: "POST", body: "{}", signal });
    return answer.ok ? ((await answer.json()) as EtcdStatus) : undefined;
  } catch {
    return undefined;
  }
}
