import type { PeerBody, PeerMessage } from "../../../shared/protocol/messages.js";
import type { World } from "../world.js";
import { allLinks, cut, type Fault, isolate, type Link, nothingToUndo, type Strike, type Undo } from "./fault.js";

/** What is sent all the time, and in every election. */
const COMMON_KINDS: readonly PeerBody["kind"][] = ["append", "append_answer", "vote", "vote_answer"];
const RARE_KINDS: readonly PeerBody["kind"][] = [
  "join",
  "election",
  "alive",
  "take_over",
  "run_now",
  "pre_vote",
  "pre_vote_answer",
];
const HELD_MESSAGES_MAX = 1_000;

const partition: Fault = ({ world, random }) => {
  const side = new Set(random.some(world.nodes, 0.5).map((node) => node.id));
  return cut(
    world,
    allLinks(world).filter(([from, to]) => side.has(from) !== side.has(to)),
  );
};

const badNetwork: Fault = ({ world: { network }, random, links }) => {
  if (network.profile !== links) return null;
  network.profile = {
    delayMinMs: 1,
    delayMaxMs: random.pick([10, 40, 150]),
    loss: random.pick([0, 0.05, 0.3]),
    duplication: random.pick([0, 0.1, 0.5]),
    spike: random.pick([0, 0.02, 0.1]),
    spikeMs: random.pick([500, 5_000]),
  };
  return () => {
    network.profile = links;
  };
};

/** Keeps messages back until it ends, when all of them arrive together; more than the limit are lost. */
function hold(world: World, isHeld: (message: PeerMessage) => boolean): Undo {
  const held: PeerMessage[] = [];
  const passes = (message: PeerMessage): boolean => {
    if (!isHeld(message)) return true;
    if (held.length < HELD_MESSAGES_MAX) held.push(message);
    return false;
  };
  world.interceptors.add(passes);
  return () => {
    world.interceptors.delete(passes);
    for (const message of held) world.network.send(message.from, message.to, () => world.deliver(message));
  };
}

/** Some kinds of message wait on some links, and all arrive together when the fault ends: late by whole terms. */
const heldMessages: Fault = (strike) => {
  const { world, random } = strike;
  const kinds = new Set<string>([...random.some(COMMON_KINDS, 0.6), ...random.some(RARE_KINDS, 0.3)]);
  const links = new Set(
    allLinks(world)
      .filter(() => random.chance(0.5))
      .map(([from, to]) => `${from}>${to}`),
  );
  if (kinds.size === 0 || links.size === 0) return null;
  return hold(world, ({ body, from, to }) => {
    const isHeld = kinds.has(body.kind) && links.has(`${from}>${to}`);
    if (isHeld) strike.arises("held-messages");
    return isHeld;
  });
};

/** Everything on some links waits, and the links are freed one after another, in another order. */
const swizzleClog: Fault = (strike) => {
  const { world, random } = strike;
  const clogged = random.shuffled(allLinks(world).filter(() => random.chance(0.6)));
  if (clogged.length === 0) return null;
  for (const [from, to] of clogged) {
    const isHeld = (message: PeerMessage): boolean => {
      if (message.from !== from || message.to !== to) return false;
      strike.arises("swizzle-clog");
      return true;
    };
    strike.lasts(hold(world, isHeld), strike.durationMaxMs);
  }
  world.trace.add(`clogged ${clogged.map((link) => link.join(">")).join(" ")}`);
  return nothingToUndo;
};

/** Links lose what is large: heartbeats pass, and messages with blocks do not. */
const blocksLost: Fault = ({ world, random }) => {
  const { leader } = world;
  const from = random.chance(0.7) ? leader : random.pick(world.nodes);
  if (from === undefined) return null;
  const to = new Set(random.chance(0.5) ? world.nodes : random.some(world.nodes, 0.5));
  const passes = (message: PeerMessage): boolean =>
    message.blocks.length === 0 || message.from !== from.id || !to.has(world.node(message.to));
  world.interceptors.add(passes);
  return () => {
    world.interceptors.delete(passes);
  };
};

/** What is large takes its time over some links. */
const narrowLinks: Fault = ({ world, random }) => {
  const links = allLinks(world).filter(() => random.chance(0.5));
  const bytesPerMs = random.pick([0.1, 1, 10]);
  for (const [from, to] of links) world.network.narrow(from, to, bytesPerMs);
  return () => {
    for (const [from, to] of links) world.network.widen(from, to);
  };
};

/** A link, or a node's whole connection, goes down and up a few times in the rhythm of the election timeout. */
const flapping: Fault = (strike) => {
  const { world, random } = strike;
  const victim = strike.victim();
  const others = world.nodes.filter((node) => node !== victim);
  if (others.length === 0) return null;
  const peers = random.chance(0.5) ? others : [random.pick(others)];
  const links = peers.flatMap(({ id }): Link[] => [
    [victim.id, id],
    [id, victim.id],
  ]);
  const periodMs = Math.round(world.timing.electionTimeoutMs * (0.4 + random.unit()));
  const cuts = random.between(2, 4);
  for (let i = 0; i < cuts; i++) {
    world.scheduler.after(2 * i * periodMs, () => {
      if (!strike.isOpen()) return;
      strike.lastsFor(cut(world, links), periodMs);
      // Down, up, and down again.
      if (i > 0) strike.arises("flapping");
    });
  }
  return nothingToUndo;
};

/** A peer that lives is taken for dead. */
const falseAlarm: Fault = (strike) => {
  const { world, random } = strike;
  const node = strike.victim();
  const others = world.nodes.filter((it) => it !== node);
  if (others.length === 0) return null;
  node.input({ kind: random.pick(["gone", "unreachable"] as const), peer: random.pick(others).id });
  return nothingToUndo;
};

/** The leader is cut off, and the others find it gone at once: for a while two lead. */
const usurped: Fault = ({ world }) => {
  const { leader } = world;
  if (leader === undefined || world.nodes.length < 3) return null;
  for (const node of world.nodes) if (node !== leader) node.input({ kind: "gone", peer: leader.id });
  return isolate(world, leader);
};

const isolation: Fault = (strike: Strike) => isolate(strike.world, strike.victim());

export const networkFaults = {
  partition,
  "one-way-cut": ({ world, random }) =>
    cut(
      world,
      allLinks(world).filter(() => random.chance(0.3)),
    ),
  isolate: isolation,
  "bad-network": badNetwork,
  "held-messages": heldMessages,
  "swizzle-clog": swizzleClog,
  flapping,
  "false-alarm": falseAlarm,
  "blocks-lost": blocksLost,
  "narrow-links": narrowLinks,
  usurped,
} satisfies Record<string, Fault>;
