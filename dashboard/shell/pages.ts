import { type ComponentType, lazy } from "react";
import { AlertsPage } from "../alerts/alerts-page.js";
import { ChainPage } from "../chain/chain-page.js";
import { ClusterPage } from "../cluster/cluster-page.js";
import { EventsPage } from "../events/events-page.js";
import { OverviewPage } from "../overview/overview-page.js";

/** Loaded when they are opened. */
const VerifyPage = lazy(() => import("../verify/verify-page.js").then((module) => ({ default: module.VerifyPage })));
const DocsPage = lazy(() => import("../docs/docs-page.js").then((module) => ({ default: module.DocsPage })));

const ReportPage = lazy(() => import("../report/report-page.js").then((module) => ({ default: module.ReportPage })));

export interface Page {
  readonly path: string;
  readonly title: string;
  /** Pressed after `g`. */
  readonly key: string;
  readonly component: ComponentType;
}

/** What stands in the rail: pages that are there. */
export const PAGES: readonly Page[] = [
  { path: "/", title: "Overview", key: "o", component: OverviewPage },
  { path: "/events", title: "Events", key: "e", component: EventsPage },
  { path: "/chain", title: "Chain", key: "c", component: ChainPage },
  { path: "/cluster", title: "Cluster", key: "n", component: ClusterPage },
  { path: "/alerts", title: "Alerts", key: "a", component: AlertsPage },
  { path: "/verify", title: "Verify", key: "v", component: VerifyPage },
  { path: "/report", title: "Report", key: "r", component: ReportPage },
  { path: "/docs", title: "API docs", key: "d", component: DocsPage },
];
