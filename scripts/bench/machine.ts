import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../lib/project.js";
import { temporaryFolder } from "../mongod/reaper.js";
import { median } from "./statistics.js";
import { etcdVersion } from "./targets/etcd.js";
import { natsVersion } from "./targets/nats.js";
import { versionOf } from "./targets/versions.js";

const SYNCS = 100;
const SYNC_BYTES = 4_096;
const FILE_SYSTEMS: Record<number, string> = {
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  16914836: "tmpfs",
  2035054128: "overlayfs",
  801189825: "zfs",
};

/** What a reader needs to judge the figures: no names and no paths. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGb: number;
  readonly platform: string;
  readonly fileSystem: string;
  readonly disk: string;
  /** Median of a few writes of 4 KiB, each made durable. */
  readonly fdatasyncMs: number;
  readonly node: string;
  readonly mongod: string;
  readonly etcd: string;
  readonly nats: string;
  readonly commit: string;
  /** The load of the minute before the start. Above 0.3 or so, something else was at work. */
  readonly loadAverage: number;
}

export function describeMachine(mongodBinary: string): Machine {
  const folder = temporaryFolder("disk");
  const [first] = cpus();
  return {
    cores: cpus().length,
    cpu: first?.model.trim() ?? "unknown",
    memoryGb: Math.round(totalmem() / 1e8) / 10,
    platform: `${process.platform} ${process.arch}`,
    fileSystem: FILE_SYSTEMS[statfsSync(folder).type] ?? "unknown",
    disk: diskKind(),
    fdatasyncMs: fdatasyncMs(join(folder, "sync")),
    node: process.version,
    mongod: versionOf(mongodBinary, ["--version"], /db version v(\S+)/) ?? "unknown",
    etcd: etcdVersion() ?? "not on PATH",
    nats: natsVersion() ?? "not on PATH",
    commit: commitOf(projectRoot()),
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

function fdatasyncMs(file: string): number {
  const fd = openSync(file, "w");
  const block = Buffer.alloc(SYNC_BYTES, 1);
  const times = Array.from({ length: SYNCS }, (_, index) => {
    writeSync(fd, block, 0, SYNC_BYTES, index * SYNC_BYTES);
    const startMs = performance.now();
    fdatasyncSync(fd);
    return performance.now() - startMs;
  });
  closeSync(fd);
  return Math.round(median(times) * 1_000) / 1_000;
}

/** All that Linux says of its disks (a virtual one says "rotational" by default, so that is not believed). */
function diskKind(): string {
  if (!existsSync("/sys/block")) return "unknown";
  const disks = readdirSync("/sys/block").filter((name) => /^(sd|vd|nvme|xvd|mmcblk)/.test(name));
  const kinds = disks.map((name) => {
    if (name.startsWith("nvme")) return "NVMe";
    if (/^(vd|xvd)/.test(name)) return "virtual disk";
    return readFileSync(`/sys/block/${name}/queue/rotational`, "utf8").trim() === "1" ? "rotating disk" : "SSD";
  });
  return [...new Set(kinds)].join(", ") || "unknown";
}

/** The commit of a checkout. */
export function commitOf(root: string): string {
  const git = (...args: string[]) => versionOf("git", ["-C", root, ...args], /[\s\S]*/)?.trim();
  const id = git("rev-parse", "--short=12", "HEAD");
  if (id === undefined) return "unknown";
  return git("status", "--porcelain", "-uno") === "" ? id : `${id} with changes`;
}
