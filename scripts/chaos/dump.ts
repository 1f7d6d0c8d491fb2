import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogEvent } from "../judge/format.js";
import { loopback } from "../lib/loopback.js";
import { poll } from "../lib/processes.js";

const PAGE_EVENTS = 500;
const PAGE_WITHIN_MS = 60_000;
const AGAIN_AFTER_MS = 200;

/**
 * Writes a node's whole log into a file, one event a line, as the public API lists it. What is committed a node lists a
 * little later: `last` is waited for.
 */
export async function dumpLog(url: string, last: number, path: string): Promise<void> {
  const file = createWriteStream(path);
  const deadline = performance.now() + PAGE_WITHIN_MS;
  let seen = -1;
  let cursor: string | undefined;
  for (;;) {
    const page = await pageAfter(url, cursor);
    const fresh = page.events.filter(({ sequence }) => sequence > seen);
    for (const event of fresh) if (!file.write(`${JSON.stringify(event)}\n`)) await once(file, "drain");
    seen = fresh.at(-1)?.sequence ?? seen;
    if (page.next !== undefined) cursor = page.next;
    else if (seen >= last) break;
    else if (performance.now() > deadline) throw new Error(`${url} lists events up to ${seen}, not up to ${last}.`);
    else await sleep(AGAIN_AFTER_MS);
  }
  file.end();
  await finished(file);
}

async function pageAfter(url: string, cursor: string | undefined): Promise<{ events: LogEvent[]; next?: string }> {
  const after = cursor === undefined ? "" : `&after=${cursor}`;
  let problem = "";
  const page = await poll(
    async () => {
      try {
        const answer = await loopback(`${url}/api/v1/events?order=asc&limit=${PAGE_EVENTS}${after}`, {
          signal: AbortSignal.timeout(PAGE_WITHIN_MS),
        });
        if (answer.ok) return (await answer.json()) as { events: LogEvent[]; next?: string };
        problem = `${answer.status} ${await answer.text()}`;
      } catch (error) {
        problem = String(error);
      }
      return undefined;
    },
    { withinMs: PAGE_WITHIN_MS, everyMs: AGAIN_AFTER_MS },
  );
  if (page === undefined) throw new Error(`${url} does not list its events: ${problem}`);
  return page;
}
