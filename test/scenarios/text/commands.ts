import type { Role } from "../../../cluster/types.js";
import { term } from "../../../shared/ids.js";
import type { PeerBody, PeerMessage } from "../../../shared/protocol/messages.js";
import type { Actor, BareInput } from "./actor.js";
import { asIf, forge, otherBlock } from "./lies.js";
import { sayBlock, sayMessage } from "./say.js";
import { Stage } from "./stage.js";
import type { Filter } from "./wire.js";
import { matches } from "./wire.js";

/** A command acts on the stage, which tells what comes of it. */
type Command = (stage: Stage, args: string[]) => void;

/** `cluster 5 priorities 5 3 2 1 4 cooldown 500 new`: formed and level under the preferred node, unless it is `new`. */
export function formCluster(args: string[]): Stage {
  const nodes = Number(args[0]);
  const at = args.indexOf("priorities");
  const priorities = at === -1 ? undefined : args.slice(at + 1, at + 1 + nodes).map(Number);
  const cooldown = args.indexOf("cooldown");
  const stage = new Stage({
    nodes,
    cooldownMs: cooldown === -1 ? 5_000 : Number(args[cooldown + 1]),
    ...(priorities === undefined ? {} : { priorities }),
  });
  if (args.includes("new")) return stage;
  for (const { id } of stage.actors) stage.start(id);
  const preferred = stage.actors.reduce((a, b) => (a.priority > b.priority ? a : b));
  stage.until("the preferred node leads all", () =>
    stage.actors.every((it) => stage.view(it).leaderId === preferred.id && stage.view(it).commitHeight > 0),
  );
  stage.run(1_000);
  stage.teller.startTelling();
  stage.say(`${preferred.id} leads ${stage.actors.map(({ id }) => id).join(" ")} in t1, all have #1`);
  return stage;
}

export const COMMANDS: Record<string, Command> = {
  // Time.
  run: (stage, [span, mode]) => {
    stage.run(milliseconds(span));
    if (mode === "folded") stage.teller.tell(folded(stage.teller.told()));
  },
  timeout: (stage, [id]) => stage.timeout(text(id)),
  until: (stage, args) => stage.until(args.join(" "), condition(stage, args)),

  // Processes.
  start: (stage, ids) => ids.forEach((id) => void stage.start(id)),
  /** `crash n1 landed 1`: the oldest write of its disk lands, unheard. */
  crash: (stage, [id, , landed]) => stage.crash(text(id), Number(landed ?? 0)),
  pause: (stage, ids) => {
    for (const id of ids) {
      stage.find(id).isPaused = true;
      stage.say(`${id} is paused`);
    }
  },
  /** `configure n3 n1 n3`: whom it counts as members when it starts next. */
  configure: (stage, [id, ...members]) => {
    stage.find(text(id)).members = members;
    stage.say(`${id} is configured with ${members.join(" ")}`);
  },
  resume: (stage, ids) => ids.forEach((id) => void stage.resume(id)),

  // Disks.
  "hold-disk": (stage, [id]) => stage.holdDisk(text(id)),
  write: (stage, [id]) => {
    stage.write(stage.find(text(id)));
    stage.settle();
  },
  "free-disk": (stage, [id]) => stage.freeDisk(text(id)),
  wipe: (stage, [id]) => {
    const { store } = stage.find(text(id));
    store.wipe(`${"e".repeat(30)}${id}`.slice(-32).replace("n", "0"), `${"d".repeat(30)}0${id?.slice(1)}`);
    stage.say(`${id} has lost its database, and kept its identity file`);
  },
  /** `forget n3 1`: its newest block is gone, and nothing says so. */
  forget: (stage, [id, count]) => {
    const gone = stage.find(text(id)).store.blocks.splice(-Number(count));
    stage.say(`${id} has lost ${gone.map(({ block }) => sayBlock(block)).join(", ")}`);
  },
  /** `liar n3 1`: it has acknowledged its newest block, and never stored it. */
  liar: (stage, [id, count]) => stage.lied(text(id), Number(count)),

  // Links.
  cut: (stage, links) => stage.wire.lose(...links.map((link) => filter([link]))),
  lose: (stage, args) => stage.wire.lose(filter(args)),
  isolate: (stage, ids) => {
    for (const id of ids) stage.wire.lose({ from: id }, { to: id });
  },
  /** `split n1 n2 | n3`: nothing passes between the two sides. */
  split: (stage, args) => {
    const [left = [], right = []] = [args.slice(0, args.indexOf("|")), args.slice(args.indexOf("|") + 1)];
    for (const a of left) for (const b of right) stage.wire.lose({ from: a, to: b }, { from: b, to: a });
  },
  heal: (stage) => stage.wire.heal(),

  // Messages.
  hold: (stage, args) => stage.wire.hold(filter(args)),
  /** Delivers what is held, oldest first; the links behave from then on. */
  release: (stage, args) => {
    stage.wire.unhold(filter(args));
    deliver(stage, stage.wire.take(filter(args)));
  },
  /** Delivers what is held, and keeps a copy. */
  copy: (stage, args) =>
    deliver(
      stage,
      stage.wire.held.filter((message) => matches(filter(args), message)),
    ),
  drop: (stage, args) => {
    for (const message of stage.wire.take(filter(args))) stage.say(`${sayMessage(message)} -- dropped`);
  },
  /** `forge root n1>n3 blocks`: what is held arrives, with that changed in its blocks. */
  forge: (stage, [what, ...args]) =>
    deliver(
      stage,
      stage.wire.take(filter(args)).map((message) => forge(stage, text(what), message)),
    ),
  /** `lie n1>n3 x1 after 4 commit 4`: a block x1 that n1 never stored, sealed after its block 4. */
  lie: (stage, [link, name, , after, , commit]) => {
    const [from, to] = text(link).split(">");
    const lie = {
      from: text(from),
      to: text(to),
      name: text(name),
      after: Number(after),
      commit: Number(commit ?? after),
    };
    deliver(stage, [otherBlock(stage, lie)]);
  },
  /** `inject n3>n2 vote log=2/50 term=7`: a message as n3 would send it, but for what is given. */
  inject: (stage, [link, kind, ...fields]) => deliver(stage, [injected(stage, text(link), text(kind), fields)]),

  // Clients and people.
  /** `propose n1 w1 key=k batch=3 as=w0`: `as` names the request whose ids and key it repeats. */
  propose: (stage, [id, name, ...options]) => propose(stage, text(id), text(name), options),
  read: (stage, [id, readId]) => stage.input(text(id), { kind: "read_index", readId: Number(readId ?? 1) }),
  "hand-over": (stage, [id, target]) => stage.input(text(id), { kind: "hand_over", target: target ?? null }),
  admit: (stage, [id, node]) =>
    stage.input(text(id), { kind: "admit", node: text(node), actor: "ada", reason: "a new disk" }),
  "store-lost": (stage, [id]) => stage.input(text(id), { kind: "store_lost" }),
  late: (stage, [id]) => stage.input(text(id), { kind: "campaigns_late", isLate: true }),
  gone: (stage, [id, peer]) => stage.input(text(id), { kind: "gone", peer: text(peer) }),

  // Questions.
  status: (stage) => stage.teller.tell(stage.actors.map((actor) => statusOf(stage, actor))),
  log: (stage, ids) => stage.teller.tell(ids.map((id) => `${id}: ${logOf(stage.find(id))}`)),
};

function text(argument: string | undefined): string {
  if (argument === undefined) throw new Error("an argument is missing");
  return argument;
}

function milliseconds(span: string | undefined): number {
  const [, count, unit] = /^([\d.]+)(ms|s)$/.exec(text(span)) ?? [];
  if (count === undefined) throw new Error(`"${span}" is no span of time`);
  return Number(count) * (unit === "s" ? 1_000 : 1);
}

/** `n1>n2 vote`, `*>n3`, `vote`. */
function filter(args: readonly string[]): Filter {
  const link = args.find((it) => it.includes(">"));
  const [from, to] = link?.split(">") ?? [];
  const kind = args.find((it) => !it.includes(">"));
  return { ...(from ? { from } : {}), ...(to ? { to } : {}), ...(kind === undefined ? {} : { kind }) };
}

function deliver(stage: Stage, messages: readonly PeerMessage[]): void {
  for (const message of messages) {
    stage.deliver(message);
    stage.settle();
  }
}

/** `n2 leads`, `n2 is candidate`, `n2 has 5`, `n1>n2 vote is held`. */
function condition(stage: Stage, [subject, verb, object]: string[]): () => boolean {
  const id = text(subject);
  if (id.includes(">")) return () => stage.wire.held.some((message) => matches(filter([id, text(verb)]), message));
  const actor = stage.find(id);
  if (verb === "has") return () => actor.store.blocks.length >= Number(object);
  const role = (verb === "leads" ? "leader" : text(object)) as Role;
  return () => stage.view(actor).role === role;
}

function propose(stage: Stage, id: string, name: string, options: string[]): void {
  const given = new Map(options.map((option) => option.split("=") as [string, string]));
  const [key, batch, as] = [given.get("key"), Number(given.get("batch") ?? 1), given.get("as")];
  const events = stage.requests.make(name, { key, batch, as });
  const actor = stage.find(id);
  // One that repeats another does so after an unknown outcome.
  const sinceHeight = stage.sinceHeight(actor, as ?? name);
  const proposal = { proposalId: actor.writes.begin(name), events, deadline: stage.deadline(actor), sinceHeight };
  stage.input(id, { kind: "propose", proposals: [proposal] } as BareInput);
}

function injected(stage: Stage, link: string, kind: string, fields: readonly string[]): PeerMessage {
  const [from = "", to = ""] = link.split(">");
  const given = new Map(fields.map((field) => field.split("=") as [string, string]));
  const number = (name: string, otherwise: number): number => Number(given.get(name) ?? otherwise);
  const [tailTerm, tailHeight] = (given.get("log") ?? "0/0").split("/").map(Number);
  const tail = { term: tailTerm, height: tailHeight };
  const { store } = stage.find(from);
  const { joinNonce } = store.hardState;
  const chain = store.chainAt(number("after", store.blocks.length));
  const bodies: Record<string, object> = {
    vote: { kind: "vote", tail },
    vote_answer: { kind: "vote_answer", isGranted: true, joinNonce: given.get("join") ?? joinNonce },
    run_now: { kind: "run_now", reason: "take_over" },
    take_over: { kind: "take_over" },
    heartbeat: {
      kind: "append",
      round: number("round", 1_000),
      previousHeight: chain.height,
      previousHash: chain.blockHash,
      commitHeight: number("commit", chain.height),
      acknowledgedHeight: 0,
      electionTimeoutMs: 1_000,
      clocks: [],
    },
    answer: {
      kind: "append_answer",
      round: number("round", 1_000),
      result: given.get("result") ?? "ok",
      matchHeight: number("match", chain.height),
      tailHeight: chain.height,
      commitHeight: number("commit", 0),
      joinNonce,
      isVoter: true,
      isStoreHealthy: true,
    },
  };
  const message = asIf(stage, from, to, bodies[kind] as PeerBody);
  return { ...message, term: term(number("term", message.term)) };
}

function statusOf(stage: Stage, actor: Actor): string {
  const { id, store } = actor;
  if (actor.replica === null) return `${id}  ${"down".padEnd(26)} log #${store.blocks.length}`;
  const view = stage.view(actor);
  const role = view.isLearner ? "learner" : view.role;
  const follows = view.role === "leader" ? "leads" : `of ${view.leaderId ?? "nobody"}`;
  const inFlight = view.tailHeight > view.durableHeight ? `, in flight to #${view.tailHeight}` : "";
  const place = `t${view.term} ${follows}`;
  return `${id}  ${role.padEnd(13)} ${place.padEnd(12)} log #${view.durableHeight}${inFlight}, commit #${view.commitHeight}`;
}

const logOf = ({ store }: Actor): string => {
  const blocks = store.blocks.map(({ block }) => sayBlock(block)).join(", ");
  const kept = store.quarantine.map(({ block }) => sayBlock(block)).join(", ");
  return kept === "" ? blocks : `${blocks}; in quarantine: ${kept}`;
};

/** A long time in short: each line once, with how often it was told. */
function folded(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const what = line.replace(/^ *\d+ {2}/, "");
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${`${count}x`.padStart(6)}  ${what}`);
}
