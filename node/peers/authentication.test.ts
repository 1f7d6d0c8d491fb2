import { describe, expect, it } from "vitest";
import {
  type Envelope,
  equalSignatures,
  makeBootNonce,
  PEER_PROTOCOL,
  PeerGate,
  ReplayWindow,
  readEnvelope,
  type SignedEnvelope,
  signAnswer,
  signRequest,
  writeEnvelope,
} from "./authentication.js";

const SECRET = "a secret of the cluster that is long enough";
const TARGET = { method: "POST", path: "/peer/v1/messages" };
const BODY = Buffer.from("body");
const clusterA = "a".repeat(64);

function gate(clusterId = ""): PeerGate {
  return new PeerGate({ selfId: "n2", secret: SECRET, peers: ["n1", "n3"], clusterId: () => clusterId });
}
function signed(fields: Partial<Envelope>, secret = SECRET): SignedEnvelope {
  const envelope: Envelope = {
    protocol: PEER_PROTOCOL,
    from: "n1",
    to: "n2",
    cluster: "",
    boot: "1".repeat(32),
    session: "",
    counter: 1,
    requestId: "",
    ...fields,
  };
  return { ...envelope, signature: signRequest(secret, TARGET, envelope, BODY) };
}
function sessionFor(at: PeerGate, fields: Partial<Envelope> = {}): string {
  const verdict = at.check(TARGET, signed(fields), BODY);
  if (verdict.ok || verdict.reason !== "unknown_boot") throw new Error("expected a challenge");
  return verdict.session;
}

describe("the replay window", () => {
  it("accepts counters in any order, each once", () => {
    const window = new ReplayWindow();
    for (const counter of [5, 3, 4, 1, 2, 4097, 4000]) expect(window.accept(counter)).toBe(true);
    for (const counter of [5, 3, 4, 1, 2, 4097, 4000]) expect(window.accept(counter)).toBe(false);
  });

  it("never accepts a counter that fell out of the window", () => {
    const window = new ReplayWindow();
    for (let counter = 1; counter <= 3 * 4096; counter++) expect(window.accept(counter)).toBe(true);
    for (let counter = 1; counter <= 3 * 4096; counter++) expect(window.accept(counter)).toBe(false);
  });
});

describe("the gate for peer requests", () => {
  it("refuses a node of another version, and one from before versions were named, without a challenge", () => {
    const n2 = gate();
    expect(n2.check(TARGET, signed({ protocol: "2" }), BODY)).toMatchObject({
      ok: false,
      reason: "other_version",
      session: "",
    });
    const { "x-quorumlog-protocol": _none, ...old } = writeEnvelope(signed({}));
    expect(n2.precheck(readEnvelope(old))).toBe("other_version");
    // The version is signed: nobody in between can make one of another.
    expect(n2.check(TARGET, { ...signed({ protocol: "2" }), protocol: PEER_PROTOCOL }, BODY)).toMatchObject({
      reason: "bad_signature",
    });
  });

  it("challenges the first request of a process and accepts its repetition, in any order after it", () => {
    const n2 = gate();
    const session = sessionFor(n2);
    for (const counter of [2, 4, 3]) expect(n2.check(TARGET, signed({ session, counter }), BODY)).toEqual({ ok: true });
  });

  it("refuses a replay, even after a new process of the sender took over and was challenged", () => {
    const n2 = gate();
    const first = signed({ session: sessionFor(n2), counter: 2 });
    expect(n2.check(TARGET, first, BODY).ok).toBe(true);
    expect(n2.check(TARGET, first, BODY)).toMatchObject({ ok: false, reason: "replayed" });

    const boot = "2".repeat(32);
    const session = sessionFor(n2, { boot });
    expect(n2.check(TARGET, signed({ boot, session, counter: 2 }), BODY).ok).toBe(true);
    expect(n2.check(TARGET, first, BODY)).toMatchObject({ ok: false, reason: "unknown_boot" });
    // The recorded request cannot be bound to the new challenge, and it did not disturb the living process.
    expect(n2.check(TARGET, signed({ boot, session, counter: 3 }), BODY).ok).toBe(true);
  });

  it("refuses what was recorded before the receiver restarted", () => {
    const before = gate();
    const recorded = signed({ session: sessionFor(before), counter: 2 });
    expect(before.check(TARGET, recorded, BODY).ok).toBe(true);
    expect(gate().check(TARGET, recorded, BODY)).toMatchObject({ ok: false, reason: "unknown_boot" });
  });

  it("gives a living process its own session again, so that its counters stay used", () => {
    const n2 = gate();
    const session = sessionFor(n2);
    const used = signed({ session, counter: 2 });
    expect(n2.check(TARGET, used, BODY).ok).toBe(true);
    expect(sessionFor(n2, { counter: 3 })).toBe(session);
    expect(n2.check(TARGET, used, BODY)).toMatchObject({ ok: false, reason: "replayed" });
  });

  it("refuses a session that was given to another peer", () => {
    const n2 = gate();
    const session = sessionFor(n2);
    expect(n2.check(TARGET, signed({ from: "n3", session, counter: 2 }), BODY).ok).toBe(false);
  });

  it("refuses a change of anything that is signed", () => {
    const n2 = gate();
    const good = signed({ session: sessionFor(n2), counter: 2, requestId: "request-1" });
    const bad = { ok: false, reason: "bad_signature" };
    expect(n2.check({ ...TARGET, path: "/peer/v1/forward" }, good, BODY)).toMatchObject(bad);
    expect(n2.check({ ...TARGET, method: "PUT" }, good, BODY)).toMatchObject(bad);
    expect(n2.check(TARGET, good, Buffer.from("Body"))).toMatchObject(bad);
    for (const change of [{ from: "n3" }, { cluster: clusterA }, { boot: "3".repeat(32) }, { counter: 3 }])
      expect(n2.check(TARGET, { ...good, ...change }, BODY)).toMatchObject(bad);
    expect(n2.check(TARGET, { ...good, requestId: "request-2" }, BODY)).toMatchObject(bad);
    expect(n2.check(TARGET, signed({}, "another secret of more than 32 characters"), BODY)).toMatchObject(bad);
    expect(n2.check(TARGET, good, BODY)).toEqual({ ok: true });
  });

  it("refuses strangers, other recipients and other clusters", () => {
    const n2 = gate(clusterA);
    expect(n2.check(TARGET, signed({ from: "n9" }), BODY)).toMatchObject({ reason: "unknown_sender" });
    expect(n2.check(TARGET, signed({ to: "n3" }), BODY)).toMatchObject({ reason: "wrong_recipient" });
    expect(n2.check(TARGET, signed({ cluster: "b".repeat(64) }), BODY)).toMatchObject({ reason: "other_cluster" });
    expect(n2.check(TARGET, signed({ cluster: clusterA }), BODY)).toMatchObject({ reason: "unknown_boot" });
  });
});

describe("envelopes and answers", () => {
  it("travel in headers and come back as they were", () => {
    const envelope = signed({ requestId: "request-1", cluster: clusterA, session: "4".repeat(32), counter: 77 });
    expect(readEnvelope(writeEnvelope(envelope))).toEqual(envelope);
  });

  it("are refused when a header is missing or malformed", () => {
    const headers = writeEnvelope(signed({ requestId: "request-1" }));
    for (const name of ["x-quorumlog-from", "x-quorumlog-boot", "x-quorumlog-counter", "x-quorumlog-signature"]) {
      const { [name]: _, ...rest } = headers;
      expect(readEnvelope(rest)).toBeNull();
    }
    for (const counter of ["0", "-1", "1e3", "9999999999999999", " 1"])
      expect(readEnvelope({ ...headers, "x-quorumlog-counter": counter })).toBeNull();
    expect(readEnvelope({ ...headers, "x-request-id": "a b" })).toBeNull();
    for (const name of ["from", "to", "cluster", "boot", "session", "counter", "signature", "protocol"]) {
      const header = `x-quorumlog-${name}`;
      expect(readEnvelope({ ...headers, [header]: `${headers[header]}\n` })).toBeNull();
      expect(readEnvelope({ ...headers, [header]: [headers[header]] as unknown as string })).toBeNull();
    }
    expect(readEnvelope({ ...headers, "x-quorumlog-signature": "zz".repeat(32) })).toBeNull();
  });

  it("bind an answer to its request, status, session and body", () => {
    const answer = { status: 200, session: "", body: BODY };
    const signature = signAnswer(SECRET, "f".repeat(64), answer);
    expect(equalSignatures(signature, signAnswer(SECRET, "f".repeat(64), answer))).toBe(true);
    for (const other of [
      signAnswer(SECRET, "e".repeat(64), answer),
      signAnswer(SECRET, "f".repeat(64), { ...answer, status: 204 }),
      signAnswer(SECRET, "f".repeat(64), { ...answer, session: "1".repeat(32) }),
      signAnswer(SECRET, "f".repeat(64), { ...answer, body: Buffer.from("other") }),
      "",
      "short",
    ])
      expect(equalSignatures(signature, other)).toBe(false);
  });

  it("make a different boot nonce for every process", () => {
    expect(makeBootNonce()).toMatch(/^[0-9a-f]{32}$/);
    expect(makeBootNonce()).not.toBe(makeBootNonce());
  });
});
