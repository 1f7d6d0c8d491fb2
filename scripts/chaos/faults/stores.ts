import type { Draw } from "./draw.js";
import { type Failure, tryOn } from "./fail-points.js";
import { type FaultDefinition, type Field, type Heal, healAll } from "./fault.js";

const WRITES = ["insert", "update", "findAndModify"];
const OUT_OF_DISK_SPACE = 14_031;
/** A blocked command goes on by itself after this time, also when the fail point is off. */
const HANG_MS = 3_000;

const some = (draw: Draw) => ({ ranks: draw.minority() });

/** Faults of the mongods and their disks. */
export const STORE_FAULTS = {
  "mongod-kill": {
    nodesMin: 1,
    about: "SIGKILL of a minority of the mongods under living nodes",
    lastsMs: [100, 4_000],
    draw: some,
    strike: async ({ cluster }, ids) => {
      await Promise.all(ids.map((id) => cluster.killMongod(id)));
      return async () => {
        await Promise.all(ids.map((id) => cluster.start(id)));
      };
    },
  },
  "mongod-pause": {
    nodesMin: 1,
    about: "SIGSTOP, then SIGCONT, of a minority of the mongods: a disk that hangs",
    lastsMs: [500, 6_000],
    draw: some,
    strike: ({ cluster }, ids) => {
      for (const id of ids) cluster.signalMongod(id, "SIGSTOP");
      return () => {
        for (const id of ids) cluster.signalMongod(id, "SIGCONT");
      };
    },
  },
  "store-error": {
    about: "writes to the store answered with an error (fail point: no space left), on a minority or on any number",
    lastsMs: [200, 4_000],
    draw: (draw) => ({ ranks: draw.next() < 0.5 ? draw.minority() : draw.ranks(draw.between(1, draw.nodes)) }),
    strike: (field, ids) => failing(field, ids, WRITES, { errorCode: OUT_OF_DISK_SPACE }),
  },
  "store-disconnect": {
    about: "the store's connection closed at each write, which is not carried out (fail point)",
    lastsMs: [200, 4_000],
    draw: some,
    strike: (field, ids) => failing(field, ids, WRITES, { closeConnection: true }),
  },
  "store-hang": {
    about: "writes to the store held back for seconds, then carried out (fail point)",
    lastsMs: [500, 4_000],
    draw: some,
    strike: (field, ids) => failing(field, ids, WRITES, { blockConnection: true, blockTimeMS: HANG_MS }),
  },
  "slow-disk": {
    about: "each insert held back for many times as long as it takes (fail point)",
    lastsMs: [2_000, 8_000],
    draw: (draw) => ({ ranks: draw.minority(), settings: { blockMs: draw.between(20, 200) } }),
    strike: (field, ids, { blockMs }) =>
      failing(field, ids, ["insert"], { blockConnection: true, blockTimeMS: Number(blockMs) }),
  },
  "memory-lost": {
    about:
      "a node's term or vote changed in its database while it is down, or the whole database dropped: it joins anew",
    lastsMs: [100, 4_000],
    draw: (draw) => ({
      ranks: draw.minority().slice(0, 1),
      settings: { what: draw.pick(["term", "vote", "database"]), bit: draw.between(0, 20) },
    }),
    strike: async ({ cluster, otherState }, [id = ""], { what, bit }) => {
      await cluster.kill(id);
      if (what !== "database") otherState.add(id);
      // If the mongod does not answer either, this fault is a kill.
      await tryOn(cluster.node(id).mongodbUri, (client) => {
        const database = client.db();
        if (what === "database") return database.dropDatabase();
        const change =
          what === "term" ? { $bit: { "hard.term": { xor: 1 << Number(bit) } } } : { $set: { "hard.votedFor": "n9" } };
        return database.collection<{ _id: string }>("state").updateOne({ _id: "state" }, change);
      });
      return () => cluster.start(id);
    },
  },
  "disk-low": {
    about: "nodes started with more free space demanded than there is (DISK_FREE_MIN_BYTES)",
    lastsMs: [1_000, 6_000],
    draw: (draw) => ({ ranks: draw.next() < 0.5 ? draw.minority() : draw.ranks(Math.ceil(draw.nodes / 2)) }),
    strike: async (field, ids) => {
      for (const id of ids) field.shortOfSpace.add(id);
      await startedAnew(field, ids);
      return async () => {
        for (const id of ids) field.shortOfSpace.delete(id);
        await startedAnew(field, ids);
      };
    },
  },
} satisfies Record<string, FaultDefinition>;

async function failing({ failPoints }: Field, ids: readonly string[], commands: string[], how: Failure): Promise<Heal> {
  return healAll(await Promise.all(ids.map((id) => failPoints.on(id, commands, how))));
}

async function startedAnew({ cluster }: Field, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => cluster.kill(id)));
  await Promise.all(ids.map((id) => cluster.start(id)));
}
