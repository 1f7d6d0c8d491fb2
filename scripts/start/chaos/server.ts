import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { chaosRequestSchema } from "../../../shared/protocol/chaos.js";
import { messageOf } from "../../lib/project.js";
import { ChaosConflict, type ChaosDesk } from "./desk.js";

const BODY_BYTES_MAX = 4 * 1024;

/** Takes requests for faults on a port of its own, from nodes of this start only: they have its token. */
export class ChaosServer {
  private constructor(
    private readonly server: Server,
    private readonly token: string,
  ) {}

  static async open(desk: Pick<ChaosDesk, "state" | "strike">): Promise<ChaosServer> {
    const token = randomBytes(32).toString("hex");
    const server = createServer((req, res) => {
      answer(req, desk, token).then(
        ({ status, body }) => send(res, status, body),
        (error: unknown) => send(res, 500, { detail: messageOf(error) }),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new ChaosServer(server, token);
  }

  /** For nodes: the token is in it. */
  get url(): string {
    return `http://${this.token}@127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function answer(req: IncomingMessage, desk: Pick<ChaosDesk, "state" | "strike">, token: string): Promise<Answer> {
  if (!isKnown(req.headers.authorization ?? "", token))
    return { status: 401, body: { detail: "The token is another." } };
  if (req.method === "GET") return { status: 200, body: desk.state() };
  if (req.method !== "POST") return { status: 405, body: { detail: "GET and POST only." } };
  const request = chaosRequestSchema.safeParse(jsonOf(await bodyOf(req)));
  if (!request.success) return { status: 422, body: { detail: request.error.message } };
  try {
    return { status: 200, body: await desk.strike(request.data) };
  } catch (error) {
    if (error instanceof ChaosConflict) return { status: 409, body: { detail: error.message } };
    throw error;
  }
}

function isKnown(given: string, token: string): boolean {
  const [theirs, ours] = [Buffer.from(given), Buffer.from(`Bearer ${token}`)];
  return theirs.length === ours.length && timingSafeEqual(theirs, ours);
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return "";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function send(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  res.end(JSON.stringify(body));
}
