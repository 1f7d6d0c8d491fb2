import { isIP } from "node:net";

/** Name or address, then a port. */
const HOST = /^(\[[\da-fA-F:.]{2,45}\]|[\w.-]{1,253})(?::(\d{1,5}))?$/;

/** Without the port and the root's dot, lower case; null for what is no host. */
export function hostName(host: string): string | null {
  const name = HOST.exec(host)?.[1]?.toLowerCase();
  return name === undefined ? null : name.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/**
 * Whether a request means this node. A web page can make a name of its own lead here (DNS rebinding), and a browser then
 * lets it read all; it cannot do so with an address, nor with a name that is not its own.
 */
export function isOwnHost(host: string, ownNames: ReadonlySet<string>): boolean {
  const name = hostName(host);
  return name !== null && (isIP(name) !== 0 || ownNames.has(name));
}

/** A page of this node itself, by whatever scheme it came: TLS may end in front of the node. */
export function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, hostname, port } = new URL(origin);
  if (protocol !== "http:" && protocol !== "https:") return false;
  const [, name = "", hostPort = ""] = HOST.exec(host.toLowerCase()) ?? [];
  const usual = protocol === "https:" ? "443" : "80";
  return hostname === name && (port || usual) === (hostPort || usual);
}
