import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Link } from "../../scripts/proxy/link.js";
import { OPEN_WAY } from "../../scripts/proxy/pipe.js";
import { alive, append, closeAll, closers, largeBlock, pair } from "../../test/doubles/peer-nodes.js";

afterEach(closeAll);

const IDLE_MS = 400;
const MIB = 1024 * 1024;

/** n1 speaks to n2 over a link that can be worsened. */
async function linked(bulkIdleMs = IDLE_MS) {
  const { n1, n2 } = await pair({ holdMs: 100, bulkIdleMs });
  const link = await Link.open("http", () => n2.port);
  closers.push(() => link.close());
  await n1.transport.close();
  n1.boot({ n1: n1.address, n2: `http://127.0.0.1:${link.port}` }, { holdMs: 100, bulkIdleMs });
  // The first request learns the session.
  n1.transport.send(alive("n1", "n2"));
  await n2.inbox.next();
  return { n1, n2, link };
}

describe("the one message with blocks that is on its way to a peer", () => {
  it("is over when it is answered, or the peer says that it has it", async () => {
    // A machine that does much else may hold it for longer than it says.
    const { n1, n2 } = await linked(60_000);
    n1.transport.send(append(1, [largeBlock()]));
    const { ref } = await n2.inbox.next();
    n2.transport.send(alive("n2", "n1"), ref);
    expect(await n1.ends.next()).toBe("n2 1 delivered");
    n1.transport.send(append(2, [largeBlock()]));
    await n2.inbox.next();
    // Held for a while, then answered without an answer of the core.
    expect(await n1.ends.next()).toBe("n2 2 delivered");
  });

  it("takes as long as a narrow link needs, and says that it makes progress", async () => {
    const { n1, n2, link } = await linked();
    link.worsen({ there: { ...OPEN_WAY, bytesPerSecond: 1.5 * MIB } });
    const start = performance.now();
    n1.transport.send(append(7, [largeBlock()]));
    expect((await n2.inbox.next()).message.body).toMatchObject({ round: 7 });
    expect(await n1.ends.next()).toBe("n2 7 delivered");
    expect(performance.now() - start).toBeGreaterThan(3 * IDLE_MS);
    expect(n1.progress.length).toBeGreaterThan(5);
    expect(new Set(n1.progress)).toEqual(new Set(["n2 7"]));
  });

  it("has failed when nothing more of it arrives", async () => {
    const { n1, n2, link } = await linked();
    const mend = link.worsen({ there: { ...OPEN_WAY, flow: "drop" } });
    const start = performance.now();
    n1.transport.send(append(3, [largeBlock()]));
    expect(await n1.ends.next()).toBe("n2 3 failed");
    expect(performance.now() - start).toBeLessThan(100 * IDLE_MS);
    mend();
    n1.transport.send(append(4, [largeBlock()]));
    expect((await n2.inbox.next()).message.body).toMatchObject({ round: 4 });
  });

  it("gives way to a newer one, and takes no more of the link", async () => {
    const { n1, n2, link } = await linked();
    link.worsen({ there: { ...OPEN_WAY, bytesPerSecond: 0.5 * MIB } });
    const start = performance.now();
    n1.transport.send(append(5, [largeBlock()]));
    await sleep(300);
    n1.transport.send(append(6, [largeBlock()]));
    expect((await n2.inbox.next()).message.body).toMatchObject({ round: 6 });
    expect(await n1.ends.next()).toBe("n2 6 delivered");
    // Two of them one after the other would take twelve seconds.
    expect(performance.now() - start).toBeLessThan(11_000);
    expect(n1.ends.all).toEqual(["n2 6 delivered"]);
  });

  it("was never under way to a peer that is not there", async () => {
    const { n1, n2 } = await pair({ bulkIdleMs: IDLE_MS });
    await new Promise((resolve) => n2.server.close(resolve));
    n1.transport.send(append(8, [largeBlock()]));
    expect(await n1.ends.next()).toBe("n2 8 unreachable");
  });
});
