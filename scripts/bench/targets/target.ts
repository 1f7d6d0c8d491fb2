import type { LoadProcess } from "../load/load-process.js";
import type { LoadTarget, Work } from "../load/spec.js";

/** A process of a system under test. */
export interface Watched {
  /** As reports name it: `n3`, `mongod of n3`. */
  readonly label: string;
  /** What it does: `leader`, `follower`, `its mongod`, `primary`, … */
  readonly role: string;
  readonly pid: number;
}

/** Where a system stands: compared before and after a run. */
export interface Standing {
  readonly leader: string;
  /** How many events it holds; undefined where that is not asked. */
  readonly size: number | undefined;
}

/** Which servers the clients speak to. MongoDB's driver always chooses the primary. */
export type Place = "leader" | "followers" | "all";

/** A system under test, running, with its own load process. */
export interface Target {
  readonly name: string;
  readonly title: string;
  readonly load: LoadProcess;
  /** What the catch-up waits for, for the report; undefined where there is nothing to wait for. */
  readonly catchesUp: string | undefined;
  /** Whether it has what that work asks for, in a form that can be compared. */
  takes(work: Work): boolean;
  at(place: Place): Promise<LoadTarget>;
  standing(): Promise<Standing>;
  processes(): Promise<Watched[]>;
  /** Resolves when all that was acknowledged can be read on every member. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
}
