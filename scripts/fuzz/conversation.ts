import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, readAnswers } from "./answers.js";
import { type Change, DRESSINGS, SPOILERS } from "./changes.js";
import { type Asked, garbage, readRequest, streamRequest } from "./others.js";
import type { Random } from "./random.js";
import { type Draft, goodWrite, type Request, withHeaders, writeOut } from "./requests.js";

/** How the client ends: when it has its answers; in the middle, with a reset or a half-closed connection; or not at all. */
type End = "answers" | "reset" | "half_closed" | "stays";

/** What is sent on one connection, and how. */
export interface Conversation {
  readonly id: string;
  readonly requests: readonly Request[];
  /** Sent one after the other, with a pause before each. */
  readonly pieces: readonly { readonly text: string; readonly pauseMs: number }[];
  readonly sentBytes: number;
  readonly end: End;
}

export interface Outcome {
  readonly conversation: Conversation;
  /** In order; those of the requests come first. */
  readonly answers: readonly Answer[];
  /** The answer that never ended. */
  readonly open: Answer | null;
  /** Bytes that came and are no answer. */
  readonly rest: string;
  /** The client waited as long as it does, and something was still missing. */
  readonly isLate: boolean;
}

const REQUESTS_MAX = 6;
const PIECES_MAX = 5;
const PAUSE_MS_MAX = 30;

export function makeConversation(id: string, random: Random, asked: Asked): Conversation {
  const requests: Request[] = [];
  const count = random.whole(1, REQUESTS_MAX);
  while (requests.length < count) {
    const made = makeRequests(`${id}-${requests.length}`, random, asked);
    requests.push(...made);
    // Behind bytes that are no HTTP, or that have no end, nothing can be told apart.
    if (["broken", "either", "stream"].includes(made.at(-1)?.meant ?? "")) break;
  }
  const text = requests.map((request) => request.text).join("");
  const end = random.chance(0.7) ? "answers" : random.pick(["reset", "half_closed", "stays"] as const);
  const sentBytes = end === "answers" || random.chance(0.2) ? text.length : random.whole(0, text.length - 1);
  return { id, requests, pieces: cut(text.slice(0, sentBytes), random), sentBytes, end };
}

function makeRequests(source: string, random: Random, asked: Asked): Request[] {
  const { authority } = asked;
  const kind = random.next();
  if (kind < 0.35) return [writeRequest(source, random, authority)];
  if (kind < 0.4) return twice(source, random, authority);
  if (kind < 0.75) return [spoiledRequest(source, random, authority)];
  if (kind < 0.9) return [readRequest(random, source, asked)];
  if (kind < 0.95) return [streamRequest(random, source, authority)];
  return [garbage(random, source)];
}

/** A write with changes, the last of which may be one that spoils it. */
function changed(source: string, random: Random, authority: string, last: readonly Change[]) {
  const { draft, events } = goodWrite(random, source, authority);
  const changes = [...DRESSINGS.filter(() => random.chance(0.2)), ...last];
  const made: Draft = { ...draft };
  for (const { change } of changes) Object.assign(made, change(made, random));
  return { made, events, name: ["a write", ...changes.map(({ name }) => name)].join(", ") };
}

function writeRequest(source: string, random: Random, authority: string): Request {
  const absolute: Change = { name: "absolute", change: ({ target }) => ({ target: `http://${authority}${target}` }) };
  const { made, events, name } = changed(source, random, authority, random.chance(0.1) ? [absolute] : []);
  return { name, meant: "written", method: "POST", text: writeOut(made, random), source, events };
}

/** The same write twice, its key once behind as many other headers as there may be. */
function twice(source: string, random: Random, authority: string): Request[] {
  const { draft, events } = goodWrite(random, source, authority);
  const filler = Array.from({ length: random.whole(0, 90) }, (_, i): [string, string] => [`X-${i}`, "y"]);
  const keyed = { ...draft, ...withHeaders(draft, ["Idempotency-Key", source]) };
  const late = { ...draft, ...withHeaders(draft, ...filler, ["Idempotency-Key", source]) };
  return [keyed, late].map((one) => {
    const text = writeOut(one, random);
    return { name: "a write with a key", meant: "written", method: "POST", text, source, events };
  });
}

function spoiledRequest(source: string, random: Random, authority: string): Request {
  const spoiler = random.pick(SPOILERS);
  const { made, events, name } = changed(source, random, authority, [spoiler]);
  return { name, meant: spoiler.meant, method: made.method, text: writeOut(made, random), source, events };
}

function cut(text: string, random: Random): { text: string; pauseMs: number }[] {
  const places = Array.from({ length: random.whole(0, PIECES_MAX - 1) }, () => random.whole(0, text.length));
  const bounds = [0, ...places.sort((a, b) => a - b), text.length];
  return bounds.slice(1).map((end, i) => {
    return { text: text.slice(bounds[i], end), pauseMs: i === 0 ? 0 : random.whole(0, PAUSE_MS_MAX) };
  });
}

/** Longer than a node takes to tell that the fate of a write is unknown; each answer may take as long, as some wait for others. */
const ANSWERS_MS = 60_000;
const LOOK_MS = 5;
/** How long an answer to what is no request is waited for. */
const MOMENT_MS = 300;

/** Has the conversation. `stay` takes a connection that the client neither uses nor closes any more. */
export async function converse(
  conversation: Conversation,
  url: string,
  stay: (socket: Socket) => void,
): Promise<Outcome> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setEncoding("latin1").setNoDelay(true);
  let text = "";
  let isOver = false;
  socket.on("data", (data: string) => {
    text += data;
  });
  // The judge sees in the answers what has become of the connection.
  socket.on("error", () => undefined);
  for (const event of ["end", "close"])
    socket.on(event, () => {
      isOver = true;
    });
  for (const piece of conversation.pieces) {
    if (piece.pauseMs > 0) await sleep(piece.pauseMs);
    if (!isOver) await write(socket, piece.text);
  }
  const methods = conversation.requests.map(({ method }) => method);
  const read = () => readAnswers(text, methods);
  if (conversation.end === "stays") {
    stay(socket);
    return { conversation, ...read(), isLate: false };
  }
  if (conversation.end !== "answers") {
    if (conversation.end === "reset") socket.resetAndDestroy();
    else socket.end();
    await sleep(LOOK_MS);
    const outcome = { conversation, ...read(), isLate: false };
    socket.destroy();
    return outcome;
  }
  const isDone = (): boolean => isOver || isComplete(conversation, read());
  const isLate = await answered(conversation, isDone, () => read().answers.length);
  socket.destroy();
  return { conversation, ...read(), isLate };
}

/** Waits; true if something is missing and nothing more has come for all of that time. */
async function answered({ requests }: Conversation, isDone: () => boolean, count: () => number): Promise<boolean> {
  const isNoHttp = ["broken", "either"].includes(requests.at(-1)?.meant ?? "");
  let [beganAt, before] = [performance.now(), count()];
  while (!isDone()) {
    await sleep(LOOK_MS);
    if (count() > before) [beganAt, before] = [performance.now(), count()];
    const waited = performance.now() - beganAt;
    if (waited > ANSWERS_MS) return true;
    if (isNoHttp && requests.length === 1 && waited > MOMENT_MS) return false;
  }
  return false;
}

function isComplete({ requests }: Conversation, { answers, open }: ReturnType<typeof readAnswers>): boolean {
  const last = requests.at(-1)?.meant;
  if (answers.length >= requests.length || answers.some(({ isLast }) => isLast)) return true;
  const isMissingOne = answers.length === requests.length - 1;
  return isMissingOne && ((last === "stream" && open !== null) || last === "broken" || last === "either");
}

const write = (socket: Socket, text: string): Promise<void> =>
  new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.write(text, "latin1", () => resolve());
  });
