import { Agent } from "node:http";
import axios, { type AxiosInstance, isAxiosError } from "axios";
import type { BulkEnd } from "../../cluster/types.js";
import type { NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import {
  type Envelope,
  equalSignatures,
  HEADERS,
  PEER_PROTOCOL,
  type Rejection,
  signAnswer,
  signRequest,
  writeEnvelope,
} from "./authentication.js";
import { BulkSlot } from "./bulk-slot.js";
import { decodeMessage, encodeMessage } from "./codec.js";
import * as limits from "./limits.js";
import { ExchangeError, postMessage } from "./message-post.js";
import { OutgoingQueue } from "./outgoing-queue.js";

/**
 * Why an exchange with a peer gave no answer.
 * `unreachable`: nobody listens there. `refused`: the peer does not believe us (401). `overloaded`: too many requests of
 * our own. `failed`: the connection broke, or what came back was no authentic answer.
 */
export type PeerFailure = "unreachable" | "timeout" | "aborted" | "refused" | "overloaded" | "closed" | "failed";

export class PeerError extends Error {
  constructor(
    readonly peer: NodeId,
    readonly failure: PeerFailure,
    detail: string,
    /** False only when the peer certainly did not get the request: then a write in it is certainly not written. */
    readonly mayHaveArrived: boolean,
  ) {
    super(`${peer}: ${detail}`);
    this.name = "PeerError";
  }
}

export interface PeerClientOptions {
  readonly selfId: NodeId;
  readonly peerId: NodeId;
  readonly address: string;
  readonly secret: string;
  readonly bootNonce: string;
  readonly clusterId: () => string;
  readonly controlTimeoutMs: number;
  /** A message with blocks takes as long as it takes, and has failed after so long without progress. */
  readonly bulkIdleMs: number;
  readonly onBulkProgress: (round: number) => void;
  readonly onBulkOver: (round: number, end: BulkEnd) => void;
  readonly onMessage: (message: PeerMessage) => void;
  readonly onUnreachable: () => void;
  readonly onRejected: (reason: Rejection, theirs?: string) => void;
}

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly requestId?: string;
  readonly signal?: AbortSignal;
  /** Never again, also where the connection turns out to be closed: what it asks for must not be done twice. */
  readonly isSentOnce?: boolean;
  /** It comes about as often as blocks do, and takes the short way of messages. */
  readonly isFrequent?: boolean;
}

interface Exchange extends Omit<RequestOptions, "timeoutMs"> {
  /** Without it only the signal ends the exchange. */
  readonly timeoutMs?: number;
  readonly onProgress?: () => void;
  readonly path: string;
  readonly body: Buffer;
  readonly agent: Agent;
}
interface PeerAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** What a peer answers to a JSON request. */
export interface PeerResult {
  readonly status: number;
  readonly body: unknown;
}

type SingleAnswer = PeerAnswer & { readonly session: string; readonly protocol: string };

const NOBODY_THERE = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"]);
const CONNECTION_LOST = new Set(["ECONNRESET", "EPIPE"]);

/** Everything that this node sends to one peer. */
export class PeerClient {
  /** For JSON requests; messages of the core, and requests that come as often, take the short way. */
  private readonly http: AxiosInstance;
  private readonly url: URL;
  // Three sets of sockets: a vote never waits behind a block, nor either of them behind a forwarded write.
  private readonly agents = {
    control: keepAliveAgent(limits.CONTROL_IN_FLIGHT_MAX),
    bulk: keepAliveAgent(limits.BULK_SOCKETS_MAX),
    requests: keepAliveAgent(limits.REQUEST_SOCKETS_MAX),
  };
  private readonly control: OutgoingQueue;
  private readonly bulk: BulkSlot<PeerMessage>;
  private readonly running = new Map<AbortController, Promise<unknown>>();
  private requests = 0;
  private counter = 0;
  /** The peer's challenge to this process; empty until it gave one. */
  private session = "";
  private isClosed = false;

  constructor(private readonly options: PeerClientOptions) {
    this.url = new URL(options.address);
    this.http = axios.create({
      baseURL: options.address,
      adapter: "http",
      proxy: false,
      maxRedirects: 0,
      maxContentLength: limits.BODY_BYTES_MAX,
      maxBodyLength: limits.BODY_BYTES_MAX,
      responseType: "arraybuffer",
      decompress: false,
      transformRequest: [(data: unknown) => data],
      validateStatus: () => true,
    });
    const { controlTimeoutMs } = options;
    this.control = new OutgoingQueue({
      inFlightMax: limits.CONTROL_IN_FLIGHT_MAX,
      queueMax: limits.CONTROL_QUEUE_MAX,
      waitMsMax: controlTimeoutMs,
      transmit: async (body) => {
        await this.transmit({ body, agent: this.agents.control, timeoutMs: controlTimeoutMs });
      },
    });
    this.bulk = new BulkSlot({
      idleMs: options.bulkIdleMs,
      transmit: (message, signal, onProgress) =>
        this.transmit({ body: encodeMessage(message), agent: this.agents.bulk, signal, onProgress }),
      onProgress: ({ body }) => body.kind === "append" && options.onBulkProgress(body.round),
      onEnd: ({ body }, end) => body.kind === "append" && options.onBulkOver(body.round, end),
    });
  }

  post(message: PeerMessage): void {
    if (this.isClosed) return;
    const isHeartbeat = message.body.kind === "append" && message.blocks.length === 0;
    // Encoded here, so that a message over its limits is a bug of the caller, not a silent loss.
    if (message.blocks.length === 0) this.control.push({ isHeartbeat, body: encodeMessage(message) });
    else this.bulk.send(message);
  }

  /** An authenticated JSON request; throws PeerError when there is no authentic answer. */
  async request(path: string, body: unknown, options: RequestOptions): Promise<PeerResult> {
    if (this.isClosed) throw this.error("closed", "the transport is closed", false);
    if (this.requests >= limits.REQUESTS_IN_FLIGHT_MAX)
      throw this.error("overloaded", `${this.requests} requests are waiting`, false);
    const bytes = Buffer.from(JSON.stringify(body ?? null));
    if (bytes.length > limits.BODY_BYTES_MAX) throw this.error("failed", "the request is too large", false);
    this.requests++;
    try {
      const answer = await this.exchange({
        path: `${limits.PEER_PATH}/${path}`,
        body: bytes,
        agent: this.agents.requests,
        ...options,
      });
      // Not signed, so it is no proof that the peer did nothing.
      if (answer.status === 401) throw this.error("refused", "the peer does not accept our messages", true);
      return { status: answer.status, body: this.parseJson(answer.body) };
    } finally {
      this.requests--;
    }
  }

  /** Breaks what is in flight, and resolves when nothing is left. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.control.clear();
    this.bulk.clear();
    for (const controller of this.running.keys()) controller.abort("closed");
    await Promise.allSettled(this.running.values());
    for (const agent of Object.values(this.agents)) agent.destroy();
  }

  private async transmit(exchange: Omit<Exchange, "path">): Promise<BulkEnd> {
    try {
      const answer = await this.exchange({ path: limits.MESSAGES_PATH, ...exchange });
      if (answer.status === 200) this.deliver(answer.body);
      return answer.status === 200 || answer.status === 204 ? "delivered" : "failed";
    } catch (error) {
      // A message may be lost: the core asks again. Only what it can use is passed on.
      if (!(error instanceof PeerError)) throw error;
      if (error.failure !== "unreachable") return "failed";
      this.options.onUnreachable();
      return "unreachable";
    }
  }

  private deliver(body: Buffer): void {
    const message = this.decode(body);
    if (message === null) this.options.onRejected("bad_message");
    else this.options.onMessage(message);
  }

  private decode(body: Buffer): PeerMessage | null {
    try {
      const message = decodeMessage(body);
      return message.from === this.options.peerId && message.to === this.options.selfId ? message : null;
    } catch {
      return null;
    }
  }

  /** One request and its answer: at most one repetition for a new session, and one for a stale keep-alive socket. */
  private async exchange(exchange: Exchange): Promise<PeerAnswer> {
    const controller = new AbortController();
    const { timeoutMs } = exchange;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => controller.abort("timeout"), timeoutMs);
    const onAbort = (): void => controller.abort("aborted");
    if (exchange.signal?.aborted) onAbort();
    exchange.signal?.addEventListener("abort", onAbort, { once: true });
    const work = this.attempts(exchange, controller.signal);
    this.running.set(controller, work);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
      exchange.signal?.removeEventListener("abort", onAbort);
      this.running.delete(controller);
    }
  }

  private async attempts(exchange: Exchange, signal: AbortSignal): Promise<PeerAnswer> {
    let mayHaveArrived = false;
    let isSocketRetryLeft = exchange.isSentOnce !== true;
    let isSessionRetryLeft = true;
    for (;;) {
      const answer = await this.attempt(exchange, signal).catch((error: unknown) => this.classify(error, signal));
      if ("failure" in answer) {
        if (answer.failure === "stale_socket" && isSocketRetryLeft) {
          // The peer may have read the request before it closed: a repetition has a new counter and must be idempotent.
          mayHaveArrived = true;
          isSocketRetryLeft = false;
          continue;
        }
        const failure = answer.failure === "stale_socket" ? "failed" : answer.failure;
        throw this.error(failure, answer.detail, mayHaveArrived || failure !== "unreachable");
      }
      if (answer.status === 401 && answer.session !== "" && isSessionRetryLeft) {
        this.session = answer.session;
        isSessionRetryLeft = false;
        continue;
      }
      if (answer.status === 401 && answer.protocol !== PEER_PROTOCOL)
        this.options.onRejected("other_version", answer.protocol);
      else if (answer.status === 401) this.options.onRejected("refused_by_peer");
      return answer;
    }
  }

  private async attempt(exchange: Exchange, signal: AbortSignal): Promise<SingleAnswer> {
    const { selfId, peerId, secret, bootNonce, clusterId } = this.options;
    const envelope: Envelope = {
      protocol: PEER_PROTOCOL,
      from: selfId,
      to: peerId,
      cluster: clusterId(),
      boot: bootNonce,
      session: this.session,
      counter: ++this.counter,
      requestId: exchange.requestId ?? "",
    };
    const signature = signRequest(secret, { method: "POST", path: exchange.path }, envelope, exchange.body);
    const headers = { "content-type": "application/octet-stream", ...writeEnvelope({ signature, ...envelope }) };
    const { path, body, agent } = exchange;
    if (path === limits.MESSAGES_PATH || exchange.isFrequent === true) {
      const { url } = this;
      const onProgress = exchange.onProgress ?? ((): void => {});
      const post = { url, path, headers, body, agent, signal, onProgress, answerBytesMax: limits.BODY_BYTES_MAX };
      return this.checkAnswer(await postMessage(post), signature);
    }
    const response = await this.http.post<Buffer>(path, body, {
      headers: { ...headers, "accept-encoding": "identity" },
      httpAgent: agent,
      signal,
    });
    const { status, data } = response;
    const received = Buffer.isBuffer(data) ? data : Buffer.from(data ?? "");
    return this.checkAnswer({ status, headers: response.headers, body: received }, signature);
  }

  /** Nothing of an answer is used before its HMAC was checked; an unsigned 401 says only that we are not believed. */
  private checkAnswer(
    { status, headers, body }: { status: number; headers: NodeJS.Dict<unknown>; body: Buffer },
    requestSignature: string,
  ): SingleAnswer {
    const session = String(headers[HEADERS.session] ?? "");
    // Not signed: it only words a warning.
    const protocol = String(headers[HEADERS.protocol] ?? "1").slice(0, 16);
    const expected = signAnswer(this.options.secret, requestSignature, { status, session, body });
    if (equalSignatures(expected, String(headers[HEADERS.signature] ?? ""))) return { status, body, session, protocol };
    if (status === 401) return { status, body: Buffer.alloc(0), session: "", protocol };
    this.options.onRejected("bad_answer");
    throw this.error("failed", `an answer (${status}) without a valid signature`, true);
  }

  private classify(error: unknown, signal: AbortSignal): { failure: PeerFailure | "stale_socket"; detail: string } {
    if (error instanceof PeerError) return { failure: error.failure, detail: error.message };
    if (signal.aborted) {
      const reason = signal.reason as "timeout" | "aborted" | "closed";
      return { failure: reason, detail: reason === "timeout" ? "no answer in time" : `the request was ${reason}` };
    }
    const { code, syscall, isReused } = failureOf(error);
    // Only a connection that was never made proves that nothing arrived.
    const isConnecting = syscall === undefined || syscall === "connect" || syscall === "getaddrinfo";
    if (NOBODY_THERE.has(code) && isConnecting) return { failure: "unreachable", detail: code };
    return { failure: isReused && CONNECTION_LOST.has(code) ? "stale_socket" : "failed", detail: code };
  }

  private parseJson(body: Buffer): unknown {
    try {
      return body.length === 0 ? null : (JSON.parse(body.toString("utf8")) as unknown);
    } catch {
      throw this.error("failed", "the answer is not JSON", true);
    }
  }

  private error(failure: PeerFailure, detail: string, mayHaveArrived: boolean): PeerError {
    return new PeerError(this.options.peerId, failure, detail, mayHaveArrived);
  }
}

function keepAliveAgent(maxSockets: number): Agent {
  return new Agent({ keepAlive: true, maxSockets, maxFreeSockets: maxSockets, timeout: limits.FREE_SOCKET_MS });
}

/** What became of an exchange, whichever client made it. Anything else is a bug, and thrown on. */
function failureOf(error: unknown): { code: string; syscall: string | undefined; isReused: boolean } {
  if (error instanceof ExchangeError) return error;
  if (!isAxiosError(error)) throw error;
  const { syscall } = (error.cause ?? {}) as NodeJS.ErrnoException;
  const isReused = (error.request as { reusedSocket?: boolean } | undefined)?.reusedSocket === true;
  return { code: error.code || error.message, syscall, isReused };
}
