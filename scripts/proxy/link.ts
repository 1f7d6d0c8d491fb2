import { connect, createServer, type Server, type Socket } from "node:net";
import { Framer, httpLength, isMongoWrite, mongoLength } from "./framer.js";
import { OPEN_WAY, Pipe, type Way } from "./pipe.js";

/** What a link does to its connections. Shares are probabilities from 0 to 1. */
export interface Conditions {
  /** From the client to the server, and back. */
  readonly there: Way;
  readonly back: Way;
  /** Connections are reset at once, old and new ones. */
  readonly isRefusing: boolean;
  /** The share of chunks that reset their connection instead of passing. (TCP shows no lost packets.) */
  readonly resetShare: number;
  /** The share of requests of which the server gets a copy a moment later, on a connection of its own. */
  readonly replayShare: number;
  /** The share of requests (to a mongod: of writes) that the server gets, while the answer is swallowed and the connection broken. */
  readonly lostReplyShare: number;
}

const SOUND: Conditions = {
  there: OPEN_WAY,
  back: OPEN_WAY,
  isRefusing: false,
  resetShare: 0,
  replayShare: 0,
  lostReplyShare: 0,
};

export interface LinkCounts {
  connections: number;
  resets: number;
  lostReplies: number;
  /** Copies of requests, by the status that they were answered with. */
  replays: Record<string, number>;
}

const REPLAY_AFTER_MS_MAX = 500;
const REPLAY_ANSWER_WITHIN_MS = 5_000;

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: readonly Pipe[];
}

/** A TCP proxy on a port of its own, before one server: what passes can be broken in the ways of a bad network. */
export class Link {
  readonly counts: LinkCounts = { connections: 0, resets: 0, lostReplies: 0, replays: {} };
  readonly #changes = new Set<Partial<Conditions>>();
  #conditions = SOUND;
  readonly #connections = new Set<Connection>();

  private constructor(
    private readonly listener: Server,
    private readonly protocol: "http" | "mongodb",
    private readonly target: () => number,
  ) {
    listener.on("connection", (client) => this.#relay(client));
  }

  /** `target` is asked for the server's port, on this machine, at each connection. */
  static async open(protocol: "http" | "mongodb", target: () => number): Promise<Link> {
    // Half-open, so that an end passes on in its turn, behind the bytes that are still on the way.
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    const link = new Link(listener, protocol, target);
    await new Promise<void>((listening) => listener.listen(0, "127.0.0.1", listening));
    return link;
  }

  get port(): number {
    return (this.listener.address() as { port: number }).port;
  }

  /** Worsens the link until the function that is returned is called. Several changes can hold at once. */
  worsen(change: Partial<Conditions>): () => void {
    this.#changes.add(change);
    this.#apply();
    return () => {
      if (this.#changes.delete(change)) this.#apply();
    };
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) reset(connection);
    await new Promise((closed) => this.listener.close(closed));
  }

  #apply(): void {
    const ways = [...this.#changes].map(({ there = OPEN_WAY, back = OPEN_WAY }) => ({ there, back }));
    const merged = Object.assign({}, SOUND, ...this.#changes) as Conditions;
    this.#conditions = {
      ...merged,
      there: ways.map(({ there }) => there).reduce(worse, OPEN_WAY),
      back: ways.map(({ back }) => back).reduce(worse, OPEN_WAY),
    };
    for (const connection of this.#connections) {
      const isTorn = connection.pipes.some(({ hasDropped }) => hasDropped) && this.#isFlowing();
      if (this.#conditions.isRefusing || isTorn) reset(connection);
      else for (const pipe of connection.pipes) pipe.deliver();
    }
  }

  #isFlowing(): boolean {
    return this.#conditions.there.flow !== "drop" && this.#conditions.back.flow !== "drop";
  }

  #relay(client: Socket): void {
    this.counts.connections++;
    if (this.#conditions.isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.target(), host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const there = new Pipe(client, server, () => this.#conditions.there);
    const back = new Pipe(server, client, () => this.#conditions.back);
    const connection = { client, server, pipes: [there, back] };
    this.#connections.add(connection);
    const framer = new Framer(this.protocol === "http" ? httpLength : mongoLength);
    let isReplyLost = false;
    client.on("data", (chunk: Buffer) => {
      if (this.#strikesReset(connection)) return;
      for (const request of framer.push(chunk)) isReplyLost = this.#passes(request) || isReplyLost;
      there.take(chunk);
    });
    server.on("data", (chunk: Buffer) => {
      // The answer shows that the request was carried out: now it is lost.
      if (isReplyLost) reset(connection);
      else if (!this.#strikesReset(connection)) back.take(chunk);
    });
    for (const [socket, pipe] of [
      [client, there],
      [server, back],
    ] as const) {
      socket.on("error", () => reset(connection));
      socket.on("end", () => pipe.end());
      socket.on("close", () => {
        if (client.destroyed && server.destroyed) this.#connections.delete(connection);
        else pipe.end();
      });
    }
  }

  #strikesReset(connection: Connection): boolean {
    if (Math.random() >= this.#conditions.resetShare) return false;
    this.counts.resets++;
    reset(connection);
    return true;
  }

  /** A whole request goes by: true if its answer is to be lost. */
  #passes(request: Buffer): boolean {
    const { replayShare, lostReplyShare } = this.#conditions;
    if (this.protocol === "http" && Math.random() < replayShare) {
      // A copy: the bytes belong to a buffer that is used again.
      const copy = Buffer.from(request);
      setTimeout(() => this.#replay(copy), Math.random() * REPLAY_AFTER_MS_MAX).unref();
    }
    if (this.protocol === "mongodb" && !isMongoWrite(request)) return false;
    const isLost = Math.random() < lostReplyShare;
    if (isLost) this.counts.lostReplies++;
    return isLost;
  }

  #replay(request: Buffer): void {
    const socket = connect({ port: this.target(), host: "127.0.0.1", timeout: REPLAY_ANSWER_WITHIN_MS });
    const done = (status: string): void => {
      this.counts.replays[status] = (this.counts.replays[status] ?? 0) + 1;
      socket.removeAllListeners("data").destroy();
    };
    socket.once("data", (answer: Buffer) => done(answer.toString("latin1", 9, 12)));
    socket.once("timeout", () => done("none"));
    socket.once("error", () => done("none"));
    socket.write(request);
  }
}

function reset({ client, server }: Connection): void {
  for (const socket of [client, server]) if (!socket.destroyed) socket.resetAndDestroy();
}

const FLOWS = ["pass", "hold", "drop"] as const;

function worse(a: Way, b: Way): Way {
  return {
    flow: FLOWS[Math.max(FLOWS.indexOf(a.flow), FLOWS.indexOf(b.flow))] as Way["flow"],
    delayMs: Math.max(a.delayMs, b.delayMs),
    jitterMs: Math.max(a.jitterMs, b.jitterMs),
    bytesPerSecond: Math.min(a.bytesPerSecond, b.bytesPerSecond),
  };
}
