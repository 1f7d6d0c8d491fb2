import { expect, it, onTestFinished } from "vitest";
import { tellTamperStory } from "../../scripts/demo/tamper-story.js";
import { startSteadyCluster } from "../support/cluster.js";

it("npm run demo:tamper tells of node, event, field and both values, and of what was done", async () => {
  const cluster = await startSteadyCluster();
  onTestFinished(() => cluster.stop());
  const lines: string[] = [];
  const { alert, sequence, victim, isRepaired, isVerified } = await tellTamperStory(cluster, (line) =>
    lines.push(line),
  );
  const story = lines.join("\n");
  expect([isRepaired, isVerified], story).toEqual([true, true]);
  expect(alert).toMatchObject({ kind: "payload_modified", node: victim, sequence });
  for (const text of [
    `node     ${victim}`,
    `event    ${sequence}`,
    "dataPayload.amount",
    "found    925000",
    "was      125000",
  ])
    expect(story).toContain(text);
  // What was changed is nowhere shown as an event.
  expect(story).not.toContain("answers amount 925000");
}, 900_000);
