import type { Incidents } from "./incidents.js";
import type { IntegrityParts } from "./parts.js";

/** What this node joined anew for is noted until it is kept as an alert. */
export async function keepFoundAtStart(
  { identity, logger }: Pick<IntegrityParts, "identity" | "logger">,
  incidents: Pick<Incidents, "noteOnce" | "saved" | "isStored">,
): Promise<void> {
  const { found } = identity.identity;
  if (found.length === 0) return;
  const noted = found.map((one) => {
    const { at, ...finding } = one;
    return { one, id: incidents.noteOnce({ ...finding, foundBy: "start" }, at) };
  });
  await incidents.saved();
  const kept = new Set(noted.filter(({ id }) => incidents.isStored(id)).map(({ one }) => one));
  await identity
    .update((now) => ({ found: now.found.filter((one) => !kept.has(one)) }))
    .catch((err) => logger.warn({ err }, "what was found at a start stays noted, and is looked at once more"));
}
