import { type Term, term } from "../../../shared/ids.js";
import type { PeerMessage } from "../../../shared/protocol/messages.js";
import type { SimNode } from "../node.js";
import type { World } from "../world.js";
import { type Fault, nothingToUndo } from "./fault.js";

/** As the core says: so far ahead a term is refused. */
const TERM_LEAP_MAX = 10_000;
const LASTS_MS = 2_000;

/** Messages of one node speak of a term from far away: each is refused with an alert, and no term moves. */
export const farTerm: Fault = (strike) => {
  const { world, random } = strike;
  const liar = liars.get(world) ?? strike.victim();
  if (world.nodes.length === 1) return null;
  liars.set(world, liar);
  const far = (now: Term): Term => term(now + TERM_LEAP_MAX + random.pick([1, 1_000, 2 ** 30]));
  const lie = (message: PeerMessage): boolean => {
    if (message.from !== liar.id || message.body.kind === "join" || random.chance(0.7)) return true;
    world.network.send(message.from, message.to, () => {
      const receiver = world.node(message.to);
      const footing = receiver.process?.driver.footing() ?? null;
      // A learner knows of no term, and believes any.
      const isHeard = footing !== null && !receiver.isPaused && isOfOneLog(receiver, message);
      if (!isHeard || receiver.view.isLearner) return world.deliver(message);
      const lied = { ...message, term: far(footing.hardState.term) };
      strike.arises("far-term");
      world.checkers.alerts.liars.add(liar.id);
      world.checkers.forgeries.addMessage(lied, `the term ${lied.term}`);
      world.deliver(lied);
    });
    return false;
  };
  world.interceptors.add(lie);
  strike.lastsFor(() => world.interceptors.delete(lie), LASTS_MS);
  return nothingToUndo;
};
const isOfOneLog = ({ view }: SimNode, { clusterId }: PeerMessage): boolean =>
  view.clusterId !== "" && view.clusterId === clusterId;

/** One in a run: of two that speak of it a majority of three nodes is made, which is believed. */
const liars = new WeakMap<World, SimNode>();
