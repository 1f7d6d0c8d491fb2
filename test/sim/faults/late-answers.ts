import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { type Fault, isolate, nothingToUndo } from "./fault.js";

const STEP_MS = 40;
/** So long it waits for a change of leader, and keeps what was sent before. */
const WAITS_MS_MAX = 4_000;
const KEPT_MAX = 12;

/**
 * A leader loses the lead and gets it back, and what it sent in its earlier term arrives only then. The others say that it
 * is stale, in their present term, and are heard when somebody else leads already: taken for answers to what the leader
 * has asked since, they would confirm it.
 */
export const lateAnswers: Fault = (strike) => {
  const { world, random } = strike;
  const { leader } = world;
  if (leader === undefined || world.nodes.length === 1) return null;
  const { term } = leader.standing;
  const sent: PeerMessage[] = [];
  const answers: PeerMessage[] = [];
  const keep = (message: PeerMessage): boolean => {
    const { body, from, to } = message;
    if (from === leader.id && body.kind === "append" && message.term === term) {
      sent.push(message);
      if (sent.length > KEPT_MAX) sent.shift();
    }
    if (to !== leader.id || body.kind !== "append_answer" || body.result !== "stale") return true;
    answers.push(message);
    return false;
  };
  world.interceptors.add(keep);
  strike.lastsFor(() => world.interceptors.delete(keep), 3 * WAITS_MS_MAX);
  /** Does it once `condition` holds, if that is in time. */
  const once = (condition: () => boolean, action: () => void, leftMs = WAITS_MS_MAX): void => {
    if (!strike.isOpen() || leftMs <= 0) return;
    if (condition()) action();
    else world.scheduler.after(STEP_MS, () => once(condition, action, leftMs - STEP_MS));
  };
  const isLedByOther = (): boolean => world.leader !== undefined && world.leader !== leader;
  const answerLate = (): void => {
    world.interceptors.delete(keep);
    if (answers.length > 0) strike.arises("late-answers");
    for (const [i, answer] of answers.entries()) world.scheduler.after(i * STEP_MS, () => world.deliver(answer));
  };
  const cutOff = (): void => {
    if (!strike.isOpen()) return;
    strike.lastsFor(isolate(world, leader), 2 * WAITS_MS_MAX);
    for (const node of world.nodes) if (node !== leader) node.input({ kind: "gone", peer: leader.id });
    once(isLedByOther, answerLate);
  };
  const leadAgain = (): void => {
    for (const message of sent) world.network.send(message.from, message.to, () => world.deliver(message));
    world.scheduler.after(2 * STEP_MS, cutOff);
  };
  world.scheduler.after(random.between(10, 1_000), () => {
    if (!strike.isOpen()) return;
    leader.input({ kind: "hand_over", target: null });
    once(isLedByOther, () => {
      world.leader?.input({ kind: "hand_over", target: leader.id });
      once(() => world.leader === leader && leader.standing.term > term, leadAgain);
    });
  });
  return nothingToUndo;
};
