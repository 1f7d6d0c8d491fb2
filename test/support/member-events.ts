import type { Cluster } from "../../scripts/cluster/cluster.js";
import type { MemberEvent } from "../../scripts/cluster/member.js";
import { eventually } from "./eventually.js";

type Down = Extract<MemberEvent, { kind: "down" }>;

/** What a cluster's supervisor told, for tests of members that end for good. */
export class MemberEvents {
  readonly all: MemberEvent[] = [];
  readonly onEvent = (event: MemberEvent): void => void this.all.push(event);

  /** Waits until a program stays down, after the first `from` events. */
  down(program: string, from = 0): Promise<Down> {
    return eventually(
      () => this.all.slice(from).find((one): one is Down => one.kind === "down" && one.program === program),
      40_000,
      `${program} stays down`,
    );
  }

  /** Starts a node that cannot go on, and waits until it has ended. */
  startToEnd(cluster: Cluster, id: string): Promise<Down> {
    const from = this.all.length;
    // It never comes up: what is awaited is its end.
    void cluster.start(id).catch(() => undefined);
    return this.down(id, from);
  }
}
