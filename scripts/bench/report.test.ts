import { describe, expect, it } from "vitest";
import { type BenchReport, markdownText, terminalText } from "./report.js";
import { type ArmRun, ratiosOf } from "./runner.js";
import { LeaderWatch } from "./soak.js";
import { median } from "./statistics.js";
import { lagOf } from "./stream-lag.js";

const run = (perSecond: number, sustainedPerSecond: number, remarks: string[] = []): ArmRun => ({
  operations: 10,
  events: 10,
  seconds: 1,
  catchUpSeconds: 0.5,
  perSecond,
  sustainedPerSecond,
  p50Ms: 1,
  p99Ms: 2,
  p999Ms: null,
  errors: {},
  dropped: 0,
  remarks,
  uses: { follower: { processes: 2, cores: 0.5, microsPerEvent: 120, wakeupsPerEvent: 1.25 } },
});
const common = { clients: 16, perSecondDue: null, catchesUp: "all is readable" };
const arms = [
  { label: "quorumlog", ...common, rounds: [run(400, 200), run(900, 600), run(500, 330, ["1 failed: 503 no_quorum"])] },
  { label: "mongodb", ...common, rounds: [run(100, 100), run(300, 200), run(110, 110)] },
];
const report: BenchReport = {
  schemaVersion: 2,
  startedAt: "2026-01-02T03:04:05.678Z",
  minutes: 1,
  machine: {
    cores: 2,
    cpu: "x",
    memoryGb: 4,
    platform: "linux x64",
    fileSystem: "ext4",
    disk: "SSD",
    fdatasyncMs: 0.1,
    node: "v20",
    mongod: "7",
    etcd: "not on PATH",
    nats: "not on PATH",
    commit: "abc",
    loadAverage: 0.1,
  },
  calibration: [{ what: "one Ed25519 verification", loopMicros: 73.44, pacedMicros: 120 }],
  options: {
    seconds: 1,
    rounds: 3,
    clients: [16],
    rates: [],
    only: [],
    events: 20_000,
    fill: "batch",
    against: [],
    before: null,
    variants: [],
  },
  eventBytes: 250,
  systems: { quorumlog: "Quorumlog" },
  absent: ["etcd: not on PATH, so not measured."],
  measurements: [{ name: "append-16", group: "Appends", arms, ratios: ratiosOf(arms) }],
  streamLag: [],
  memory: [
    {
      label: "n1",
      isNode: true,
      maxMb: 180,
      medianMb: 150,
      during: { "append-16": 160, "page-hot-16": 180 },
      samples: 9,
    },
    { label: "n2", isNode: true, maxMb: 170, medianMb: 150, during: { "append-16": 170 }, samples: 9 },
    { label: "mongod of n1", isNode: false, maxMb: 400, medianMb: 300, during: { "append-16": 400 }, samples: 9 },
  ],
};

describe("the report", () => {
  it("takes the median of the ratios within each round, not the ratio of medians", () => {
    expect(ratiosOf(arms)).toEqual([{ to: "mongodb", acknowledged: 4, sustained: 3, sustainedRange: [2, 3] }]);
  });

  it("shows medians, the ratio at the system it is to, what is absent and what failed", () => {
    const text = markdownText(report);
    expect(text).toContain("| append-16 | quorumlog | 500 | 330 | 0.50 | 1.00 | 2.00 | – |  |");
    expect(text).toContain("| × 3.00 (2.00–3.00) |");
    expect(text).toContain("- etcd: not on PATH, so not measured.");
    expect(text).toContain("- append-16, quorumlog, round 3: 1 failed: 503 no_quorum.");
    expect(terminalText(report)).toMatch(/append-16 {2}quorumlog +500 +330/);
  });

  it("gives what each process of a role used, memory by measurement, and what the machine takes for known work", () => {
    const text = markdownText(report);
    expect(text).toContain("| append-16 | quorumlog | 2 × follower 0.50 (120, 1.25) |");
    expect(text).toContain("| append-16 | n1 160, n2 170 |\n| page-hot-16 | n1 180 |");
    expect(text).toContain("one Ed25519 verification 73.4 (120.0)");
  });

  it("says so when the machine was not idle", () => {
    const busy = { ...report, machine: { ...report.machine, loadAverage: 3 } };
    expect(markdownText(busy)).toContain("The machine was not idle at the start: load average 3.");
  });
});

it("the lag of a stream counts from the acknowledgement, and events that never came are counted", () => {
  const acknowledgements = [10, 20, 30, 40].map((atMs, sequence) => ({ sequence, atMs }));
  const lag = lagOf(acknowledgements, [
    [0, 9],
    [1, 25],
    [3, 41],
  ]);
  expect([lag.events, lag.missing, lag.shareBeforeAnswer]).toEqual([3, 1, 1 / 3]);
  expect([lag.p50Ms, lag.maxMs].map(Math.round)).toEqual([1, 5]);
});

it("a soak notes each view of the leader that differs from the one before", () => {
  const watch = new LeaderWatch();
  const n3 = [{ leaderId: "n3", term: 1 }];
  watch.look(1, n3);
  watch.look(2, undefined);
  watch.look(3, n3);
  watch.look(4, [...n3, { leaderId: null, term: 2 }]);
  expect([watch.changes, watch.silentLooks]).toEqual([
    ["1 s: n3 in term 1", "4 s: n3 in term 1 / no leader in term 2"],
    1,
  ]);
});

it("a median of an even number of values lies between the middle two", () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN]);
});
