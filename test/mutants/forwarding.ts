import type { Mutant } from "./mutant.js";

const FORWARDER = "node/service/forwarder.ts";
const FORWARDED = "node/service/forwarded.ts";

/** 77 to 79: writes that are forwarded together. */
export const FORWARDING: readonly Mutant[] = [
  {
    id: "77",
    what: "of the answers of one response the first is dropped",
    patches: [{ file: FORWARDER, find: "of answers) {", replace: "of answers.slice(answers.length > 1 ? 1 : 0)) {" }],
    scenario: { file: "test/scenarios/forwarding.test.ts", test: "travel in one request" },
  },
  {
    id: "78",
    what: "an answer is given to the write before its own, and nobody looks whose it is",
    patches: [
      {
        file: FORWARDER,
        find: "const waiting = this.taken(n);",
        replace: "const waiting = this.taken(n - 1) ?? this.taken(n);",
      },
      { file: FORWARDED, find: '  if (previousHash !== told.hash) return { kind: "unknown" };\n', replace: "" },
    ],
  },
  {
    id: "79",
    what: "what was sent is sent again with the next request",
    patches: [{ file: FORWARDER, find: "return this.queue.splice(0,", replace: "return this.queue.slice(0," }],
  },
  {
    id: "79b",
    what: "where an answer was lost, nothing was written",
    patches: [
      {
        file: FORWARDER,
        find: 'this.lose([...this.sent.values()], { kind: "unknown" });\n  }\n\n  private lose(',
        replace:
          'this.lose([...this.sent.values()], { kind: "not_written", reason: "unreached" });\n  }\n\n  private lose(',
      },
    ],
  },
];
