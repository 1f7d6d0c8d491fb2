import { connect, createServer, type Server, type Socket } from "node:net";
import { promiseWithResolvers, type WriteFault, type WritePause } from "./memory-database.js";

type Fault = Exclude<WriteFault, "not_stored">;
const WRITES = new Set(["insert", "update", "delete", "findAndModify"]);
const OP_MSG = 2013;
/** Header, flags, section kind, document length, element type: then comes the command's name. */
const COMMAND_NAME_OFFSET = 26;

/** A TCP proxy before a mongod that loses a write's request or reply, or holds the request back. For tests. */
export class ReplyProxy {
  private fault: { kind: Fault; skip: number } | null = null;
  private pause: { skip: number; readonly reach: () => void; readonly resumed: Promise<void> } | null = null;
  private readonly held: { upstream: Socket; chunks: Buffer[] }[] = [];
  private readonly sockets = new Set<Socket>();
  private constructor(
    private readonly server: Server,
    private readonly target: number,
  ) {}

  static async start(target: number): Promise<ReplyProxy> {
    const server = createServer();
    const proxy = new ReplyProxy(server, target);
    server.on("connection", (client) => proxy.relay(client));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  failNextWrite(kind: Fault, skip = 0): void {
    this.fault = { kind, skip };
  }

  disarm(): boolean {
    const hasStruck = this.fault === null;
    this.fault = null;
    return hasStruck;
  }

  /** The write after the next `skip` ones waits until it is resumed; other connections go on. */
  pauseNextWrite(skip = 0): WritePause {
    const { promise: reached, resolve: reach } = promiseWithResolvers();
    const { promise: resumed, resolve: resume } = promiseWithResolvers();
    this.pause = { skip, reach, resumed };
    return { reached, resume };
  }

  /** Sends what was held, on the connection on which it came, and waits for the server's answer. */
  async deliverLate(): Promise<void> {
    for (const { upstream, chunks } of this.held.splice(0)) {
      await new Promise<void>((resolve) => {
        upstream.once("data", () => resolve());
        for (const chunk of chunks) upstream.write(chunk);
      });
      upstream.destroy();
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private relay(client: Socket): void {
    const upstream = connect(this.target, "127.0.0.1");
    const held: Buffer[] = [];
    let struck: Fault | null = null;
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.sockets.delete(socket));
    }
    client.on("data", (chunk) => {
      if (this.pause !== null && isWrite(chunk) && this.pause.skip-- <= 0) {
        const { reach, resumed } = this.pause;
        this.pause = null;
        client.pause();
        void resumed.then(() => {
          upstream.write(chunk);
          client.resume();
        });
        reach();
        return;
      }
      if (struck === null && isWrite(chunk)) struck = this.strike();
      if (struck === "late") {
        if (held.length === 0) this.held.push({ upstream, chunks: held });
        held.push(chunk);
      } else if (struck !== "request_lost") upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (struck === null) client.write(chunk);
    });
    client.on("close", () => {
      if (struck !== "late") upstream.destroy();
    });
    upstream.on("close", () => client.destroy());
  }

  private strike(): Fault | null {
    if (this.fault === null || this.fault.skip-- > 0) return null;
    const { kind } = this.fault;
    this.fault = null;
    return kind;
  }
}

function isWrite(chunk: Buffer): boolean {
  if (chunk.length <= COMMAND_NAME_OFFSET || chunk.readInt32LE(12) !== OP_MSG) return false;
  const end = chunk.indexOf(0, COMMAND_NAME_OFFSET);
  return WRITES.has(chunk.toString("latin1", COMMAND_NAME_OFFSET, end));
}
