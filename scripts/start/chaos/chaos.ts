import type { Cluster } from "../../cluster/cluster.js";
import type { MemberEvent } from "../../cluster/member.js";
import { ChaosDesk } from "./desk.js";
import { ChaosServer } from "./server.js";

/** Faults on demand for the cluster of this start: who makes them, where they are asked for, and what nodes are told. */
export class Chaos {
  private constructor(
    private readonly desk: ChaosDesk,
    private readonly server: ChaosServer,
  ) {}

  static async open(ids: readonly string[], ports: readonly number[], say: (line: string) => void): Promise<Chaos> {
    const desk = await ChaosDesk.open(ids, ports, say);
    return new Chaos(desk, await ChaosServer.open(desk));
  }

  environmentOf(id: string): NodeJS.ProcessEnv {
    const CHAOS_LINKS = this.desk.linksOf(id);
    return { CHAOS_URL: this.server.url, ...(CHAOS_LINKS === "" ? {} : { CHAOS_LINKS }) };
  }

  attach(cluster: Cluster): void {
    this.desk.attach(cluster);
  }

  onEvent(event: MemberEvent): void {
    this.desk.onEvent(event);
  }

  /** Nothing is struck any more, and what was struck can be stopped in order. */
  heal(): void {
    this.desk.heal();
  }

  async close(): Promise<void> {
    await Promise.all([this.server.close(), this.desk.close()]);
  }
}
