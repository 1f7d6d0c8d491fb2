import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Door, get, openDoor, post, SSE, WEB_SOCKET } from "../../test/doubles/door.js";
import { alive, closeAll, closers, listen, RawPeer } from "../../test/doubles/peer-nodes.js";

const LIMITS = { clientsMax: 10, reservedMax: 5, reservedMs: 300 };

describe("a node whose places for clients are all taken", () => {
  let door: Door;
  beforeEach(async () => {
    door = await openDoor({ places: LIMITS });
  });
  afterEach(() => door.close());
  const fill = async (): Promise<void> => {
    const clients = Array.from({ length: LIMITS.clientsMax }, () => door.open().send(get("/livez")));
    await expect.poll(() => clients.every(({ statuses }) => statuses.length === 1)).toBe(true);
  };

  it("tells a further client so, and writes nothing", async () => {
    await fill();
    for (const text of [post(), get("/api/v1/events"), get("/api/v1/stream", SSE)]) {
      const client = door.open().send(text);
      await expect.poll(() => client.hasEnded).toBe(true);
      expect(client.statuses).toEqual([503]);
      expect(client.problem).toMatchObject({ code: "too_many_connections", retryable: true });
      expect(client.answer).toMatch(/Retry-After: \d/);
    }
    expect(door.log.stored).toEqual([]);
  });

  it("has places left for an address that has few, and so few for each", async () => {
    await fill();
    const others = Array.from({ length: 8 }, () => door.open("127.0.0.2").send(post()));
    await expect.poll(() => others.every(({ statuses }) => statuses.length === 1)).toBe(true);
    expect(others.map(({ statuses }) => statuses[0])).toEqual(others.map(() => 201));
    const next = door.open("127.0.0.2").send(post());
    await expect.poll(() => next.hasEnded).toBe(true);
    expect(next.statuses).toEqual([503]);
    others[0]?.socket.destroy();
    const again = (): boolean => others[0]?.hasEnded === true;
    await expect.poll(again).toBe(true);
    const later = async (): Promise<number | undefined> => {
      const client = door.open("127.0.0.2").send(post());
      await expect.poll(() => client.statuses.length).toBe(1);
      return client.statuses[0];
    };
    await expect.poll(later).toBe(201);
  });

  it("answers probes, on a connection that ends with the answer", async () => {
    await fill();
    for (const path of ["/livez", "/readyz", "/readyz?role=leader"]) {
      const probe = door.open().send(get(path));
      await expect.poll(() => probe.hasEnded).toBe(true);
      expect(probe.statuses).toEqual([200]);
    }
  });

  it("gives no WebSocket, and no upgrade to anything else", async () => {
    await fill();
    for (const text of [get("/", WEB_SOCKET), post(undefined, "Connection: Upgrade\r\nUpgrade: h2c\r\n")]) {
      const client = door.open().send(text);
      await expect.poll(() => client.hasEnded).toBe(true);
      expect(client.statuses).toEqual([503]);
    }
    expect(door.log.stored).toEqual([]);
  });

  it("waits only a moment for one that says nothing, and has places again when clients leave", async () => {
    await fill();
    const silent = door.open();
    await expect.poll(() => silent.hasEnded).toBe(true);
    expect(silent.statuses).toEqual([]);
    await door.close();
    door = await openDoor({ places: LIMITS });
    const first = door.open().send(get("/livez"));
    await expect.poll(() => first.statuses).toEqual([200]);
    await Promise.all(Array.from({ length: LIMITS.clientsMax - 1 }, () => door.open().send(get("/livez"))));
    await sleep(50);
    const late = door.open();
    await sleep(50);
    first.socket.destroy();
    await sleep(50);
    late.send(post());
    await expect.poll(() => late.statuses).toEqual([201]);
    await sleep(LIMITS.reservedMs + 100);
    late.send(get("/api/v1/events/0"));
    await expect.poll(() => late.statuses).toEqual([201, 200]);
  });
});

describe("peers of a node whose places for clients are all taken", () => {
  afterEach(closeAll);

  async function crowded() {
    const [n1, n2] = [await listen("n1"), await listen("n2", { places: LIMITS })];
    const sockets: Socket[] = [];
    let taken = 0;
    const count = (): unknown => taken++;
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    const crowd = async (clients: number): Promise<void> => {
      n2.server.on("connection", count);
      const all = taken + clients;
      for (let i = 0; i < clients; i++) sockets.push(connect(n2.port, "127.0.0.1").on("error", () => {}));
      // Connected is what the system says; the server takes them later.
      await expect.poll(() => taken).toBeGreaterThanOrEqual(all);
      n2.server.off("connection", count);
    };
    return { n1, n2, crowd, sockets };
  }

  it("are heard, and keep their connections", async () => {
    const { n1, n2, crowd } = await crowded();
    await crowd(LIMITS.clientsMax);
    n1.boot({ n1: n1.address, n2: n2.address });
    n2.boot({ n1: n1.address, n2: n2.address });
    const connected: string[] = [];
    n2.server.on("connection", ({ remotePort }: Socket) => connected.push(String(remotePort)));
    for (let i = 0; i < 3; i++) {
      n1.transport.send(alive("n1", "n2"));
      const { ref } = await n2.inbox.next();
      n2.transport.send(alive("n2", "n1"), ref);
      await n1.inbox.next();
      await sleep(LIMITS.reservedMs);
    }
    // The session is learned on the first, and both go on.
    expect(connected.length).toBeLessThanOrEqual(2);
    expect(n1.unreachable.all).toEqual([]);
    expect(n2.gone.all).toEqual([]);
  });

  it("are heard while more and more clients come that say nothing", async () => {
    const { n1, n2, crowd } = await crowded();
    await crowd(LIMITS.clientsMax);
    n1.boot({ n1: n1.address, n2: n2.address });
    n2.boot({ n1: n1.address, n2: n2.address });
    const coming = setInterval(() => void crowd(1).catch(() => {}), 10);
    closers.push(() => clearInterval(coming));
    n1.transport.send(alive("n1", "n2"));
    expect((await n2.inbox.next()).message).toEqual(alive("n1", "n2"));
  });

  it("are not believed for their path alone", async () => {
    const { n1, n2, crowd } = await crowded();
    await crowd(LIMITS.clientsMax);
    n1.boot({ n1: n1.address, n2: n2.address });
    n2.boot({ n1: n1.address, n2: n2.address });
    const stranger = new RawPeer(n2, "another secret than that of the cluster");
    expect((await stranger.post()).status).toBe(401);
    const socket = connect(n2.port, "127.0.0.1").on("error", () => {});
    closers.push(() => socket.destroy());
    socket.write("POST /peer/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    socket.resume();
    await expect.poll(() => socket.closed).toBe(true);
  });
});
