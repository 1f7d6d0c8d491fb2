import { expect, it } from "vitest";
import { alertKey } from "./alert-key.js";

it("tells the alerts of two nodes about the same block apart: each is decided for itself", () => {
  const finding = { kind: "bad_signature", accused: "n1", height: 5 };
  expect(alertKey({ ...finding, node: "n2" })).not.toBe(alertKey({ ...finding, node: "n3" }));
  expect(alertKey({ ...finding, node: "n2" })).toBe(alertKey({ ...finding, node: "n2" }));
});
