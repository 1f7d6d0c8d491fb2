import { Suspense, useEffect, useRef, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { openCount } from "../alerts/standing.js";
import { useAlerts, useCluster } from "../api/queries.js";
import { useStream } from "../api/use-stream.js";
import { witness } from "../cluster/witness.js";
import { usePageKeys } from "../lib/page-keys.js";
import { useZone } from "../lib/zone.js";
import { Empty, Loading } from "../parts/states.js";
import { Banners } from "./banners.js";
import { Boundary } from "./boundary.js";
import { Help } from "./help.js";
import { PAGES } from "./pages.js";
import styles from "./shell.module.css";
import { TopBar } from "./top-bar.js";
import { useShortcuts } from "./use-shortcuts.js";

/** What stands around every page: the bar on top, the rail, what is wrong now, and the keys. */
export function Shell() {
  useStream();
  const cluster = useCluster();
  const alerts = useAlerts();
  const zone = useZone();
  const areKeysOn = usePageKeys();
  const [path] = useLocation();
  const [isHelpOpen, setHelpOpen] = useState(false);
  useShortcuts({ onHelp: () => setHelpOpen(true) });
  useEffect(() => {
    if (cluster.data !== undefined) witness.note(cluster.data.body, cluster.dataUpdatedAt);
  }, [cluster.data, cluster.dataUpdatedAt]);
  useAnotherLog(cluster.data?.body.clusterId);
  const title = PAGES.find((page) => page.path === path)?.title ?? "No such page";
  const open = alerts.data === undefined ? 0 : openCount(alerts.data.body);
  useEffect(() => {
    document.title = `${open > 0 ? `(${open}) ` : ""}${title} · Quorumlog`;
  }, [open, title]);
  return (
    <div className={styles.shell}>
      <button type="button" className={styles.skip} onClick={skipToMain}>
        Skip to the page
      </button>
      <TopBar cluster={cluster} onHelp={() => setHelpOpen(true)} />
      <nav className={styles.rail} aria-label="Pages">
        <ul>
          {PAGES.map((page) => (
            <li key={page.path}>
              <Link href={page.path} aria-current={page.path === path ? "page" : undefined}>
                <span>{page.title}</span>
                {page.path === "/alerts" && open > 0 ? <span className={styles.count}>{open}</span> : null}
                {areKeysOn ? (
                  <span className={styles.keys} aria-hidden="true">
                    g {page.key}
                  </span>
                ) : null}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" className={styles.main} tabIndex={-1}>
        <Banners cluster={cluster} />
        <Boundary key={path}>
          <Suspense fallback={<Loading what="this page" />}>
            {/* Another zone is another text for every time: all of the page is drawn anew. */}
            <Switch key={zone}>
              {PAGES.map(({ path: at, component }) => (
                <Route key={at} path={at} component={component} />
              ))}
              <Route>
                <Empty title="There is no such page">
                  <Link href="/">Go to the overview</Link>
                </Empty>
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </main>
      <Help isOpen={isHelpOpen} onOpenChange={setHelpOpen} />
    </div>
  );
}

/** Not a link: the `#` holds the page's state. */
function skipToMain(): void {
  document.getElementById("main")?.focus();
}

/** The node was started with another log: nothing that is shown belongs to it. */
function useAnotherLog(clusterId: string | undefined): void {
  const known = useRef("");
  useEffect(() => {
    if (clusterId === undefined || clusterId === "") return;
    if (known.current !== "" && known.current !== clusterId) window.location.reload();
    known.current = clusterId;
  }, [clusterId]);
}
