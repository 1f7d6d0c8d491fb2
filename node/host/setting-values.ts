import { MongoClient } from "mongodb";
import type { NodeId } from "../../shared/ids.js";
import { nodeIdSchema } from "../../shared/log/control.js";
import { DEFAULT_DATABASE } from "../storage/identity.js";

/** A member as MEMBERS gives it; priority is its place, the last one highest. */
export interface MemberAddress {
  readonly id: NodeId;
  /** Base URL, `http://host:port`. */
  readonly address: string;
  readonly priority: number;
}

export interface ChaosAddress {
  readonly url: string;
  readonly token: string;
}

/** Where alerts are sent, and with what they are signed. */
export interface WebhookTarget {
  readonly url: string;
  readonly secret: Uint8Array;
  /** Also to addresses of this machine and of private networks. */
  readonly allowsPrivate: boolean;
}

export function parseHostName(entry: string): string | Error {
  const isName = /^[\w-]+(?:\.[\w-]+)*$/.test(entry) && entry.length <= 253;
  return isName ? entry.toLowerCase() : new Error(`must be host names without a port, not ${JSON.stringify(entry)}`);
}

export function parseOrigin(entry: string): string | Error {
  const url = URL.canParse(entry) ? new URL(entry) : null;
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && entry.replace(/\/$/, "") === url.origin;
  return isOrigin
    ? url.origin
    : new Error(`must be origins such as https://logs.example, not ${JSON.stringify(entry)}`);
}

/** A path with a token in it is as secret as a password: the mistake does not say it again. */
export function parseWebhookUrl(value: string): string | Error {
  const url = URL.canParse(value) ? new URL(value) : null;
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
  return isUsable
    ? url.href
    : new Error("must be an address such as https://alerts.example/quorumlog, without a user in it");
}

/** As Standard Webhooks writes it: base64 of 24 to 64 bytes, with or without `whsec_` before it. */
export function parseWebhookSecret(value: string): Uint8Array | Error {
  const text = value.replace(/^whsec_/, "");
  const bytes = Buffer.from(text, "base64");
  // The decoder passes over what is no base64: a receiver would decode another secret, or none.
  const isWhole = bytes.toString("base64").replace(/=+$/, "") === text.replace(/={1,2}$/, "");
  if (isWhole && bytes.length >= 24 && bytes.length <= 64) return new Uint8Array(bytes);
  return new Error("must be base64 of 24 to 64 bytes, with or without whsec_ before it (try: openssl rand -base64 32)");
}

/**
 * The driver is the judge of a connection string for one server; its constructor parses and connects to nothing, and
 * `db` looks at the name of the database.
 */
export function parseMongodbUri(uri: string): string | Error {
  try {
    new MongoClient(uri, { directConnection: true }).db();
    return uri;
  } catch (error) {
    const { message } = error as Error;
    // The driver's message may quote the string, and with it a password.
    const credentials = /\/\/(.*)@/.exec(uri)?.[1]?.split(":") ?? [];
    const isSafe = credentials.every((part) => part === "" || !message.includes(part));
    return new Error(
      `is not a MongoDB connection string for one server, such as mongodb://localhost:27017/${DEFAULT_DATABASE}` +
        `${isSafe ? `: ${message}` : ""}`,
    );
  }
}

export function parseMembers(value: string): MemberAddress[] | Error {
  const members: MemberAddress[] = [];
  for (const [place, entry] of value.split(",").entries()) {
    const [, id = "", address = ""] = /^\s*([^=\s]+)=(\S+?)\/?\s*$/.exec(entry) ?? [];
    const url = URL.canParse(address) ? new URL(address) : null;
    const isBase = url?.protocol === "http:" && url.origin.length > 0 && address.length <= 512;
    if (!nodeIdSchema.safeParse(id).success || !isBase || `${url.origin}/` !== url.href)
      return new Error(`must look like n1=http://host:3000,n2=http://host:3001,… (wrong at entry ${place + 1})`);
    members.push({ id, address: url.origin, priority: place + 1 });
  }
  return members;
}

/** Whoever is asked for faults stands on this machine. */
export function parseChaosUrl(value: string): ChaosAddress | Error {
  const url = URL.canParse(value) ? new URL(value) : null;
  const isFit =
    url?.protocol === "http:" && url.hostname === "127.0.0.1" && url.pathname === "/" && url.username !== "";
  return isFit
    ? { url: `${url.origin}/`, token: url.username }
    : new Error("must look like http://token@127.0.0.1:4999; npm start -- --allow-chaos sets it");
}

const INDEXED_PATHS_MAX = 16;

export function parsePaths(value: string): string[] | Error {
  const paths = [...new Set(value.split(",").map((path) => path.trim()))].filter((path) => path !== "");
  if (paths.length > INDEXED_PATHS_MAX) return new Error(`may name at most ${INDEXED_PATHS_MAX} paths`);
  const bad = paths.find((path) => path.length > 256 || path.split(".").some((key) => key === ""));
  return bad === undefined
    ? paths
    : new Error(
        `must be paths of payloads, separated by commas, such as user,order.id; ${JSON.stringify(bad)} is none`,
      );
}
