import { expect, it } from "vitest";
import { baseUrl } from "./base-url.js";

it.each([
  ["127.0.0.1", "http://127.0.0.1:3000"],
  ["0.0.0.0", "http://127.0.0.1:3000"],
  ["::", "http://[::1]:3000"],
  ["::1", "http://[::1]:3000"],
  ["192.0.2.2", "http://192.0.2.2:3000"],
  ["2001:db8::2", "http://[2001:db8::2]:3000"],
  ["db1.example", "http://db1.example:3000"],
])("a node that listens on %s is called at %s", (host, url) => {
  expect(baseUrl(host, 3000)).toBe(url);
  expect(new URL(baseUrl(host, 3000)).port).toBe("3000");
});
