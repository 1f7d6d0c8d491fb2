import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { Link } from "wouter";
import { DEMO_EVENTS } from "../../shared/demo.js";
import { ask } from "../api/client.js";
import { useChaos } from "../api/queries.js";
import type { ClusterView, EventPage } from "../api/types.js";
import { useStrike } from "../api/use-strike.js";
import { Button } from "../parts/button.js";
import { FirstEvent } from "../parts/first-event.js";
import page from "../parts/page.module.css";
import styles from "./overview.module.css";
import { hasOwnEvent } from "./own-events.js";

interface GettingStartedProps {
  readonly status: ClusterView;
  readonly size: number;
}

/** What to do first. It goes once there is an event of one's own, but for faults, where they may be made. */
export function GettingStarted({ status, size }: GettingStartedProps) {
  const isDemo = useChaos().data?.body.allowed === true;
  const isNew = !useHasOwnEvent(size);
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

/** A log with more events than a demonstration has is not looked into: somebody has logged them. */
function useHasOwnEvent(size: number): boolean {
  // An event is never taken out again: once one was found, nothing more is asked.
  const wasFound = useRef(false);
  const isAsked = size > 0 && size <= DEMO_EVENTS && !wasFound.current;
  const found = useQuery({
    queryKey: ["own-event", size],
    queryFn: ({ signal }) => ask<EventPage>(`api/v1/events?limit=${DEMO_EVENTS}&order=desc`, { signal }),
    enabled: isAsked,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
  if (!isAsked) return size > 0;
  // Not known yet is not shown for a moment and then taken away.
  if (found.data === undefined) return true;
  wasFound.current = hasOwnEvent(found.data.body.events);
  return wasFound.current;
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
