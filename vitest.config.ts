import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Those that take longest, the longest first: what is begun last must not go on alone. */
const SLOW = [
  "test/sim/simulation.test.ts",
  "test/chaos/chaos.test.ts",
  "scripts/kill-leader.mongo.test.ts",
  "test/integration/recovery.test.ts",
  "test/integration/no-false-alarm.test.ts",
  "test/integration/start.test.ts",
  "test/integration/stream-own.test.ts",
  "test/integration/idempotency.test.ts",
  "test/integration/fuzz.test.ts",
];

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = SLOW.findIndex((file) => moduleId.endsWith(file));
      return at === -1 ? SLOW.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/**
 * Four kinds of test: `unit` (beside the code, no process, no mongod), `sim` (the seeded simulator),
 * `integration` (real mongods, real processes, real sockets) and `browser` (the dashboard in a real Chromium).
 */
interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Breaks the product on purpose for `npm run simulate:mutants`, which says where. */
const broken = (patches: readonly Patch[]) => ({
  name: "broken-on-purpose",
  enforce: "pre" as const,
  transform: (code: string, id: string): string | null => {
    const here = patches.filter(({ file }) => id.endsWith(`/${file}`));
    return here.length === 0 ? null : here.reduce((text, { find, replace }) => text.replace(find, () => replace), code);
  },
});

/** Time limits are for what never ends: a machine that does much else is slow. */
const PATIENT = { testTimeout: 600_000, hookTimeout: 600_000, expect: { poll: { timeout: 120_000 } } };

export default defineConfig({
  test: {
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        plugins: [broken(JSON.parse(process.env.MUTANT_PATCHES ?? "[]"))],
        test: {
          name: "unit",
          include: ["{shared,cluster,node,dashboard,scripts}/**/*.test.ts", "test/{contracts,mutants}/**/*.test.ts"],
          exclude: ["**/*.mongo.test.ts"],
          ...PATIENT,
          // One for each of two cores; unless it is said there is one less.
          maxWorkers: 2,
        },
      },
      {
        plugins: [broken(JSON.parse(process.env.MUTANT_PATCHES ?? "[]"))],
        test: {
          name: "sim",
          include: ["test/sim/**/*.test.ts", "test/scenarios/**/*.test.ts"],
          runner: "./test/sim/macrotask-runner.mjs",
          // The 10,000 seeds take half an hour where both cores are busy.
          testTimeout: 4_500_000,
          // One waits for the processes of the compiled simulator.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/{integration,chaos}/**/*.test.ts", "{node,scripts,shared}/**/*.mongo.test.ts"],
          ...PATIENT,
          // Half of their time is waiting, for elections and deadlines: two at a time are what two cores can do.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          ...PATIENT,
          // A browser and three nodes are enough for two cores.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
