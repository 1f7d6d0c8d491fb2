import { describe, expect, it } from "vitest";
import type { EventView } from "../../shared/log/event.js";
import { conditionsIn, matcherOf, queryOf, readConditions } from "./filter.js";

const event = (fields: object): EventView =>
  ({
    eventType: "invoice.paid",
    sourceAppId: "billing",
    timestamp: "2026-05-01T12:00:00Z",
    recordedAt: "2026-05-01T12:00:00.000Z",
    dataPayload: { user: "ada", order: { id: 42 } },
    ...fields,
  }) as unknown as EventView;

describe("what is typed", () => {
  it.each([
    ["type:role.* source:billing", ["eventType=role.*", "sourceAppId=billing"]],
    ['payload.user:"Ada L" until:2026-05-01T12:00:00Z', ["payload.user=Ada L", "until=2026-05-01T12:00:00Z"]],
    ["type:a:b", ["eventType=a:b"]],
    ["", []],
  ])("%s becomes conditions", (text, conditions) => {
    const read = readConditions(text, ["user"]);
    expect(typeof read === "string" ? read : read.map((one) => `${one.name}=${one.text}`)).toEqual(conditions);
  });

  it.each([
    ["colour:red", "is no condition"],
    ["billing", "is no condition"],
    ["payload.amount:1", "is not indexed. Indexed are user"],
    ["since:yesterday", "is no time"],
  ])("%s is refused with a sentence", (text, sentence) => {
    expect(readConditions(text, ["user"])).toEqual(expect.stringContaining(sentence));
  });
});

it("conditions go through a URL unchanged, and leave its other parameters alone", () => {
  const conditions = [
    { name: "eventType", text: "a&b=c *" },
    { name: "payload.user", text: "حدث" },
  ];
  const parameters = queryOf(conditions);
  parameters.set("event", "7");
  expect(conditionsIn(new URLSearchParams(parameters.toString()))).toEqual(conditions);
});

it.each([
  ["eventType=invoice.*", true],
  ["eventType=invoice.paid", true],
  ["eventType=invoice", false],
  ["eventType=inv.*", false],
  ["sourceAppId=billing&payload.user=ada", true],
  ["payload.order.id=42", true],
  ["payload.user=grace", false],
  ["since=2026-05-01T12:00:00Z", true],
  ["until=2026-05-01T12:00:00Z", false],
])("an event that comes live is judged as the node judges it: %s", (query, isWanted) => {
  expect(matcherOf(conditionsIn(new URLSearchParams(query)))(event({}))).toBe(isWanted);
});

it("a star that is meant is a star", () => {
  const matcher = matcherOf([{ name: "eventType", text: "a.\\*" }]);
  expect([matcher(event({ eventType: "a.*" })), matcher(event({ eventType: "a.b" }))]).toEqual([true, false]);
});
