import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { NodeId } from "../../shared/ids.js";
import { NODE_ID } from "../../shared/log/control.js";

/**
 * Who sent this, and is it new? Peers share one secret; every request and answer carries an HMAC-SHA-256 under it.
 *
 * Replays. A request names the sender's process (boot nonce), a counter that the receiver accepts once, and a *session*:
 * a challenge that the receiver gave to this process. Challenges are made from a key that dies with the receiver's
 * process and from a generation that moves on whenever another process of the sender takes over. So a recording of an
 * earlier process, of the sender's or of the receiver's, is bound to a session that will never be valid again. A sender
 * without the session learns it from an authenticated 401 (`unknown_boot`) and repeats the request once.
 */
/** The version of messages, requests and blocks. Nodes of different versions refuse each other. */
export const PEER_PROTOCOL = "5";

export const HEADERS = {
  protocol: "x-quorumlog-protocol",
  from: "x-quorumlog-from",
  to: "x-quorumlog-to",
  cluster: "x-quorumlog-cluster",
  boot: "x-quorumlog-boot",
  session: "x-quorumlog-session",
  counter: "x-quorumlog-counter",
  signature: "x-quorumlog-signature",
  requestId: "x-request-id",
} as const;

/** Why a request was answered 401 (or an answer was thrown away); `refused_by_peer`: the other side refused ours. */
export type Rejection =
  | "malformed"
  | "other_version"
  | "unknown_sender"
  | "wrong_recipient"
  | "bad_signature"
  | "other_cluster"
  | "unknown_boot"
  | "replayed"
  | "bad_message"
  | "bad_answer"
  | "refused_by_peer";

export interface Envelope {
  readonly protocol: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Empty until the sender knows its genesis. */
  readonly cluster: string;
  /** The sender's boot nonce. */
  readonly boot: string;
  /** The receiver's challenge; empty in the first request to a peer. */
  readonly session: string;
  readonly counter: number;
  /** Empty when the request has none. */
  readonly requestId: string;
}
export interface SignedEnvelope extends Envelope {
  readonly signature: string;
}
export interface Target {
  readonly method: string;
  readonly path: string;
}

const HASH = /^[0-9a-f]{64}$/;
const NONCE = /^[0-9a-f]{32}$/;
const VERSION = /^\d{1,4}$/;
const COUNTER = /^[1-9]\d{0,14}$/;
const REQUEST_ID = /^[\w-]{8,128}$/;
const isEmptyOr = (form: RegExp, text: string): boolean => text === "" || form.test(text);

export const makeBootNonce = (): string => randomBytes(16).toString("hex");

export function writeEnvelope(envelope: SignedEnvelope): Record<string, string> {
  const { requestId, ...fields } = envelope;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) headers[HEADERS[name as keyof typeof HEADERS]] = String(value);
  if (requestId !== "") headers[HEADERS.requestId] = requestId;
  return headers;
}

/**
 * These bytes are anybody's: nothing is believed before the signature was checked. Field by field, without a schema: it is
 * read for each message.
 */
export function readEnvelope(headers: IncomingHttpHeaders): SignedEnvelope | null {
  const field = (name: string, otherwise = ""): string => {
    const value = headers[name] ?? otherwise;
    // No form below has a line feed in it.
    return typeof value === "string" ? value : "\n";
  };
  const protocol = field(HEADERS.protocol, "1");
  const from = field(HEADERS.from);
  const to = field(HEADERS.to);
  const cluster = field(HEADERS.cluster);
  const boot = field(HEADERS.boot);
  const session = field(HEADERS.session);
  const counter = field(HEADERS.counter);
  const signature = field(HEADERS.signature);
  const requestId = field(HEADERS.requestId);
  const isWellFormed =
    VERSION.test(protocol) &&
    NODE_ID.test(from) &&
    NODE_ID.test(to) &&
    isEmptyOr(HASH, cluster) &&
    NONCE.test(boot) &&
    isEmptyOr(NONCE, session) &&
    COUNTER.test(counter) &&
    HASH.test(signature) &&
    isEmptyOr(REQUEST_ID, requestId);
  if (!isWellFormed) return null;
  return { protocol, from, to, cluster, boot, session, counter: Number(counter), signature, requestId };
}

const sha256 = (body: Uint8Array): string => createHash("sha256").update(body).digest("hex");
// No field can hold a line feed (schemas above, and HTTP itself), so the lines cannot be read in two ways.
const hmac = (secret: string, lines: readonly (string | number)[]): string =>
  createHmac("sha256", secret).update(lines.join("\n")).digest("hex");

export function signRequest(secret: string, target: Target, envelope: Envelope, body: Uint8Array): string {
  const { protocol, from, to, cluster, boot, session, counter, requestId } = envelope;
  const place = [target.method, target.path];
  return hmac(secret, [
    `quorumlog/peer/v${protocol}/request`,
    ...place,
    cluster,
    from,
    to,
    boot,
    session,
    counter,
    requestId,
    sha256(body),
  ]);
}

export interface Answer {
  readonly status: number;
  /** The session to use from now on, in an `unknown_boot` answer; else empty. */
  readonly session: string;
  readonly body: Uint8Array;
}

/** An answer is bound to the one request whose signature it names, and with it to its counter. */
export function signAnswer(secret: string, requestSignature: string, { status, session, body }: Answer): string {
  return hmac(secret, ["quorumlog/peer/v1/answer", requestSignature, status, session, sha256(body)]);
}

export function equalSignatures(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, "hex"), Buffer.from(b, "hex")];
  return left.length === 32 && right.length === 32 && timingSafeEqual(left, right);
}

/** Counters that one session can tell apart; connections deliver out of order, so the newest is not enough. */
const WINDOW = 4096;

/** Accepts each counter at most once; one that is more than a window behind may be refused though it is new. */
export class ReplayWindow {
  /** The newest counter seen of each residue. It only grows, so nothing passes twice. */
  private readonly newest = new Float64Array(WINDOW);

  accept(counter: number): boolean {
    const slot = counter % WINDOW;
    if (counter <= (this.newest[slot] as number)) return false;
    this.newest[slot] = counter;
    return true;
  }
}

interface Sender {
  /** Counts the processes of this sender that were heard. */
  generation: number;
  boot: string;
  session: string;
  window: ReplayWindow;
}

export type GateVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: Rejection; readonly session: string };

/** The receiver's side. Its memory is one window a configured peer; what it refuses changes nothing in it. */
export class PeerGate {
  private readonly senders: Map<NodeId, Sender>;
  private readonly challengeKey = randomBytes(32);

  constructor(
    private readonly options: {
      readonly selfId: NodeId;
      readonly secret: string;
      readonly peers: Iterable<NodeId>;
      readonly clusterId: () => string;
    },
  ) {
    const fresh = (): Sender => ({ generation: 0, boot: "", session: "", window: new ReplayWindow() });
    this.senders = new Map([...options.peers].map((id) => [id, fresh()]));
  }

  /** What can be refused before the body is read. */
  precheck(envelope: SignedEnvelope | null): Rejection | null {
    if (envelope === null) return "malformed";
    if (envelope.protocol !== PEER_PROTOCOL) return "other_version";
    if (!this.senders.has(envelope.from)) return "unknown_sender";
    return envelope.to === this.options.selfId ? null : "wrong_recipient";
  }

  check(target: Target, envelope: SignedEnvelope, body: Uint8Array): GateVerdict {
    const refuse = (reason: Rejection, session = ""): GateVerdict => ({ ok: false, reason, session });
    const early = this.precheck(envelope);
    const sender = this.senders.get(envelope.from);
    if (early !== null || sender === undefined) return refuse(early ?? "unknown_sender");
    const expected = signRequest(this.options.secret, target, envelope, body);
    if (!equalSignatures(expected, envelope.signature)) return refuse("bad_signature");
    const clusterId = this.options.clusterId();
    if (envelope.cluster !== "" && clusterId !== "" && envelope.cluster !== clusterId) return refuse("other_cluster");

    const isLive = sender.boot === envelope.boot && sender.session === envelope.session;
    if (!isLive) {
      const challenge = this.challenge(envelope.from, envelope.boot, sender.generation);
      if (envelope.session !== challenge) return refuse("unknown_boot", this.sessionFor(sender, envelope, challenge));
      // It answered the challenge of this generation, so it lives now: it takes over from the process heard before.
      Object.assign(sender, { boot: envelope.boot, session: challenge, window: new ReplayWindow() });
      sender.generation++;
    }
    return sender.window.accept(envelope.counter) ? { ok: true } : refuse("replayed");
  }

  /** A process that is already heard keeps its session: starting it anew would forget which counters were used. */
  private sessionFor(sender: Sender, envelope: Envelope, challenge: string): string {
    return sender.boot === envelope.boot ? sender.session : challenge;
  }

  private challenge(from: NodeId, boot: string, generation: number): string {
    const text = `${from}\n${boot}\n${generation}`;
    return createHmac("sha256", this.challengeKey).update(text).digest("hex").slice(0, 32);
  }
}
