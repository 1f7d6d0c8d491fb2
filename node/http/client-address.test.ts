import { expect, it } from "vitest";
import { clientOf } from "./client-address.js";

it.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::1", "0:0:0:0"],
  ["2001:db8:1:2::7", "2001:db8:1:2"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::2:3:4:5:6", "2001:db8:0:2"],
  ["2001:db8::7", "2001:db8:0:0"],
  ["fe80::1%eth0", "fe80:0:0:0"],
])("%s counts as %s", (remoteAddress, counted) => {
  expect(clientOf({ remoteAddress })).toBe(counted);
});

it("a connection that is gone is nobody's", () => {
  expect(clientOf({})).toBe("");
});
