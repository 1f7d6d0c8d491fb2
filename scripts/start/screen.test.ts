import { expect, it } from "vitest";
import type { MemberEvent } from "../cluster/member.js";
import { Screen } from "./screen.js";

function shown(...events: MemberEvent[]): string[] {
  const lines: string[] = [];
  const screen = new Screen((line) => lines.push(line.replace(/^\d\d:\d\d:\d\d {2}/, "")));
  for (const event of events) screen.show(event);
  return lines;
}
const down = (program: string, reason: string): MemberEvent => ({
  ...{ kind: "down", program, reason, exitCode: 62, isFinal: true },
  ...{ logPath: `${process.cwd()}/data/${program}.log`, advice: "Do this." },
});

it("says once what several programs end of", () => {
  const first = ["n1 stays down: it cannot. Its log: data/n1.log", "          Do this."];
  expect(shown(down("n1", "it cannot"), down("n2", "it cannot"))).toEqual([
    ...first,
    "n2 stays down for the same reason. Its log: data/n2.log",
  ]);
});

it("names a node whose clock is off", () => {
  const detail = "the clock of n1 is 480 minutes ahead of the members' median: set it right";
  const alert: MemberEvent = { kind: "alert", node: "n2", alertKind: "clock_off", detail };
  expect(shown(alert, alert)).toEqual([`ALERT clock_off: ${detail}. (n2)`]);
});

it("says once what is waited for, and what troubles", () => {
  const wait: MemberEvent = { kind: "waits", node: "n1", detail: "Nothing listens at db1." };
  const trouble: MemberEvent = { kind: "trouble", program: "n1", detail: "its log cannot be rotated" };
  expect(shown(wait, wait, trouble, trouble)).toEqual([
    "n1 waits: Nothing listens at db1.",
    "n1: its log cannot be rotated.",
  ]);
});
