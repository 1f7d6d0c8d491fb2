import type { PeerBody, PeerMessage } from "../../../shared/protocol/peer.js";
import { allLinks, cut, type Fault, isolate, nothingToUndo, type Strike, type Undo } from "./fault.js";

const MESSAGE_KINDS: readonly PeerBody["kind"][] = [
  "join",
  "election",
  "alive",
  "take_over",
  "run_now",
  "pre_vote",
  "pre_vote_answer",
  "vote",
  "vote_answer",
  "append",
  "append_answer",
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

/** Some kinds of message wait on some links, and all arrive together when the fault ends: late by whole terms. */
const heldMessages: Fault = ({ world, random }) => {
  const kinds = new Set<string>(random.some(MESSAGE_KINDS, 0.3));
  const links = new Set(
    allLinks(world)
      .filter(() => random.chance(0.5))
      .map(([from, to]) => `${from}>${to}`),
  );
  const held: PeerMessage[] = [];
  const hold = (message: PeerMessage): boolean => {
    const isHeld = kinds.has(message.body.kind) && links.has(`${message.from}>${message.to}`);
    if (isHeld && held.length < HELD_MESSAGES_MAX) held.push(message);
    return !isHeld;
  };
  world.interceptors.add(hold);
  return () => {
    world.interceptors.delete(hold);
    for (const message of held) world.network.send(message.from, message.to, () => world.deliver(message));
  };
};

/** Everything on some links waits, and the links are freed one after another, in another order. */
const swizzleClog: Fault = (strike) => {
  const { world, random } = strike;
  const clogged = random.shuffled(allLinks(world).filter(() => random.chance(0.6)));
  for (const link of clogged) strike.lasts(cut(world, [link]), strike.durationMaxMs);
  return nothingToUndo;
};

/** A link, or a node's whole connection, goes up and down in the rhythm of the election timeout. */
const flapping: Fault = (strike) => {
  const { world, random } = strike;
  const victim = strike.victim();
  const isWhole = random.chance(0.5);
  const peer = random.pick(world.nodes.filter((node) => node !== victim).concat(victim));
  const period = world.timing.electionTimeoutMs * (0.4 + random.unit());
  let undo: Undo | null = null;
  let isOver = false;
  const flap = (): void => {
    if (isOver) return;
    if (undo === null) {
      undo = isWhole
        ? isolate(world, victim)
        : cut(world, [
            [victim.id, peer.id],
            [peer.id, victim.id],
          ]);
    } else {
      undo();
      undo = null;
    }
    world.scheduler.after(period, flap);
  };
  flap();
  return () => {
    isOver = true;
    undo?.();
  };
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
  usurped,
} satisfies Record<string, Fault>;
