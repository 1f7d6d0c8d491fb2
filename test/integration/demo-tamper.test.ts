import { expect, it, onTestFinished } from "vitest";
import { tellTamperStory } from "../../scripts/demo/tamper-story.js";
import { startSteadyCluster } from "../support/cluster.js";
import { call } from "./api-support.js";

it("npm run demo:tamper tells of node, event, field and both values, and of what was done", async () => {
  const cluster = await startSteadyCluster();
  onTestFinished(() => cluster.stop());
  const lines: string[] = [];
  const { alert, sequence, victim, notes, isVerified } = await tellTamperStory(cluster, (line) => lines.push(line));
  const story = lines.join("\n");
  expect(isVerified, story).toBe(true);
  expect(alert).toMatchObject({ kind: "payload_modified", node: victim, sequence });
  for (const text of [
    `node     ${victim}`,
    `event    ${sequence}`,
    "dataPayload.amount",
    "found    925000",
    "was      125000",
  ])
    expect(story).toContain(text);
  // What it shows of the log stands there, on every node, with who decided and why.
  expect(notes.map(({ node, id, action, actor }) => [node, id, action, actor])).toEqual([
    [victim, alert.id, "opened", undefined],
    [victim, alert.id, "repair_begun", "you"],
    [victim, alert.id, "repaired", undefined],
  ]);
  for (const { url } of cluster.nodes)
    for (const { height, node: _node, ...note } of notes) {
      const { control } = (await call(`${url}/api/v1/blocks/${height}`)).body.header;
      expect(control).toMatchObject({ kind: "alert_records", node: victim });
      expect(control.notes).toContainEqual(note);
      expect(story).toContain(`block ${height}, by ${victim}: ${note.action}`);
      if (note.action === "repaired") expect(story).toContain(JSON.stringify(control));
      // Names of fields and hashes, and no value.
      expect(JSON.stringify(control)).not.toMatch(/\b[19]25000\b/);
    }
  expect(notes.find(({ action }) => action === "repair_begun")?.reason).toBe("the demonstration is over");
  // What was changed is nowhere shown as an event.
  expect(story).not.toContain("answers amount 925000");
}, 900_000);
