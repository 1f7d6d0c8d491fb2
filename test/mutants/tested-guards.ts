import { CORE_GUARDS } from "./core-guards.js";
import type { Scenario } from "./mutant.js";
import { REPLICA_GUARDS } from "./replica-guards.js";

/** Of each guard in which no seed sees a mistake, the test that does. */
export const TESTED: Readonly<Record<string, Scenario>> = Object.fromEntries(
  [...CORE_GUARDS, ...REPLICA_GUARDS].flatMap(([test, guards]) => guards.map((guard) => [guard, test])),
);
