/** How something stands; each has a sign of its own. */
export type Tone = "ok" | "warn" | "bad" | "unknown";
