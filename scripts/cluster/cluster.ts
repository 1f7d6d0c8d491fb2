import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { loopback } from "../lib/loopback.js";
import { freePorts, poll } from "../lib/processes.js";
import { messageOf } from "../lib/project.js";
import { findMongod } from "../mongod/ladder.js";
import { temporaryFolder } from "../mongod/reaper.js";
import { type FolderLock, lockDataFolder, stopLeftovers } from "./leftovers.js";
import { Member, type MemberEvent } from "./member.js";
import { clusterSecret, planNodes, refusePorts } from "./plan-nodes.js";

const ROTATE_EVERY_MS = 5_000;
const START_WITHIN_MS = 120_000;
/** Far longer than an election takes, also where a machine does much else. */
const LEADER_WITHIN_MS = 120_000;
/** A node that hangs must not hold up what is told of the others. */
const ANSWER_WITHIN_MS = 2_000;

export interface ClusterOptions {
  /** How many nodes: 3 unless said otherwise, or as many as `mongodbUris`. */
  nodes?: number;
  /** Their HTTP ports; free ones from the system if not given. */
  ports?: number[];
  /** n1, n2, … unless given. */
  ids?: string[];
  /** Keeps the data there; without it, a temporary folder that goes with this process. */
  dataDir?: string;
  /** Servers that exist already; without them each node gets a mongod of its own. */
  mongodbUris?: string[];
  mongodBinary?: string;
  /** Further arguments of every mongod that is started here. */
  mongodArgs?: string[];
  /** Environment of every node, over the launcher's own values. */
  env?: NodeJS.ProcessEnv;
  /** One node's environment, over all others. It is asked for at each start, with the address that the mongod has then. */
  nodeEnv?: (id: string, mongodbUri: string) => NodeJS.ProcessEnv;
  onEvent?: (event: MemberEvent) => void;
  /** What is being done and takes its time. */
  say?: (line: string) => void;
  /** The lock on `dataDir`, if the caller holds it already. */
  lock?: FolderLock;
  /** Called when the folder is locked and left-overs of an earlier start are gone, before anything is made there. */
  prepare?: (leftovers: string[]) => Promise<void>;
}

export interface ClusterNode {
  readonly id: string;
  readonly url: string;
  readonly mongodbUri: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  readonly mongodPid: number | undefined;
}

export interface Leader {
  node: ClusterNode;
  term: number;
}

/** Whom every node that runs here names, and what each of them says that it is itself. */
export interface SeenLeader {
  id: string;
  term: number;
  roles: ReadonlyMap<string, string>;
}

/** Nodes and mongods as real processes, started again when they die; one that was killed here stays down until `start`. */
export interface Cluster {
  readonly dataDir: string;
  readonly nodes: readonly ClusterNode[];
  node(id: string): ClusterNode;
  /** Waits until every node that runs names the same living leader. */
  leader(withinMs?: number): Promise<Leader>;
  /** Whom every node that runs here names as its leader now, and it may be another machine's. */
  leaderNow(): Promise<SeenLeader | undefined>;
  /** What the cluster waits for until it has a leader, as the last look has seen it. */
  readonly missing: string;
  /** SIGKILL of the node; of its mongod; of everything at once. */
  kill(id: string): Promise<void>;
  killMongod(id: string): Promise<void>;
  killAll(): Promise<void>;
  /** Sends a signal to a running node (SIGSTOP, SIGCONT, SIGTERM), or to its mongod. */
  signal(id: string, name: NodeJS.Signals): void;
  signalMongod(id: string, name: NodeJS.Signals): void;
  /** Starts what was killed of that node, or of all; waits until it all serves again. */
  start(id: string): Promise<void>;
  startAll(): Promise<void>;
  /** The newest lines of a node's log: for the message of a failed test. */
  logTail(id: string, lines?: number): string;
  /** Stops nodes, then mongods; with a temporary folder, removes it. */
  stop(): Promise<void>;
  /** SIGKILL for all, without waiting: the way out after a second signal. */
  abandon(): void;
}

/** For tests and scripts: starts a cluster and waits until all of it serves and it has a leader. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await launchCluster(options);
  try {
    await cluster.startAll();
    await cluster.leader();
    return cluster;
  } catch (error) {
    const logs = cluster.nodes.map(({ id }) => `--- ${id}\n${cluster.logTail(id)}`).join("\n");
    await cluster.stop();
    throw new Error(`${(error as Error).message}\n${logs}`);
  }
}

/** Starts everything and returns at once: what happens then is told by `onEvent`. */
export async function launchCluster(options: ClusterOptions): Promise<Cluster> {
  const dataDir = options.dataDir === undefined ? temporaryFolder("cluster") : resolve(options.dataDir);
  const lock = options.lock ?? lockDataFolder(dataDir);
  try {
    await options.prepare?.(await stopLeftovers(dataDir, options.say));
    const members = await createMembers(options, dataDir);
    for (const member of members) member.start();
    return new RunningCluster(members, dataDir, options.dataDir === undefined, lock.unlock);
  } catch (error) {
    lock.unlock();
    throw error;
  }
}

async function createMembers(options: ClusterOptions, dataDir: string): Promise<Member[]> {
  const { mongodbUris, nodes = mongodbUris?.length ?? 3, nodeEnv, onEvent = () => {} } = options;
  const ports = options.ports ?? (await freePorts(nodes));
  await refusePorts(ports, options.env?.HOST);
  const binary = mongodbUris === undefined ? (options.mongodBinary ?? (await findMongod())) : "";
  const extraArgs = options.mongodArgs ?? [];
  const plans = planNodes(options, dataDir, ports, () => clusterSecret(dataDir));
  return plans.map(({ id, url, env }, index) => {
    return new Member({
      id,
      url,
      dataDir,
      env: (MONGODB_URI) => ({ ...env, MONGODB_URI, ...nodeEnv?.(id, MONGODB_URI) }),
      mongod: mongodbUris === undefined ? { binary, extraArgs } : { uri: mongodbUris[index] as string },
      isTemporary: options.dataDir === undefined,
      emit: onEvent,
    });
  });
}

class RunningCluster implements Cluster {
  readonly nodes: readonly ClusterNode[];
  readonly #rotation: NodeJS.Timeout;
  #views: string[] = [];

  constructor(
    private readonly members: Member[],
    readonly dataDir: string,
    private readonly isTemporary: boolean,
    private readonly unlock: () => void,
  ) {
    this.nodes = members.map((member) => ({
      id: member.id,
      url: member.url,
      get mongodbUri() {
        return member.mongodbUri;
      },
      get pid() {
        return member.node.pid;
      },
      get mongodPid() {
        return member.mongod?.pid;
      },
    }));
    this.#rotation = setInterval(() => {
      for (const member of members) member.rotateLogs();
    }, ROTATE_EVERY_MS);
    this.#rotation.unref();
  }

  node(id: string): ClusterNode {
    const node = this.nodes.find((one) => one.id === id);
    if (node === undefined) throw new Error(`This cluster has no node ${id}.`);
    return node;
  }

  async leader(withinMs = LEADER_WITHIN_MS): Promise<Leader> {
    const found = await poll(() => this.#agreedLeader(), { withinMs });
    if (found === undefined) throw new Error(`No leader that all running nodes agree on after ${withinMs} ms.`);
    return found;
  }

  async #agreedLeader(): Promise<Leader | undefined> {
    const running = this.nodes.filter(({ pid }) => pid !== undefined);
    if (running.length * 2 <= this.nodes.length) return undefined;
    const seen = await this.leaderNow();
    const node = running.find(({ id }) => id === seen?.id);
    return seen && node && { node, term: seen.term };
  }

  async leaderNow(): Promise<SeenLeader | undefined> {
    const running = this.nodes.filter(({ pid }) => pid !== undefined);
    const views = await Promise.all(running.map(leaderSeenBy));
    this.#views = views.map((view, index) => `${running[index]?.id} ${sayView(view)}`);
    const [first] = views;
    if (first === undefined || typeof first === "string" || first.leaderId === null) return undefined;
    const { leaderId: id, term } = first;
    const agrees = (view: View): boolean => typeof view !== "string" && view.leaderId === id && view.term === term;
    if (!views.every(agrees)) return undefined;
    const roles = running.map((node, index) => [node.id, (views[index] as Seen).role] as const);
    return { id, term, roles: new Map(roles) };
  }

  get missing(): string {
    const waiting = this.members.filter(({ mongod }) => mongod !== undefined && mongod.pid === undefined);
    if (waiting.length > 0) return `the mongod of ${waiting.map(({ id }) => id).join(", ")} to be ready`;
    const starting = this.members.filter(({ node }) => node.pid === undefined);
    if (starting.length > 0) return `${starting.map(({ id }) => id).join(", ")} to listen`;
    return `a leader: ${this.#views.join(", ")}`;
  }

  kill(id: string): Promise<void> {
    return this.#member(id).node.kill();
  }

  async killMongod(id: string): Promise<void> {
    await this.#member(id).mongod?.kill();
  }

  async killAll(): Promise<void> {
    await Promise.all(this.members.flatMap(({ node, mongod }) => [node.kill(), mongod?.kill()]));
  }

  signal(id: string, name: NodeJS.Signals): void {
    this.#member(id).node.signal(name);
  }

  signalMongod(id: string, name: NodeJS.Signals): void {
    this.#member(id).mongod?.signal(name);
  }

  async start(id: string): Promise<void> {
    const member = this.#member(id);
    member.start();
    const isUp = () => member.node.pid !== undefined && (!member.mongod || member.mongod.pid !== undefined);
    if (await poll(isUp, { withinMs: START_WITHIN_MS })) return;
    throw new Error(`${id} does not listen ${START_WITHIN_MS / 1000} s after its start:\n${this.logTail(id)}`);
  }

  async startAll(): Promise<void> {
    await Promise.all(this.nodes.map(({ id }) => this.start(id)));
  }

  logTail(id: string, lines = 20): string {
    return this.#member(id).nodeLog.tail().slice(-lines).join("\n");
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stopNode()));
    await Promise.all(this.members.map((member) => member.stopMongod()));
    this.#close();
    if (this.isTemporary) rmSync(this.dataDir, { recursive: true, force: true });
  }

  abandon(): void {
    for (const { node, mongod } of this.members) {
      void node.kill();
      void mongod?.kill();
    }
    this.unlock();
  }

  #close(): void {
    clearInterval(this.#rotation);
    for (const member of this.members) member.closeLogs();
    this.unlock();
  }

  #member(id: string): Member {
    const member = this.members.find((one) => one.id === id);
    if (member === undefined) throw new Error(`This cluster has no node ${id}.`);
    return member;
  }
}

/** What a node says of the leader, or why it says nothing. */
type View = Seen | string;
interface Seen {
  leaderId: string | null;
  term: number;
  /** Its own. */
  role: string;
}
interface Status {
  leaderId: string | null;
  term: number;
  nodes: { id: string; role: string }[];
}

async function leaderSeenBy({ id, url }: ClusterNode): Promise<View> {
  try {
    const answer = await loopback(`${url}/api/v1/cluster`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!answer.ok) return `answers ${answer.status} at ${url}`;
    const { leaderId, term, nodes } = (await answer.json()) as Status;
    return { leaderId, term, role: nodes.find((node) => node.id === id)?.role ?? "unknown" };
  } catch (error) {
    return `gives no answer at ${url} (${messageOf(error)})`;
  }
}

function sayView(view: View): string {
  if (typeof view === "string") return view;
  return view.leaderId === null ? "knows none" : `names ${view.leaderId} in term ${view.term}`;
}
