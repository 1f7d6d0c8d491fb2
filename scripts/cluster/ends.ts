import type { MemberEvent } from "./member.js";

/**
 * Says in words which program has ended by itself, for scripts that kill on purpose: a program that they kill is not told of.
 * `isCrash` is false for a node that stopped because it was asked to.
 */
export function endOf(event: MemberEvent): { text: string; isCrash: boolean } | undefined {
  if (event.kind === "fatal") return { text: `${event.node} is fatally wrong: ${event.detail}`, isCrash: true };
  if (event.kind !== "died" && event.kind !== "down") return undefined;
  const text = `${event.program}${event.kind === "down" ? " stays down" : ""}: ${event.reason}`;
  return { text, isCrash: event.reason !== "it ended with exit code 0" };
}
