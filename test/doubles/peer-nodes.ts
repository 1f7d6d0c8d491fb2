import { once } from "node:events";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import axios from "axios";
import { pino } from "pino";
import { createHardenedServer, type DoorOptions } from "../../node/http/server.js";
import {
  type Envelope,
  HEADERS,
  makeBootNonce,
  PEER_PROTOCOL,
  signRequest,
  writeEnvelope,
} from "../../node/peers/authentication.js";
import { encodeMessage } from "../../node/peers/codec.js";
import { MESSAGES_PATH } from "../../node/peers/limits.js";
import { PeerTransport } from "../../node/peers/transport.js";
import { EMPTY_TREE_ROOT, ZERO_HASH } from "../../shared/hash.js";
import { height, sequence, term, treeSize } from "../../shared/ids.js";
import { type Block, type BlockHeader, hashHeader } from "../../shared/log/block.js";
import type { PeerBody, PeerMessage } from "../../shared/protocol/messages.js";

/** For tests only: transports behind real HTTP servers on 127.0.0.1. */
const SECRET = "the secret of the cluster under test, long enough";

/** Values that arrive in their own time; `next` waits for one. */
export class Inbox<T> {
  readonly all: T[] = [];
  private taken = 0;
  private wake: (() => void) | undefined;
  put(value: T): void {
    this.all.push(value);
    this.wake?.();
  }
  async next(): Promise<T> {
    while (this.all.length <= this.taken) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.all[this.taken++] as T;
  }
}

export interface Arrival {
  message: PeerMessage;
  ref: number | undefined;
}

/** A node's transport behind a real HTTP server. */
export class TestNode {
  readonly inbox = new Inbox<Arrival>();
  readonly rejected = new Inbox<string>();
  readonly unreachable = new Inbox<string>();
  readonly gone = new Inbox<string>();
  /** What it was told of messages with blocks: peer and round, and how they ended. */
  readonly progress: string[] = [];
  readonly ends = new Inbox<string>();
  /** The path of every request that came, in order; `answered` once its answer left. */
  readonly requests: string[] = [];
  readonly answered = new Inbox<number>();
  readonly server: Server;
  transport!: PeerTransport;
  onMessage: (arrival: Arrival) => void = () => {};

  constructor(
    readonly id: string,
    options: DoorOptions = {},
  ) {
    const listener: RequestListener = (request, response) => {
      this.requests.push(request.url ?? "");
      response.once("finish", () => this.answered.put(response.statusCode));
      this.transport.listener(() => response.writeHead(404).end())(request, response);
    };
    const refuse: RequestListener = (_request, response) => response.writeHead(503).end();
    this.server = createHardenedServer(listener, { app: refuse, ...options });
  }
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  /** A process of this node begins: a new transport with a boot nonce of its own. */
  boot(
    peers: Record<string, string>,
    { secret = SECRET, holdMs = 5_000, controlMs = 10_000, bulkIdleMs = 20_000 } = {},
  ): void {
    this.transport = new PeerTransport({
      selfId: this.id,
      secret,
      peers: new Map(Object.entries(peers)),
      bootNonce: makeBootNonce(),
      timeouts: { holdMs, controlMs, bulkIdleMs },
      onMessage: (message, ref) => {
        this.onMessage({ message, ref });
        this.inbox.put({ message, ref });
      },
      onBulkProgress: (peer, round) => this.progress.push(`${peer} ${round}`),
      onBulkOver: (peer, round, end) => this.ends.put(`${peer} ${round} ${end}`),
      onUnreachable: (peer) => this.unreachable.put(peer),
      onGone: (peer) => this.gone.put(peer),
      onRejected: (reason) => this.rejected.put(reason),
      logger: pino({ level: "silent" }),
    });
  }
}

/** What the test that runs has opened. */
export const closers: (() => Promise<unknown> | unknown)[] = [];
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

export async function listen(id: string, options: DoorOptions = {}): Promise<TestNode> {
  const node = new TestNode(id, options);
  node.server.listen(0, "127.0.0.1");
  await once(node.server, "listening");
  closers.push(async () => {
    await node.transport.close();
    node.server.closeAllConnections();
    await new Promise((resolve) => node.server.close(resolve));
  });
  return node;
}

export async function pair(
  options: { holdMs?: number; controlMs?: number; bulkIdleMs?: number; secret?: string } = {},
) {
  const [n1, n2] = [await listen("n1"), await listen("n2")];
  n1.boot({ n1: n1.address, n2: n2.address }, options);
  n2.boot({ n1: n1.address, n2: n2.address }, { ...options, secret: SECRET });
  return { n1, n2 };
}

export function messageOf(from: string, to: string, body: PeerBody, blocks: Block[] = []): PeerMessage {
  return { from, to, clusterId: "", formingHash: "", term: term(1), wallMs: 0, body, blocks };
}
export const alive = (from: string, to: string) => messageOf(from, to, { kind: "alive" });
export function append(round: number, blocks: Block[] = []): PeerMessage {
  const [previousHeight, commitHeight, acknowledgedHeight] = [height(1), height(0), height(0)];
  const place = { previousHeight, previousHash: ZERO_HASH, commitHeight, acknowledgedHeight };
  return messageOf("n1", "n2", { kind: "append", round, ...place, electionTimeoutMs: 1_000, clocks: [] }, blocks);
}
export function largeBlock(): Block {
  const header: BlockHeader = {
    version: 2,
    bodyHash: ZERO_HASH,
    indexHash: ZERO_HASH,
    clusterId: ZERO_HASH,
    height: height(2),
    term: term(1),
    leaderId: "n1",
    previousBlockHash: ZERO_HASH,
    firstSequence: sequence(0),
    eventCount: 0,
    headHash: "",
    treeSize: treeSize(0),
    rootHash: EMPTY_TREE_ROOT,
    commitHeight: height(0),
    sealedAt: "2026-01-01T00:00:00.000Z",
  };
  const body = { records: new Uint8Array(3 * 1024 * 1024), payloads: new Uint8Array() };
  return { header, blockHash: hashHeader(header), signature: new Uint8Array(64), ...body };
}

/** Speaks the protocol by hand, so that every part of it can be wrong. */
export class RawPeer {
  private counter = 0;
  session = "";
  readonly boot = makeBootNonce();
  constructor(
    private readonly target: TestNode,
    private readonly secret = SECRET,
  ) {}

  sign(fields: Partial<Envelope> = {}, { path = MESSAGES_PATH, body = encodeMessage(alive("n1", "n2")) } = {}) {
    const { boot, session } = this;
    const counter = ++this.counter;
    const envelope: Envelope = {
      protocol: PEER_PROTOCOL,
      from: "n1",
      to: "n2",
      cluster: "",
      boot,
      session,
      counter,
      requestId: "",
      ...fields,
    };
    const signature = signRequest(this.secret, { method: "POST", path }, envelope, body);
    return { path, body, headers: writeEnvelope({ ...envelope, signature }) };
  }
  async send({ path, body, headers }: { path: string; body: Buffer; headers: Record<string, string> }) {
    return axios.post<unknown>(`${this.target.address}${path}`, body, {
      headers: { ...headers, "content-type": "application/octet-stream" },
      validateStatus: () => true,
      proxy: false,
    });
  }
  post(fields: Partial<Envelope> = {}) {
    return this.send(this.sign(fields));
  }
  async learnSession(): Promise<void> {
    const { status, headers } = await this.post();
    if (status !== 401) throw new Error(`expected a challenge, not ${status}`);
    this.session = String(headers[HEADERS.session]);
  }
}
