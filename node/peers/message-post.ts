import { type Agent, type OutgoingHttpHeaders, request } from "node:http";
import { readBody } from "../host/read-body.js";

/** An exchange that gave no whole answer. `code`, `syscall`: Node's own; `isReused`: the socket had served before. */
export class ExchangeError extends Error {
  constructor(
    readonly code: string,
    readonly syscall: string | undefined,
    readonly isReused: boolean,
  ) {
    super(code);
    this.name = "ExchangeError";
  }
}

export interface MessagePost {
  readonly url: URL;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
  readonly agent: Agent;
  /** Aborted, the connection is reset, so that what was written to it and has not left takes no room on the link. */
  readonly signal: AbortSignal;
  /** The peer says that it has more of the body. */
  readonly onProgress: () => void;
  /** A longer answer is an ExchangeError `too_large`. */
  readonly answerBytesMax: number;
}

/**
 * One POST, and nothing that a message does not need: each block is two of them, with forwarded writes four, and a general
 * client takes several times as long. Rejects with ExchangeError.
 */
export function postMessage(
  post: MessagePost,
): Promise<{ status: number; headers: NodeJS.Dict<unknown>; body: Buffer }> {
  const { url, path, agent, signal, body } = post;
  return new Promise((resolve, reject) => {
    const sent = request({
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port || 80,
      method: "POST",
      path,
      agent,
      headers: { "content-length": body.length, ...post.headers },
    });
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(new ExchangeError(error.code ?? error.message, error.syscall, sent.reusedSocket));
    sent.on("error", fail);
    const abort = (): void => {
      const { socket } = sent;
      socket?.resetAndDestroy();
      sent.destroy(new Error("aborted"));
      // One that waits for a socket would say so only when it has one.
      if (socket === null) fail(new Error("aborted"));
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    sent.once("close", () => signal.removeEventListener("abort", abort));
    sent.on("information", post.onProgress);
    sent.once("response", (answer) => {
      readBody(answer, post.answerBytesMax, (read) => {
        if (read.ok) resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: read.body });
        else if (read.reason === "broken") fail(read.error);
        else sent.destroy(new Error(read.reason));
      });
    });
    sent.end(body);
  });
}
