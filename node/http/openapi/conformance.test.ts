import { expect, it } from "vitest";
import { deviations, type Exchange } from "../../../test/support/conformance.js";

const url = "http://127.0.0.1:3000/api/v1/events?limit=2";
const headers = (more: Record<string, string> = {}) =>
  new Headers({
    "Content-Type": "application/json; charset=utf-8",
    ...{ "X-Request-Id": "request-1", "X-Served-By": "n1", "X-Term": "3", "X-Log-Size": "7" },
    ...more,
  });
const sound: Exchange = { method: "GET", url, status: 200, headers: headers(), body: { events: [] } };
const problem = {
  ...{ type: "/problems/x", title: "t", detail: "d", instance: "/", requestId: "r", retryable: false },
  ...{ status: 400, code: "invalid_parameter", message: "d", error: "t" },
};
const problemHeaders = headers({ "Content-Type": "application/problem+json" });
const refused: Exchange = { ...sound, status: 400, headers: problemHeaders, body: problem };
const alert = {
  ...{ id: "0".repeat(24), kind: "payload_modified", severity: "critical", node: "n2", accused: "n2", detail: "d" },
  ...{ openedAt: "2026-05-01T12:00:00.000Z", lastSeenAt: "2026-05-01T12:00:00.000Z", occurrences: 1, status: "open" },
};
const event = { eventType: "T", sourceAppId: "S", dataPayload: {} };
const receipt = {
  ...{ sequence: 0, id: "0".repeat(24), hash: "a".repeat(64), previousHash: "", term: 1, height: 2 },
  ...{ recordedAt: "2026-05-01T12:00:00.000Z", acknowledgedBy: ["n1", "n3"] },
};
const written: Exchange = {
  ...{ method: "POST", url: "http://127.0.0.1:3000/api/v1/events", requestBody: JSON.stringify(event), status: 201 },
  headers: headers({ Location: "/api/v1/events/0", ETag: `"${"a".repeat(64)}"` }),
  body: receipt,
};

it.each<[string, Exchange]>([
  ["a page", sound],
  ["a refusal", refused],
  ["a write", written],
  [
    "a decision that comes too late, with the alert as it is",
    {
      ...{ ...refused, method: "POST", url: `http://127.0.0.1/api/v1/alerts/${"0".repeat(24)}/repair`, status: 412 },
      body: { ...problem, status: 412, code: "stale_alert", alert },
    },
  ],
  [
    "a path that is not there",
    { ...refused, url: "http://127.0.0.1/nowhere", status: 404, body: { ...problem, status: 404, code: "not_found" } },
  ],
  [
    "a method that is not there",
    { ...refused, method: "DELETE", status: 405, body: { ...problem, status: 405, code: "append_only" } },
  ],
  ["methods that are asked for", { ...sound, method: "OPTIONS", status: 204, body: "" }],
  ["headers alone", { ...sound, method: "HEAD", body: "" }],
  ["a parameter of a reference API that it ignores", { ...sound, url: "http://127.0.0.1/events?colour=red", body: [] }],
])("%s is as described", (_, exchange) => {
  expect(deviations(exchange)).toEqual([]);
});

it.each<[string, Exchange, RegExp]>([
  ["another status", { ...sound, status: 202 }, /not described to answer 202/],
  ["a member that is not described", { ...sound, body: { events: [], more: 1 } }, /additional properties.*more/],
  ["a member that is missing", { ...sound, body: {} }, /required property 'events'/],
  ["a member of another type", { ...written, body: { ...receipt, sequence: "0" } }, /\/sequence must be integer/],
  ["another media type", { ...sound, headers: headers({ "Content-Type": "text/plain" }) }, /it is text\/plain/],
  ["a header that is missing", { ...written, headers: headers() }, /it has no (ETag|Location)/],
  ["a header of another form", { ...sound, headers: headers({ "X-Term": "x" }) }, /X-Term: it must be integer/],
  [
    "a code that belongs elsewhere",
    { ...refused, body: { ...problem, code: "disk_low" } },
    /\/code must be equal to one of/,
  ],
  [
    "a parameter that is not described",
    { ...sound, url: `${url}&colour=red` },
    /the parameter colour is not described/,
  ],
  ["a parameter beyond its limits", { ...sound, url: `${url}0000` }, /the parameter limit: it must be <= 500/],
  ["a place that is none", { ...sound, url: "http://127.0.0.1/api/v1/blocks/0" }, /the parameter height/],
  [
    "a body that is not described",
    { ...written, requestBody: JSON.stringify({ ...event, colour: "red" }) },
    /the request was taken/,
  ],
  [
    "a path that is not described and answers",
    { ...sound, url: "http://127.0.0.1/nowhere" },
    /not described is answered 200/,
  ],
  ["an error that is no problem", { ...sound, method: "PUT", status: 405 }, /no problem document/],
])("%s is not", (_, exchange, fault) => {
  expect(deviations(exchange).join("; ")).toMatch(fault);
});
