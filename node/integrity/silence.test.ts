import { expect, it } from "vitest";
import type { Clock } from "../clock.js";
import { SCRUB_SILENT_MS, Silence, WATCH_SILENT_MS } from "./silence.js";

const START = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

function setUp() {
  let look = (): void => {};
  const standing = {
    now: 0,
    wall: START,
    isOpen: true,
    signs: 0,
    isWatching: true,
    steps: 0,
    isPassing: false,
    holds: true,
    nextRunAt: null as number | null,
    isScrubTold: false,
    begunAnew: [] as boolean[],
  };
  const said: string[] = [];
  const nextHour = (): number => (Math.floor(standing.wall / HOUR_MS) + 1) * HOUR_MS;
  const clock = {
    now: () => standing.now,
    wall: () => new Date(standing.wall).toISOString(),
    every: (_ms: number, action: () => void) => {
      look = action;
      return () => {
        look = () => {};
      };
    },
  } as unknown as Clock;
  const silence = new Silence({
    clock,
    isStoreOpen: () => standing.isOpen,
    watch: {
      signs: () => standing.signs,
      isExpected: () => standing.isWatching,
      onSilent: () => said.push("watch"),
    },
    scrub: {
      steps: () => standing.steps,
      isUnderWay: () => standing.isPassing,
      holdsBlocks: () => standing.holds,
      nextRunAt: () => standing.nextRunAt,
      onClockSet: (isMissed: boolean) => {
        standing.begunAnew.push(isMissed);
        standing.nextRunAt = nextHour();
      },
      onSilent: () => {
        standing.isScrubTold = true;
        said.push("scrub");
      },
      onHeard: () => {
        if (standing.isScrubTold) said.push("scrub again");
        standing.isScrubTold = false;
      },
    },
  });
  silence.start();
  /** Time passes, and it looks once a second; `meanwhile` is what else goes on. */
  const pass = (ms: number, meanwhile: () => void = () => {}): void => {
    for (let at = 0; at < ms; at += 1_000) {
      standing.now += 1_000;
      standing.wall += 1_000;
      meanwhile();
      look();
    }
  };
  const jump = (ms: number): void => {
    standing.now += ms;
    standing.wall += ms;
    look();
  };
  return { silence, standing, said, pass, jump };
}

it("tells of a watch that has said nothing for its bound, once, and again after it was heard", () => {
  const { standing, said, pass, silence } = setUp();
  pass(WATCH_SILENT_MS);
  expect(said).toEqual([]);
  pass(2_000);
  expect(said).toEqual(["watch"]);
  pass(10 * WATCH_SILENT_MS);
  expect(said).toEqual(["watch"]);
  standing.signs += 1;
  pass(WATCH_SILENT_MS);
  expect(said).toEqual(["watch"]);
  pass(2_000);
  expect(said).toEqual(["watch", "watch"]);
  silence.stop();
  standing.signs += 1;
  pass(10 * WATCH_SILENT_MS);
  expect(said).toHaveLength(2);
});

it("says nothing of a watch that goes on, is known to be down, or whose store does not answer", () => {
  const { standing, said, pass } = setUp();
  pass(10 * WATCH_SILENT_MS, () => {
    standing.signs += 1;
  });
  standing.isWatching = false;
  pass(10 * WATCH_SILENT_MS);
  standing.isWatching = true;
  standing.isOpen = false;
  pass(10 * WATCH_SILENT_MS);
  expect(said).toEqual([]);
});

it("takes no pause of its own process for silence", () => {
  const { said, jump } = setUp();
  jump(3_600_000);
  jump(1_000);
  expect(said).toEqual([]);
});

it("tells of a pass that comes no further, and that it goes on again", () => {
  const { standing, said, pass } = setUp();
  standing.signs = 1;
  standing.isPassing = true;
  const alive = (): void => {
    standing.signs += 1;
  };
  const withSteps = (): void => {
    alive();
    standing.steps += 1;
  };
  pass(2 * SCRUB_SILENT_MS, withSteps);
  expect(said).toEqual([]);
  pass(SCRUB_SILENT_MS + 2_000, alive);
  expect(said).toEqual(["scrub"]);
  pass(1_000, withSteps);
  expect(said).toEqual(["scrub", "scrub again"]);
});

it("ends with the first step what an earlier process has told of", () => {
  const { standing, said, pass } = setUp();
  standing.isScrubTold = true;
  pass(2_000);
  expect(said).toEqual([]);
  standing.steps += 1;
  pass(2_000);
  expect(said).toEqual(["scrub again"]);
});

it("tells of a pass that is due and does not begin, and not while there is nothing to verify", () => {
  const { standing, said, pass } = setUp();
  const alive = (): void => {
    standing.signs += 1;
  };
  standing.nextRunAt = START + 60_000;
  standing.steps = 1;
  pass(1_000, alive);
  standing.holds = false;
  pass(2 * SCRUB_SILENT_MS, alive);
  expect(said).toEqual([]);
  standing.holds = true;
  pass(SCRUB_SILENT_MS + 2_000, alive);
  expect(said).toEqual(["scrub"]);
});

it("asks for nothing before its time", () => {
  const { standing, said, pass } = setUp();
  standing.nextRunAt = START + 86_400_000;
  standing.steps = 1;
  pass(10 * SCRUB_SILENT_MS, () => {
    standing.signs += 1;
  });
  expect(said).toEqual([]);
});

it.each([10.5 * HOUR_MS, -10.5 * HOUR_MS, 90_000])(
  "takes a wall clock that is set by %i ms for no pass that is due, and has the schedule wait anew",
  (byMs) => {
    const { standing, said, pass } = setUp();
    const alive = (): void => {
      standing.signs += 1;
    };
    standing.nextRunAt = START + HOUR_MS;
    standing.steps = 1;
    pass(HOUR_MS - 60_000, alive);
    expect(standing.begunAnew).toEqual([]);
    standing.wall += byMs;
    pass(HOUR_MS / 2, alive);
    expect([said, standing.begunAnew]).toEqual([[], [byMs > 60_000]]);
    // The pass that is due by the new time is asked for as before.
    pass(2 * HOUR_MS, alive);
    expect(said).toEqual(["scrub"]);
  },
);
