import { Tabs } from "@base-ui/react/tabs";
import { useEffect, useRef } from "react";
import { AccusedNote } from "../alerts/accused-note.js";
import { LentNote } from "../alerts/lent-note.js";
import { count } from "../lib/format.js";
import { useParameters } from "../lib/hash-location.js";
import { Button } from "../parts/button.js";
import { CopyButton } from "../parts/copy-button.js";
import { isOutdated, Outdated } from "../parts/outdated.js";
import { Failure, Loading } from "../parts/states.js";
import { useVerification, type Verified } from "../verify/use-verification.js";
import { Verdict } from "../verify/verdict.js";
import styles from "./event-drawer.module.css";
import { CurlPanel, FieldsPanel, HashPanel, JsonPanel, NodesPanel } from "./event-panels.js";

const TABS = ["fields", "json", "hash", "nodes", "curl"] as const;
const TITLES = { fields: "Fields", json: "JSON", hash: "Hash", nodes: "Nodes", curl: "curl" } as const;
type Tab = (typeof TABS)[number];
const isTab = (text: string): text is Tab => TABS.some((tab) => tab === text);

/** One event beside the list: what it says, and whether it holds. */
export function EventDrawer({ sequence, onClose }: { readonly sequence: number; onClose(): void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { parameters, change } = useParameters();
  const verified = useVerification(sequence);
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    const onKey = ({ key, defaultPrevented }: KeyboardEvent): void => {
      // A dialog over the page closes first.
      if (key === "Escape" && !defaultPrevented && document.querySelector('[role="dialog"]') === null) onClose();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [onClose]);
  const asked = parameters.get("tab") ?? "";
  const tab = isTab(asked) ? asked : "fields";
  return (
    <aside className={styles.drawer} aria-label={`Event ${count(sequence)}`}>
      <header className={styles.header}>
        <h2 ref={heading} tabIndex={-1}>
          Event {count(sequence)}
        </h2>
        <CopyButton text={window.location.href} label="Copy link" />
        <Button onClick={onClose}>Close</Button>
        <div className={styles.verdict}>
          <Verdict verified={verified.data} isOutdated={isOutdated(verified)} />
        </div>
      </header>
      <Outdated asked={verified} />
      <AccusedNote sequence={sequence} />
      {verified.data === undefined ? null : <LentNote what="This event" isProved sources={verified.data.sources} />}
      {verified.data === undefined ? (
        verified.error === null ? (
          <Loading what={`event ${sequence}`} />
        ) : (
          <Failure error={verified.error} onRetry={() => void verified.refetch()} />
        )
      ) : (
        <Tabs.Root value={tab} onValueChange={(next) => change({ tab: String(next) }, { replace: true })}>
          <Tabs.List className={styles.tabs} activateOnFocus>
            {TABS.map((name) => (
              <Tabs.Tab key={name} value={name} className={styles.tab}>
                {TITLES[name]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {TABS.map((name) => (
            <Tabs.Panel key={name} value={name} className={styles.panel}>
              <Panel tab={name} verified={verified.data} />
            </Tabs.Panel>
          ))}
        </Tabs.Root>
      )}
    </aside>
  );
}

function Panel({ tab, verified }: { readonly tab: Tab; readonly verified: Verified }) {
  switch (tab) {
    case "fields":
      return <FieldsPanel verified={verified} />;
    case "json":
      return <JsonPanel verified={verified} />;
    case "hash":
      return <HashPanel verified={verified} />;
    case "nodes":
      return <NodesPanel verified={verified} />;
    case "curl":
      return <CurlPanel verified={verified} />;
    default:
      return tab satisfies never;
  }
}
