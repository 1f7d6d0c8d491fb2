import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { eventually } from "../support/eventually.js";
import { call, postJson, uniqueSource } from "./api-support.js";

const ELSEWHERE = "127.0.0.2";
const EVENTS = 90;
const BATCH = 15;
const TEXT = "x".repeat(250_000);
const PAGES = ["/api/v1/events?limit=500", "/api/event-logs?limit=1000", "/events?limit=1000"];
/** Its answers are small beside these, so that what is tried is whether they come, and not how large they are. */
const OTHER_PAGES = [
  ...["/api/v1/events?limit=3", "/api/event-logs?limit=3", "/events?limit=3"],
  ...["/api/v1/events/histogram", "/api/v1/chain", "/api/v1/blocks/3"],
  ...["/api/v1/events/0", "/api/v1/events/0/nodes", "/api/v1/alerts", "/api/v1/elections", "/api/v1/cluster"],
];
const ROUNDS = 5;
/** So long the crowd waits for a place, and then is refused. */
const PLACE_MS_MAX = 5_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startSteadyCluster();
  const { url } = (await cluster.leader()).node;
  const events = Array.from({ length: BATCH }, () => ({
    ...{ eventType: "T", sourceAppId: uniqueSource(), dataPayload: { text: TEXT } },
  }));
  for (let i = 0; i < EVENTS; i += BATCH)
    expect((await postJson(`${url}/api/v1/events:batch`, { events })).status).toBe(201);
});
afterAll(() => cluster?.stop());

/** Readers from 127.0.0.1 that are slow, stop, leave, come back, and ask for the same page 500 times. */
class Crowd {
  private readonly sockets = new Set<Socket>();
  private isOver = false;
  refused = 0;

  constructor(private readonly url: string) {
    for (let i = 0; i < 100; i++) this.comeBack(i, (socket) => socket.pause());
    for (let i = 0; i < 60; i++) this.comeBack(i, (socket) => void this.sip(socket));
    for (let i = 0; i < 40; i++) this.comeBack(i, (socket) => socket.once("data", () => socket.destroy()));
    for (let i = 0; i < 50; i++) this.comeBack(i, (socket) => socket.resume(), 10);
    for (let i = 0; i < 150; i++) this.stream((socket) => socket.pause());
    for (let i = 0; i < 50; i++) this.stream((socket) => void this.sip(socket));
  }

  leave(): void {
    this.isOver = true;
    for (const socket of this.sockets) socket.destroy();
  }

  private comeBack(i: number, read: (socket: Socket) => void, times = 1): void {
    const text = `GET ${PAGES[i % PAGES.length]} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    this.open(text.repeat(times), read, () => this.comeBack(i, read, times));
  }

  private stream(read: (socket: Socket) => void): void {
    const text = "GET /api/v1/stream?after=-1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    this.open(text, read, () => this.stream(read));
  }

  private open(text: string, read: (socket: Socket) => void, again: () => void): void {
    if (this.isOver) return;
    const socket = connect(Number(new URL(this.url).port), "127.0.0.1").on("error", () => {});
    this.sockets.add(socket);
    socket.on("data", (data: Buffer) => {
      if (data.subarray(0, 12).toString() === "HTTP/1.1 503") this.refused++;
    });
    socket.once("close", () => {
      this.sockets.delete(socket);
      setTimeout(again, 100);
    });
    socket.write(text);
    read(socket);
  }

  /** Takes a little now and then, so that it is never cut. */
  private async sip(socket: Socket): Promise<void> {
    while (!socket.destroyed) {
      socket.pause();
      await sleep(2_000);
      socket.resume();
      await once(socket, "data").catch(() => {});
    }
  }
}

interface Answered {
  readonly status: number | undefined;
  readonly body: string;
  readonly ms: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 });
afterAll(() => agent.destroy());

/** From another address than the crowd. */
function ask(url: string, { body, isEnough }: { body?: unknown; isEnough?: (text: string) => boolean } = {}) {
  return new Promise<Answered>((resolve, reject) => {
    const askedAt = performance.now();
    const method = body === undefined ? "GET" : "POST";
    const headers = isEnough === undefined ? { "Content-Type": "application/json" } : { Accept: "text/event-stream" };
    const sent = request(url, { method, headers, agent, localAddress: ELSEWHERE }, (answer: IncomingMessage) => {
      let text = "";
      const end = (): void =>
        resolve({ status: answer.statusCode, body: text, ms: Math.round(performance.now() - askedAt) });
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (isEnough?.(text) !== true) return;
        sent.destroy();
        end();
      });
      answer.on("end", end).on("error", (error) => (isEnough?.(text) === true ? end() : reject(error)));
    });
    sent.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const event = { eventType: "T", sourceAppId: uniqueSource(), dataPayload: {} };

async function roundOf(url: string): Promise<[string, number | undefined, number][]> {
  const answers: [string, number | undefined, number][] = [];
  for (const path of OTHER_PAGES) {
    const { status, ms } = await ask(url + path);
    answers.push([path, status, ms]);
  }
  const { status, ms } = await ask(`${url}/api/v1/stream?after=${EVENTS - 3}`, {
    isEnough: (text) => text.includes(`id: ${EVENTS - 1}\n`),
  });
  answers.push(["stream", status, ms]);
  const written = await ask(`${url}/api/v1/events`, { body: event });
  answers.push(["append", written.status === 201 ? 200 : written.status, written.ms]);
  return answers;
}

it.each(["leader", "follower"])(
  "an address that attacks the %s with readers of every kind keeps no other one from its answers",
  async (role) => {
    const leader = (await cluster.leader()).node;
    const node = role === "leader" ? leader : cluster.nodes.find(({ id }) => id !== leader.id);
    const url = node?.url ?? "";
    const electionsOf = async (): Promise<number> => (await call(`${url}/api/v1/elections`)).body.elections.length;
    const elections = await electionsOf();
    const crowd = new Crowd(url);
    try {
      // It has all places that one address may have, and more of it wait than may.
      await eventually(() => crowd.refused > 0, 30_000, "some of the crowd are refused");
      const answers: [string, number | undefined, number][] = [];
      for (let i = 0; i < ROUNDS; i++) {
        answers.push(...(await roundOf(url)));
        expect(answers.filter(([, status]) => status !== 200)).toEqual([]);
      }
      const times = answers.map(([, , ms]) => ms).sort((a, b) => a - b);
      // On a quiet machine it is a hundredth of that.
      expect(times[times.length >> 1]).toBeLessThan(PLACE_MS_MAX);
    } finally {
      crowd.leave();
    }
    const isFree = async (): Promise<boolean> => (await call(`${url}${PAGES[0]}`)).status === 200;
    await eventually(isFree, 30_000, "its places are free again");
    expect(await electionsOf()).toBe(elections);
  },
);
