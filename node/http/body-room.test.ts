import { afterEach, expect, it } from "vitest";
import { type Door, EVENT, openDoor, post, type RawSocket } from "../../test/doubles/door.js";

const MAX = 1_000;
const LARGE = JSON.stringify({ eventType: "T", sourceAppId: "S", dataPayload: { text: "x".repeat(800) } });
const head = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${body}`;

let door: Door;
afterEach(() => door.close());

/** Has sent 900 of 901 bytes of a body, and sends no more. */
const slow = (path = "/api/v1/events", from?: string) =>
  door.open(from).send(head(path, `Content-Length: 901\r\n\r\n${" ".repeat(900)}`));

const answered = (client: RawSocket, count = 1) => expect.poll(() => client.statuses.length).toBe(count);
const used = (bytes: number) => expect.poll(() => door.bodies.bytes).toBe(bytes);

for (const path of ["/api/v1/events", "/api/event-logs", "/api/v1/events:batch", "/api/v1/cluster/step-down"])
  it(`${path}: what does not fit beside the bodies under way is refused and not written, until there is room again`, async () => {
    door = await openDoor({ bodyBytesMax: MAX });
    const sender = slow(path);
    await used(900);

    for (const other of ["/api/v1/events", "/api/event-logs"]) {
      const refused = door.open().send(post(LARGE, "", other) + post(EVENT, "", other));
      await answered(refused, 2);
      // The connection goes on: what came behind the refused body has its own answer.
      expect(refused.statuses).toEqual([503, 201]);
      expect(refused.answer).toMatch(/Retry-After: 1\r\n/);
      expect(refused.answer).toMatch(/"code":"overloaded"/);
      expect(refused.answer).toMatch(/Nothing of this one was kept or written/);
    }
    expect(door.log.stored).toHaveLength(2);
    const chunked = head(
      "/api/v1/events",
      `Transfer-Encoding: chunked\r\n\r\n${LARGE.length.toString(16)}\r\n${LARGE}`,
    );
    const refused = door.open().send(`${chunked}\r\n0\r\n\r\n`);
    await answered(refused);
    expect(refused.statuses).toEqual([503]);

    sender.socket.destroy();
    await used(0);
    const taken = door.open().send(post(LARGE));
    await answered(taken);
    expect(taken.statuses).toEqual([201]);
    await used(0);
  });

it("one address never takes all room: the only body of another one fits", async () => {
  door = await openDoor({ bodyBytesMax: MAX });
  slow();
  await used(900);
  slow("/api/v1/events", "127.0.0.2");
  await used(1_800);
  for (const [from, status] of [
    ["127.0.0.1", 503],
    ["127.0.0.2", 503],
    ["127.0.0.3", 201],
  ] as const) {
    const client = door.open(from).send(post(LARGE));
    await answered(client);
    expect([from, client.statuses]).toEqual([from, [status]]);
  }
});

it("a body keeps its room until its write is answered", async () => {
  door = await openDoor({ bodyBytesMax: MAX });
  const append = door.log.append.bind(door.log);
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  door.log.append = (write) => held.then(() => append(write));
  const first = door.open().send(post(LARGE));
  await used(LARGE.length);
  const second = door.open().send(post(LARGE));
  await answered(second);
  expect([first.statuses, second.statuses]).toEqual([[], [503]]);
  goOn();
  await answered(first);
  await used(0);
  expect(first.statuses).toEqual([201]);
});

it("a body that is too large for its route gives its room back at once", async () => {
  door = await openDoor({ bodyBytesMax: 2 ** 30 });
  const sender = door.open().send(head("/api/v1/cluster/step-down", "Transfer-Encoding: chunked\r\n\r\n"));
  sender.send(`5000\r\n${" ".repeat(0x5000)}\r\n`);
  await answered(sender);
  expect(sender.statuses).toEqual([413]);
  await used(0);
});

it("a sender who never comes to the end gives its room back when its time is over", async () => {
  door = await openDoor({ bodyBytesMax: MAX });
  Object.assign(door.server, { headersTimeout: 500, requestTimeout: 500 });
  const sender = slow();
  await used(900);
  await expect.poll(() => sender.hasEnded).toBe(true);
  await used(0);
  expect(sender.statuses).toEqual([408]);
});

for (const path of ["/api/v1/events", "/api/event-logs", "/api/v1/events:batch"])
  it(`${path}: what comes after a body's time is over is not written, as its sender was told, and takes no room`, async () => {
    door = await openDoor({ bodyBytesMax: 4 * MAX });
    Object.assign(door.server, { headersTimeout: 500, requestTimeout: 500 });
    const body = path.endsWith("batch") ? `{"events":[${LARGE}]}` : LARGE;
    const late = [post(body, "", path).slice(0, -1), head(path, `Content-Length: 3000\r\n\r\n${" ".repeat(900)}`)];
    const senders = late.map((text) => door.open().send(text));
    for (const sender of senders) await answered(sender);
    senders[0]?.socket.end("}");
    senders[1]?.socket.end(" ".repeat(900));
    await expect.poll(() => senders.map(({ socket }) => socket.closed), { timeout: 60_000 }).toEqual([true, true]);
    await used(0);
    expect(senders.map(({ statuses }) => statuses)).toEqual([[408], [408]]);
    expect(door.log.stored).toEqual([]);
  });
