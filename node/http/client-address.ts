/** The groups of an IPv6 address that name its network: who has one address has all that begin so. */
const NETWORK_GROUPS = 4;

/**
 * Whose a connection is, for a fair share. All who come through one proxy are one; what a request's headers say of them anybody
 * could write there.
 */
export function clientOf({ remoteAddress = "" }: { readonly remoteAddress?: string | undefined }): string {
  if (!remoteAddress.includes(":")) return remoteAddress;
  const mapped = /^::ffff:([\d.]+)$/i.exec(remoteAddress)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = [], tail = []] = remoteAddress
    .split("::", 2)
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  return [...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS).join(":");
}
