import { parseArgs } from "node:util";
import { UsageError } from "../lib/usage.js";
import type { Head } from "./findings.js";

export const USAGE = `Usage: npm run verify -- --url URL | --mongodb-uri URI | --file FILE [options]

Verifies a log by code of its own: every hash, link and root is computed anew from what is stored or shown.

  --url URL           a live cluster, by any of its nodes: all nodes, each by itself and against the others
  --mongodb-uri URI   one node's database, whether or not the node runs: blocks, index entries, anchors
  --file FILE         an evidence bundle of an alert, offline

  --signatures        who sealed each block, too (without it only the newest, whose links cover all others)
  --expect SIZE:ROOT  the head that an earlier run printed: the log must extend it
  --json              the result as one JSON object

Exit code 0: verified; 3: something is not what was committed, and the first difference is named; 2: asked wrongly;
4: there is no such file; 5: not allowed; 1: it could not be verified, or not all of it. docs/operating/verifying.md
`;

export interface VerifyOptions {
  readonly target: { readonly kind: "url" | "mongodb-uri" | "file"; readonly value: string };
  readonly signatures: boolean;
  readonly expect: Head | null;
  readonly json: boolean;
}

export function parseVerifyOptions(args: string[]): VerifyOptions | "help" {
  const { values } = parseArgs({
    args,
    options: {
      url: { type: "string" },
      "mongodb-uri": { type: "string" },
      file: { type: "string" },
      signatures: { type: "boolean", default: false },
      expect: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const targets = (["url", "mongodb-uri", "file"] as const).flatMap((kind) => {
    const value = values[kind];
    return value === undefined ? [] : [{ kind, value }];
  });
  const [target, ...others] = targets;
  if (target === undefined || others.length > 0) throw new UsageError("Give one of --url, --mongodb-uri and --file.");
  if (target.kind === "url" && !/^https?:\/\/[^/]/.test(target.value))
    throw new UsageError(`--url needs the address of a node, such as http://127.0.0.1:3000, not "${target.value}".`);
  // What follows may hold a password: it is not said again.
  if (target.kind === "mongodb-uri" && !/^mongodb(\+srv)?:\/\/[^/]/.test(target.value))
    throw new UsageError("--mongodb-uri needs a URI such as mongodb://127.0.0.1:27017/eventLogs.");
  const expect = values.expect === undefined ? null : headOf(values.expect);
  if (expect !== null && target.kind === "file")
    throw new UsageError("--expect needs a whole log: --url or --mongodb-uri.");
  return { target, signatures: values.signatures, expect, json: values.json };
}

function headOf(text: string): Head {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text);
  if (match === null) throw new UsageError(`--expect needs SIZE:ROOT, such as 1000:e3b0c442…, not "${text}".`);
  return { size: Number(match[1]), root: match[2] as string };
}
