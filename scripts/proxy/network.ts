import { freePorts } from "../lib/processes.js";
import { type Conditions, Link, type LinkCounts } from "./link.js";
import type { Way } from "./pipe.js";

/** How a fault cuts: bytes wait, are swallowed, or connections are reset and refused. */
export type Cut = "hold" | "drop" | "refuse";

/**
 * Every link of a cluster on one machine: one from each node to each other node, one from each node to its mongod.
 * Clients' own connections to the nodes go past it.
 */
export class Network {
  readonly #peers = new Map<string, Link>();
  readonly #stores = new Map<string, Link>();
  readonly #mongodPorts = new Map<string, number>();

  /** The nodes' own ports, in the order of `ids`. */
  ports: readonly number[] = [];

  private constructor(readonly ids: readonly string[]) {}

  static async open(ids: readonly string[]): Promise<Network> {
    const network = new Network(ids);
    for (const [index, to] of ids.entries()) {
      for (const from of ids) {
        if (from === to) continue;
        network.#peers.set(`${from}>${to}`, await Link.open("http", () => network.ports[index] as number));
      }
      network.#stores.set(to, await Link.open("mongodb", () => network.#mongodPorts.get(to) ?? 0));
    }
    // Only now, so that no link has got one of them.
    network.ports = await freePorts(ids.length);
    return network;
  }

  /** The environment that puts a node behind its links, for `nodeEnv` of a cluster. */
  environmentOf(id: string, mongodbUri: string): { MEMBERS: string; MONGODB_URI: string } {
    const uri = new URL(mongodbUri);
    this.#mongodPorts.set(id, Number(uri.port));
    uri.port = String(this.store(id).port);
    const members = this.ids.map((to, index) => {
      const port = to === id ? this.ports[index] : this.peer(id, to).port;
      return `${to}=http://127.0.0.1:${port}`;
    });
    return { MEMBERS: members.join(","), MONGODB_URI: uri.href };
  }

  /** The link on which `from` opens connections to `to`. */
  peer(from: string, to: string): Link {
    return this.#peers.get(`${from}>${to}`) as Link;
  }

  store(id: string): Link {
    return this.#stores.get(id) as Link;
  }

  /** What `from` says to `to`, on connections of either's making. Answers how to undo it. */
  worsenWay(from: string, to: string, way: Way): () => void {
    return undoAll([this.peer(from, to).worsen({ there: way }), this.peer(to, from).worsen({ back: way })]);
  }

  /** All that the two say to each other. */
  worsenPair(a: string, b: string, change: Partial<Conditions>): () => void {
    return undoAll([this.peer(a, b).worsen(change), this.peer(b, a).worsen(change)]);
  }

  counts(): LinkCounts {
    const sum: LinkCounts = { connections: 0, resets: 0, lostReplies: 0, replays: {} };
    for (const { counts } of [...this.#peers.values(), ...this.#stores.values()]) {
      sum.connections += counts.connections;
      sum.resets += counts.resets;
      sum.lostReplies += counts.lostReplies;
      for (const [status, n] of Object.entries(counts.replays)) sum.replays[status] = (sum.replays[status] ?? 0) + n;
    }
    return sum;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#peers.values(), ...this.#stores.values()].map((link) => link.close()));
  }
}

export function undoAll(undo: (() => void)[]): () => void {
  return () => {
    for (const one of undo) one();
  };
}
