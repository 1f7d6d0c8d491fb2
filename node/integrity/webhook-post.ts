import { createHmac } from "node:crypto";
import { type LookupAddress, lookup } from "node:dns";
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import type { WebhookTarget } from "../host/setting-values.js";

/** An answer that takes longer is none. */
export const WEBHOOK_ANSWER_MS = 15_000;

/** Addresses that a name out there has no reason to lead to, by their blocks (RFC 6890, 8190, 9637). */
const PRIVATE: readonly (readonly [network: string, bits: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];
/** Of IPv6 all but what is routed globally (2000::/3), and in there what stands for other addresses or for none. */
const PRIVATE_6: readonly (readonly [network: string, bits: number])[] = [
  ["::", 3],
  ["4000::", 2],
  ["8000::", 1],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];
const blocked = new BlockList();
for (const [network, bits] of PRIVATE) blocked.addSubnet(network, bits, "ipv4");
const blocked6 = new BlockList();
for (const [network, bits] of PRIVATE_6) blocked6.addSubnet(network, bits, "ipv6");

export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return true;
  return family === 4 ? blocked.check(address, "ipv4") : blocked6.check(address, "ipv6");
}

export class PrivateAddress extends Error {
  constructor(host: string, address: string) {
    super(
      `${host} leads to ${address}, which is a private address: set ALERT_WEBHOOK_ALLOW_PRIVATE=true if that is meant`,
    );
  }
}

type Resolve = (host: string, then: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;
const resolveName: Resolve = (host, then) => lookup(host, { all: true }, (error, addresses) => then(error, addresses));

/**
 * The name is resolved once, for the connection itself, and what it leads to is judged there: a name that leads elsewhere the
 * next time (DNS rebinding) gains nothing.
 */
export function publicLookup(resolve: Resolve = resolveName): LookupFunction {
  return (host, options, callback) => {
    resolve(host, (error, addresses) => {
      const [first] = addresses ?? [];
      const refused = addresses?.find(({ address }) => isPrivateAddress(address));
      if (error !== null || first === undefined) callback(error ?? new Error(`${host} has no address`), "", 0);
      else if (refused !== undefined) callback(new PrivateAddress(host, refused.address), "", 0);
      else if (options.all) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}

export interface WebhookMessage {
  /** Stays the same however often it is sent: the receiver knows by it what it has already. */
  readonly id: string;
  readonly body: string;
}

/** The headers of Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body. */
export function signedHeaders({ id, body }: WebhookMessage, secret: Uint8Array, atMs: number): Record<string, string> {
  const seconds = String(Math.floor(atMs / 1_000));
  const mac = createHmac("sha256", secret).update(`${id}.${seconds}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": seconds, "webhook-signature": `v1,${mac}` };
}

/** Sends it once. Null: the receiver has it; else why not, as a sentence. Follows no redirect, uses no proxy. */
export function postOnce(
  target: WebhookTarget,
  message: WebhookMessage,
  { atMs, signal, resolve }: { readonly atMs: number; readonly signal: AbortSignal; readonly resolve?: Resolve },
): Promise<string | null> {
  const url = new URL(target.url);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // An address that stands in the URL itself is never looked up.
  if (!target.allowsPrivate && isIP(host) !== 0 && isPrivateAddress(host))
    return Promise.resolve(new PrivateAddress("the URL", host).message);
  const request = url.protocol === "https:" ? tlsRequest : plainRequest;
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(message.body)),
    "user-agent": "quorumlog",
    ...signedHeaders(message, target.secret, atMs),
  };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(WEBHOOK_ANSWER_MS)]);
  return new Promise((done) => {
    const options = { method: "POST", headers, agent: false as const, signal: limit };
    const guard = target.allowsPrivate ? {} : { lookup: publicLookup(resolve) };
    const outgoing = request(url, { ...options, ...guard }, (incoming) => {
      const { statusCode = 0 } = incoming;
      // What it says beside its status is not read.
      incoming.destroy();
      done(judgement(statusCode));
    });
    outgoing.on("error", (error) => done(limit.aborted ? "no answer in time" : sentenceOf(error)));
    // Some ends are no error: an answer 101 closes the connection, and that is all that comes of it.
    outgoing.on("close", () => done("closed the connection without an answer"));
    outgoing.end(message.body);
  });
}

/** The error of several addresses that were tried has no message of its own. */
function sentenceOf(error: Error): string {
  const tried = error instanceof AggregateError ? (error.errors as Error[]).map(({ message }) => message) : [];
  return error.message || tried.join("; ") || String((error as NodeJS.ErrnoException).code ?? error.name);
}

function judgement(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  return status >= 300 && status < 400 ? `answered ${status}: a redirect is not followed` : `answered ${status}`;
}
