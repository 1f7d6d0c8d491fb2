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
