import { expect, it } from "vitest";
import type { Field } from "./fault.js";
import { PROCESS_FAULTS } from "./processes.js";

it("takes a leader that another fault has just ended for one that cannot step down", async () => {
  // Nothing listens on port 1.
  const field = { cluster: { node: () => ({ url: "http://127.0.0.1:1" }) } } as unknown as Field;
  expect(await PROCESS_FAULTS["step-down"].strike(field, ["n1"])).toBeInstanceOf(Function);
});
