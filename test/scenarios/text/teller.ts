import type { PeerMessage } from "../../../shared/protocol/messages.js";
import { sayMessage } from "./say.js";
import { nameOf } from "./wire.js";

/** The trace of a story: one line an occurrence, and none for what only repeats. */
export class Teller {
  /** Stories count time from here. */
  private zero = 0;
  private lines: string[] = [];
  private readonly shownAcks = new Map<string, number>();
  /** The last undelivered message of each link. */
  private readonly undelivered = new Map<string, string>();

  constructor(private readonly now: () => number) {}

  get count(): number {
    return this.lines.length;
  }

  say(text: string): void {
    this.lines.push(`${String(this.now() - this.zero).padStart(6)}  ${text}`);
  }
  /** Lines without a time. */
  tell(lines: readonly string[]): void {
    this.lines.push(...lines);
  }
  /** What was told since the last call. */
  told(): string[] {
    return foldReceivers(this.lines.splice(0));
  }
  startTelling(): void {
    this.lines = [];
    this.zero = this.now();
  }

  /** What repeats the last undelivered message of its link is not told again. */
  sayUndelivered(message: PeerMessage, why: string): void {
    const link = `${message.from}>${message.to}`;
    const text = `${sayMessage(message)} -- ${why}`;
    if (this.undelivered.get(link) !== text) this.say(text);
    this.undelivered.set(link, text);
  }

  /** Takes back the line at `at` if all that followed it are followers' commits. */
  dropIfNothingCame(at: number): void {
    if (this.lines.slice(at + 1).every((line) => / commits #\d+$/.test(line))) this.lines.splice(at, 1);
  }

  /** Heartbeats, and acks that say nothing new. */
  isRoutine(message: PeerMessage): boolean {
    const { body, from, to, term } = message;
    if (nameOf(message) === "heartbeat") return true;
    if (body.kind !== "append_answer" || body.result !== "ok") return false;
    const pair = `${from}>${to} t${term} ${body.isVoter}`;
    const isKnown = body.matchHeight <= (this.shownAcks.get(pair) ?? 0);
    this.shownAcks.set(pair, Math.max(body.matchHeight, this.shownAcks.get(pair) ?? 0));
    return isKnown;
  }
}

/** One message lost on several links is one line. */
function foldReceivers(lines: readonly string[]): string[] {
  const folded: string[] = [];
  let last: { head: string; rest: string; to: string[] } | null = null;
  for (const line of lines) {
    const [, head = "", to = "", rest = ""] = /^( *\d+ {2}n\d+>)(n\d+)( .* -- (?:lost|held))$/.exec(line) ?? [];
    if (last !== null && head === last.head && rest === last.rest && head !== "") {
      last.to.push(to);
      folded.pop();
    } else last = { head, rest, to: [to] };
    folded.push(head === "" ? line : `${head}${last.to.join(",")}${rest}`);
  }
  return folded;
}
