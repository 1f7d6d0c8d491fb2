import { createConnection, type Socket } from "node:net";
import { benchEvent } from "./events.js";
import type { Opened } from "./http.js";
import type { LoadSpec, LoadTarget } from "./spec.js";

const ANSWER_WITHIN_MS = 30_000;
const CRLF = Buffer.from("\r\n");

/** Published to JetStream: each client has a connection, and waits for the stream's acknowledgement. */
export async function openNats(target: LoadTarget & { kind: "nats" }, { work, clients }: LoadSpec): Promise<Opened> {
  if (work.kind !== "append" || work.batch > 1) throw new Error("NATS is measured for single appends only.");
  const { ports, subject } = target;
  const connections = await Promise.all(
    Array.from({ length: clients }, (_, index) => NatsConnection.open(ports[index % ports.length] as number)),
  );
  const idle = [...connections];
  return {
    operation: async (n) => {
      // A closed loop has no more operations under way than clients.
      const connection = idle.pop() as NatsConnection;
      try {
        const answer = await connection.request(subject, JSON.stringify(benchEvent(n, work)));
        const { error } = JSON.parse(answer) as { error?: { description: string } };
        if (error !== undefined) throw new Error(error.description);
        return { events: 1 };
      } finally {
        idle.push(connection);
      }
    },
    close: async () => {
      for (const connection of connections) connection.close();
    },
  };
}

/** As much of the protocol as a request and its answer need: INFO, CONNECT, PING, SUB, PUB, MSG. */
export class NatsConnection {
  readonly #inbox = `_INBOX.${Math.random().toString(36).slice(2)}`;
  #unread: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (answer: string) => void; reject: (error: Error) => void } | undefined;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("close", () => this.#waiting?.reject(new Error("the connection was closed")));
    // Without `no_responders` a subject that no stream takes would be waited for in vain.
    socket.write(`CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB ${this.#inbox} 1\r\n`);
  }

  static open(port: number): Promise<NatsConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(port, "127.0.0.1", () => resolve(new NatsConnection(socket)));
      socket.once("error", reject);
    });
  }

  async request(subject: string, body: string): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        timer = setTimeout(() => reject(new Error("no answer")), ANSWER_WITHIN_MS);
        this.socket.write(`PUB ${subject} ${this.#inbox} ${Buffer.byteLength(body)}\r\n${body}\r\n`);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    for (;;) {
      const lineEnd = this.#unread.indexOf(CRLF);
      if (lineEnd < 0) return;
      const words = this.#unread.subarray(0, lineEnd).toString().split(" ");
      const bodyAt = lineEnd + CRLF.length;
      const isMessage = words[0] === "MSG" || words[0] === "HMSG";
      const end = isMessage ? bodyAt + Number(words.at(-1)) + CRLF.length : bodyAt;
      if (this.#unread.length < end) return;
      const body = this.#unread.subarray(bodyAt, end - CRLF.length).toString();
      this.#unread = this.#unread.subarray(end);
      if (words[0] === "PING") this.socket.write("PONG\r\n");
      else if (words[0] === "MSG") this.#waiting?.resolve(body);
      else if (words[0] === "HMSG") this.#waiting?.reject(new Error(body.trim()));
      else if (words[0] === "-ERR") this.#waiting?.reject(new Error(words.join(" ")));
    }
  }
}
