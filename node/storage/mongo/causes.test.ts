import { MongoServerError } from "mongodb";
import { describe, expect, it } from "vitest";
import { StoreError } from "../port.js";
import { finalCause, hostsOf, waitingFor } from "./causes.js";

const URI = "mongodb://user:hunter2@db1:27017/eventLogs?tlsCertificateKeyFilePassword=hidden";
const PLAIN = "mongodb://db1:27017/eventLogs";
const answer = (code: number, message: string): Error => new MongoServerError({ code, message });
const coded = (code: string, message: string, more: object = {}): Error =>
  Object.assign(new Error(message), { code, ...more });
const wrapped = (cause: Error): Error => new StoreError("not_stored", "Opening failed.", { cause });

describe("the servers of a URI", () => {
  it.each([
    [URI, "db1:27017"],
    ["mongodb://db1", "db1"],
    ["mongodb://u:p@[::1]:27017?tls=true", "[::1]:27017"],
    ["nonsense", "the address of MONGODB_URI"],
  ])("%s", (uri, hosts) => expect(hostsOf(uri)).toBe(hosts));
});

describe("a cause that no retry mends", () => {
  it.each([
    [
      answer(13, "not authorized on eventLogs to execute command { x }"),
      PLAIN,
      /^The MongoDB at db1:27017 wants a user/,
    ],
    [answer(13, "not authorized on eventLogs to execute command { x }"), URI, /has not the rights/],
    [answer(18, "Authentication failed."), URI, /does not accept the user or password/],
    [answer(11, "no such user"), URI, /does not accept the user or password/],
    [answer(334, "PLAIN is not enabled"), URI, /authMechanism/],
    [answer(13297, "already have: [eventLogs]"), PLAIN, /in other case.*already have: \[eventLogs\]/],
    [coded("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"), PLAIN, /certificate/],
    [coded("ERR_TLS_CERT_ALTNAME_INVALID", "Hostname does not match."), PLAIN, /certificate/],
    [
      coded("ENOENT", "no such file", { syscall: "open", path: "/ca.pem" }),
      PLAIN,
      /cannot be read: \/ca\.pem \(ENOENT\)/,
    ],
  ])("%s", (error, uri, sentence) => {
    expect(finalCause(error, uri)).toMatch(sentence);
    expect(finalCause(wrapped(error), uri)).toMatch(sentence);
    expect(finalCause(error, uri)).not.toMatch(/hunter2|hidden/);
  });

  it.each([
    coded("ENOTFOUND", "getaddrinfo ENOTFOUND db1"),
    coded("ECONNREFUSED", "connect ECONNREFUSED"),
    coded("ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "bad record mac"),
    answer(10107, "not primary"),
    answer(14031, "out of disk space"),
    new Error("Server selection timed out after 1000 ms"),
  ])("is not %s", (error) => expect(finalCause(wrapped(error), PLAIN)).toBeNull());
});

describe("what a start waits for", () => {
  it.each([
    [coded("ENOTFOUND", "getaddrinfo ENOTFOUND db1"), /^The name of the MongoDB at db1:27017 is not known/],
    [coded("ECONNREFUSED", "connect ECONNREFUSED"), /^Nothing listens at db1:27017/],
    [coded("EHOSTUNREACH", "no route"), /^There is no way to the MongoDB/],
    [new Error("Server selection timed out after 1000 ms"), /cannot be opened yet: Server selection timed out/],
  ])("%s", (error, sentence) => {
    const wait = waitingFor(wrapped(error), URI);
    expect(wait).toMatch(error.message.startsWith("Server") ? /cannot be opened yet: Opening failed\./ : sentence);
    expect(waitingFor(error, URI)).toMatch(sentence);
    expect(wait).not.toMatch(/hunter2|hidden|does not answer/);
  });
});
