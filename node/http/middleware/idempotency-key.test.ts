import type { IncomingMessage } from "node:http";
import { expect, it } from "vitest";
import { ProblemError } from "../../problems.js";
import { idempotencyKey } from "./idempotency-key.js";

function request(...keys: string[]): IncomingMessage {
  const sent = keys.length > 0;
  const headers = sent ? { "idempotency-key": keys.join(", ") } : {};
  return {
    headers,
    trailers: {},
    headersDistinct: sent ? { "idempotency-key": keys } : {},
  } as unknown as IncomingMessage;
}

it("reads a key quoted or bare, the same either way", () => {
  expect(idempotencyKey(request())).toBeUndefined();
  expect(idempotencyKey(request("abc-1"))).toBe("abc-1");
  expect(idempotencyKey(request('"abc-1"'))).toBe("abc-1");
  expect(idempotencyKey(request('"a \\"b\\" \\\\c"'))).toBe('a "b" \\c');
  expect(idempotencyKey(request("x".repeat(255)))).toHaveLength(255);
  expect(idempotencyKey(request(`"${"x".repeat(255)}"`))).toHaveLength(255);
});

it.each(["", '""', '"open', '"a"b"', "x".repeat(256), "tab\t", "é", '"\\n"'])("refuses %j", (key) => {
  expect(() => idempotencyKey(request(key))).toThrow(ProblemError);
});

it("refuses two keys", () => {
  expect(() => idempotencyKey(request("a", "b"))).toThrow("more than once");
});
