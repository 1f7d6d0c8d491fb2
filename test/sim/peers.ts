import { PeerError, type PeerFailure, type PeerResult, type RequestOptions } from "../../node/peers/peer-client.js";
import type { PeerHandler } from "../../node/peers/peer-server.js";
import type { ClusterPort } from "../../node/service/served-replica.js";
import type { NodeId } from "../../shared/ids.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { SimProcess } from "./process.js";

/** A question of one process to another node, and how it can end; none of these need be called. */
export interface Exchange {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly path: string;
  readonly question: unknown;
  /** Not again over another connection. */
  readonly isSentOnce: boolean;
  /** Tells the one who answers that the connection is closed. */
  readonly closed: AbortController;
  /** Nobody waits for the answer any more. */
  readonly isOver: () => boolean;
  readonly onAnswer: (answer: PeerResult) => void;
  /** Nobody listens there. */
  readonly onRefused: () => void;
  /** The connection was closed, and perhaps the question had arrived. */
  readonly onBroken: () => void;
}

/** What one process has of the network, as `PeerTransport` gives it. */
export class SimPeers implements ClusterPort {
  /** Its own questions, and those of others that it is answering: their connections close when this process ends. */
  readonly asking = new Set<Exchange>();
  readonly answering = new Set<Exchange>();
  private readonly handlers = new Map<string, PeerHandler>();

  constructor(private readonly process: SimProcess) {}

  send(message: PeerMessage, ref?: number): void {
    this.process.send(message, ref);
  }
  setClusterId(): void {}

  handle(path: string, handler: PeerHandler): void {
    this.handlers.set(path, handler);
  }

  async answer({ path, from, closed }: Exchange, question: unknown): Promise<PeerResult> {
    const handler = this.handlers.get(path);
    if (handler === undefined) throw new Error(`nobody handles ${path}`);
    return handler(question, { from, requestId: "simulated", signal: closed.signal });
  }

  request(to: NodeId, path: string, question: unknown, options: RequestOptions): Promise<PeerResult> {
    const { process } = this;
    const { around } = process.node;
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (settle: () => void): void => {
        if (isOver) return;
        isOver = true;
        this.asking.delete(exchange);
        options.signal?.removeEventListener("abort", onAbort);
        cancel();
        settle();
      };
      const fail = (failure: PeerFailure, mayHaveArrived: boolean): void =>
        end(() => reject(new PeerError(to, failure, `${path}: ${failure}`, mayHaveArrived)));
      const giveUp = (failure: PeerFailure): void => {
        if (!isOver) around.close(exchange);
        fail(failure, true);
      };
      const cancel = process.after(options.timeoutMs, () => giveUp("timeout"));
      const onAbort = (): void => giveUp("aborted");
      options.signal?.addEventListener("abort", onAbort);
      const exchange: Exchange = {
        ...{ from: process.node.id, to, path, question, closed: new AbortController() },
        isSentOnce: options.isSentOnce === true,
        isOver: () => isOver || !process.isAlive,
        onAnswer: (answer) => process.run(() => end(() => resolve(answer))),
        onRefused: () => process.run(() => fail("unreachable", false)),
        onBroken: () => process.run(() => fail("failed", true)),
      };
      this.asking.add(exchange);
      around.exchange(exchange);
    });
  }
}
