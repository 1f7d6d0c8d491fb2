import type { ChaosRequest, ChaosState } from "../../../shared/protocol/chaos.js";
import type { Cluster } from "../../cluster/cluster.js";
import type { MemberEvent } from "../../cluster/member.js";
import { messageOf } from "../../lib/project.js";
import { Network } from "../../proxy/network.js";
import { OPEN_WAY } from "../../proxy/pipe.js";
import { alterNewestEvent, OutcomeUnknown } from "./tamper.js";

const RECORD_MAX = 200;
/** The answer may go through the node that is struck: that one lives until it has passed it on. */
const STRIKE_AFTER_MS = 150;
/** Bytes are swallowed, as on a network that fell apart; connections of that time are broken when it is whole again. */
const CUT = { there: { ...OPEN_WAY, flow: "drop" }, back: { ...OPEN_WAY, flow: "drop" } } as const;

type What = ChaosState["record"][number]["what"];

/** It cannot be done as things stand: the message says why. */
export class ChaosConflict extends Error {}

/** Makes faults on demand on a cluster that runs here. All of them end with the start script. */
export class ChaosDesk {
  readonly #record: ChaosState["record"] = [];
  readonly #paused = new Set<string>();
  readonly #cuts = new Map<string, () => void>();
  /** Asked to stop: a second signal would end them at once. */
  readonly #stopping = new Set<string>();
  #cluster: Cluster | undefined;

  private constructor(
    private readonly network: Network,
    private readonly ids: readonly string[],
    private readonly say: (line: string) => void,
  ) {}

  /** Puts a proxy on every way between two nodes; `ports` are the nodes' own. */
  static async open(ids: readonly string[], ports: readonly number[], say: (line: string) => void): Promise<ChaosDesk> {
    const network = await Network.open(ids);
    network.ports = ports;
    return new ChaosDesk(network, ids, say);
  }

  /** How a node reaches the others. */
  linksOf(id: string): string {
    const others = this.ids.filter((other) => other !== id);
    return others.map((other) => `${other}=http://127.0.0.1:${this.network.peer(id, other).port}`).join(",");
  }

  attach(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  /** What happens to the nodes' processes, asked for or not. */
  onEvent(event: MemberEvent): void {
    if (event.kind !== "up" && event.kind !== "died" && event.kind !== "down") return;
    if (!this.ids.includes(event.program)) return;
    this.#stopping.delete(event.program);
    if (event.kind !== "up") this.#paused.delete(event.program);
    if (event.kind === "up") this.#note(event.program, "up");
    else this.#note(event.program, "died", event.reason);
  }

  state(): ChaosState {
    const nodes = this.#cluster?.nodes ?? [];
    return {
      nodes: nodes.map(({ id, pid }) => ({
        node: id,
        up: pid !== undefined,
        paused: this.#paused.has(id),
        cut: this.#cuts.has(id),
      })),
      record: [...this.#record],
    };
  }

  async strike({ action, node }: ChaosRequest): Promise<ChaosState> {
    const cluster = this.#cluster;
    if (cluster === undefined || !this.ids.includes(node)) throw new ChaosConflict(`This cluster has no node ${node}.`);
    await this.#make(cluster, action, node);
    return this.state();
  }

  async #make(cluster: Cluster, action: ChaosRequest["action"], id: string): Promise<void> {
    const isUp = cluster.node(id).pid !== undefined;
    const require = (isFit: boolean, why: string): void => {
      if (!isFit) throw new ChaosConflict(`${id} ${why}.`);
    };
    switch (action) {
      case "kill":
        require(isUp, "is down already");
        this.#note(id, action);
        return this.#soon(id, () => cluster.kill(id));
      case "pause":
        require(isUp && !this.#paused.has(id), "is down or paused already");
        this.#note(id, action);
        this.#paused.add(id);
        return this.#soon(id, async () => {
          // It may have been resumed, started anew or healed meanwhile: nobody would know of this pause.
          if (this.#paused.has(id)) cluster.signal(id, "SIGSTOP");
        });
      case "resume":
        require(this.#paused.delete(id), "is not paused");
        this.#note(id, action);
        return cluster.signal(id, "SIGCONT");
      case "restart":
        require(!isUp || !this.#stopping.has(id), "is stopping already");
        return this.#restart(cluster, id, isUp);
      case "cut":
        require(!this.#cuts.has(id) && this.ids.length > 1, "is cut off already, or alone");
        this.#note(id, action);
        this.#cuts.set(id, this.#cutOff(id));
        return;
      case "join":
        require(this.#cuts.has(id), "is not cut off");
        this.#note(id, action);
        this.#cuts.get(id)?.();
        this.#cuts.delete(id);
        return;
      case "tamper":
        return this.#tamper(cluster, id);
      default:
        return action satisfies never;
    }
  }

  /** One that runs ends in order, and its supervisor starts it again. */
  #restart(cluster: Cluster, id: string, isUp: boolean): void {
    this.#note(id, "restart");
    if (this.#paused.delete(id)) cluster.signal(id, "SIGCONT");
    if (isUp) {
      this.#stopping.add(id);
      this.#soon(id, async () => {
        // It may have ended by itself meanwhile.
        if (this.#stopping.has(id)) cluster.signal(id, "SIGTERM");
      });
    } else cluster.start(id).catch((error: unknown) => this.say(messageOf(error)));
  }

  async #tamper(cluster: Cluster, id: string): Promise<void> {
    try {
      const sequence = await alterNewestEvent(cluster.node(id).mongodbUri);
      this.#note(id, "tamper", `event ${sequence} in its MongoDB`);
    } catch (error) {
      const isUnknown = error instanceof OutcomeUnknown;
      throw new ChaosConflict(isUnknown ? error.message : `Nothing of ${id} is changed: ${messageOf(error)}`);
    }
  }

  #cutOff(id: string): () => void {
    const undo = this.ids.filter((other) => other !== id).map((other) => this.network.worsenPair(id, other, CUT));
    return () => {
      for (const one of undo) one();
    };
  }

  #soon(id: string, strike: () => Promise<void>): void {
    setTimeout(() => {
      strike().catch((error: unknown) => this.say(`The fault of ${id} failed: ${messageOf(error)}`));
    }, STRIKE_AFTER_MS);
  }

  #note(node: string, what: What, detail?: string): void {
    this.#record.push({ at: new Date().toISOString(), node, what, ...(detail === undefined ? {} : { detail }) });
    if (this.#record.length > RECORD_MAX) this.#record.shift();
    if (what !== "up" && what !== "died")
      this.say(`Asked for on the dashboard: ${what} ${node}${detail === undefined ? "" : ` (${detail})`}.`);
  }

  /** Ends every fault, so that what was struck can be stopped in order. */
  heal(): void {
    for (const undo of this.#cuts.values()) undo();
    this.#cuts.clear();
    for (const id of this.#paused) this.#cluster?.signal(id, "SIGCONT");
    this.#paused.clear();
  }

  close(): Promise<void> {
    return this.network.close();
  }
}
