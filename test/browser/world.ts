import type { Browser } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import type { Cluster, ClusterOptions } from "../../scripts/cluster/cluster.js";
import { startSteadyCluster } from "../support/cluster.js";
import { openBrowser } from "./browser.js";

/** What all journeys of one file go through. */
export interface World {
  readonly cluster: Cluster;
  readonly browser: Browser;
  /** A follower's: every page works on each node. */
  readonly url: string;
}

interface WorldOptions {
  /** Asked for before the cluster is started. */
  readonly options?: () => Promise<ClusterOptions>;
  readonly prepare?: (world: World) => Promise<unknown>;
  /** When the cluster is to stop. */
  readonly heal?: () => void;
}

/** Starts a cluster and a browser before the first of them, and ends both behind the last. */
export function openWorld({ options, prepare, heal }: WorldOptions = {}): World {
  let cluster: Cluster | undefined;
  let browser: Browser | undefined;
  let url = "";
  const world: World = {
    get cluster() {
      return started(cluster);
    },
    get browser() {
      return started(browser);
    },
    get url() {
      return url;
    },
  };
  beforeAll(async () => {
    [cluster, browser] = await Promise.all([startSteadyCluster(await options?.()), openBrowser()]);
    const { node: leader } = await cluster.leader();
    url = cluster.nodes.find(({ id }) => id !== leader.id)?.url ?? leader.url;
    await prepare?.(world);
  });
  afterAll(async () => {
    await browser?.close();
    heal?.();
    await cluster?.stop();
  });
  return world;
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("It is not started yet.");
  return part;
}
