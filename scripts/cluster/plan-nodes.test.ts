import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { StartError } from "../lib/command.js";
import { listenProblem } from "../lib/processes.js";
import { clusterSecret, refusePorts } from "./plan-nodes.js";

vi.mock("../lib/processes.js", () => ({ listenProblem: vi.fn() }));

it("a secret that cannot be read is told with what to do", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorumlog-secret-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "cluster-secret"));
  writeFileSync(join(folder, "cluster-secret", "x"), "");
  expect(() => clusterSecret(folder)).toThrow(/made or read: a folder .*user who owns it, or set DATA_DIR/);
});

it("a name service that does not answer is no setting that a person must change", async () => {
  const told = async (code: string): Promise<Error> => {
    vi.mocked(listenProblem).mockResolvedValue(Object.assign(new Error(code), { code }));
    return refusePorts([3000], "db.example").then(
      () => new Error("nothing was refused"),
      (error: Error) => error,
    );
  };
  expect(await told("ENOTFOUND")).toBeInstanceOf(StartError);
  const again = await told("EAI_AGAIN");
  expect(again).not.toBeInstanceOf(StartError);
  expect(again.message).toMatch(/the name service does not answer/);
});
