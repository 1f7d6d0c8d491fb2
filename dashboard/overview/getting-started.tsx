import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { ask } from "../api/client.js";
import { useChaos } from "../api/queries.js";
import type { ClusterView, EventPage } from "../api/types.js";
import { useStrike } from "../api/use-strike.js";
import { Button } from "../parts/button.js";
import { FirstEvent, OWN_SOURCE } from "../parts/first-event.js";
import page from "../parts/page.module.css";
import styles from "./overview.module.css";

const LOOK_EVERY_MS = 2_000;

interface GettingStartedProps {
  readonly status: ClusterView;
  readonly size: number;
}

/** What to do first. It goes once there is an event of one's own, but for faults, where they may be made. */
export function GettingStarted({ status, size }: GettingStartedProps) {
  const isDemo = useChaos().data?.body.allowed === true;
  const hasOwn = useHasOwnEvent(isDemo && size > 0);
  const isNew = size === 0 || (isDemo && !hasOwn);
  if (!isNew && !isDemo) return null;
  return (
    <section className={page.card} aria-labelledby="begin">
      <h2 id="begin">{isNew ? "Getting started" : "Try it"}</h2>
      <ol className={styles.steps}>
        {isNew ? (
          <>
            <li>
              <FirstEvent />
            </li>
            <li>
              Look at it on the <Link href="/events">Events page</Link>: open it, and see each step of its proof.
            </li>
          </>
        ) : null}
        {isDemo ? (
          <li>
            <Tamper status={status} isEmpty={size === 0} />
          </li>
        ) : null}
      </ol>
    </section>
  );
}

/** Those that fill the log for a demonstration have other sources than the line that is copied here. */
function useHasOwnEvent(isAsked: boolean): boolean {
  const found = useQuery({
    queryKey: ["own-event"],
    queryFn: ({ signal }) => ask<EventPage>(`api/v1/events?limit=1&sourceAppId=${OWN_SOURCE}`, { signal }),
    enabled: isAsked,
    refetchInterval: ({ state }) => ((state.data?.body.events.length ?? 0) > 0 ? false : LOOK_EVERY_MS),
  });
  // Not known yet is not shown for a moment and then taken away.
  return isAsked && (found.data === undefined || found.data.body.events.length > 0);
}

/** Where faults may be made, the shortest way to see one found: on a node that does not serve this page. */
function Tamper({ status, isEmpty }: { readonly status: ClusterView; readonly isEmpty: boolean }) {
  const { strike, said, isPending } = useStrike();
  const victim = status.nodes.filter(({ role }) => role === "follower").at(-1)?.id;
  if (victim === undefined) return <>Wait until a follower answers, then alter an event in its database.</>;
  return (
    <>
      <p>
        Be the one who tampers: change the newest event in the MongoDB of {victim}, behind its back. Within seconds its
        row of the <Link href="/chain">chain</Link> breaks, and an <Link href="/alerts">alert</Link> names the event and
        the field. More faults are on the <Link href="/cluster">Cluster page</Link>.
      </p>
      <Button disabled={isPending || isEmpty} onClick={() => strike({ action: "tamper", node: victim })}>
        Alter an event on {victim}
      </Button>
      <p role="status">{said}</p>
    </>
  );
}
