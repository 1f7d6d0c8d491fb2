#!/usr/bin/env python3
"""Checks test/vectors/hash-spec.json against docs/reference/hash-spec.md.

Written from the specification alone, with nothing but Python's standard library, so that it shares no code with
Quorumlog. It is also the shortest complete verifier of a log: `verify_block` is all that one needs.

    python3 docs/reference/verify_vectors.py [vectors.json]
"""

import hashlib
import hmac
import json
import os
import re
import struct
import sys

ZERO_HASH = "0" * 64
RECORD_MEMBERS = {"v", "sequence", "id", "eventType", "timestamp", "sourceAppId", "payloadHash", "recordedAt", "previousHash"}
OPTIONAL_MEMBERS = {"idempotencyKey", "batch"}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Refused(Exception):
    pass


def require(holds, fault):
    if not holds:
        raise Refused(fault)


def sha256(data):
    return hashlib.sha256(data).digest()


# --- RFC 8785 --------------------------------------------------------------------------------------------------------


def canonical(value):
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return canonical_number(float(value))
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"


def canonical_number(number):
    """As ECMAScript's Number.prototype.toString writes it; Python's repr finds the same shortest digits."""
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = "e" + ("+" if power > 0 else "-") + str(abs(power))
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + tail


# --- RFC 8032 (Ed25519), verification only ---------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_decode(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P != 0 or (x == 0 and sign == 1):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def point_encode(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return int.to_bytes(y | (x & 1) << 255, 32, "little")


BASE = point_decode(bytes.fromhex("58" + "66" * 31))


def ed25519_public_key(secret):
    scalar = int.from_bytes(hashlib.sha512(secret).digest()[:32], "little")
    return point_encode(point_multiply(scalar & ((1 << 254) - 8) | 1 << 254, BASE))


def ed25519_verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    key, r = point_decode(public), point_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return point_encode(point_multiply(s, BASE)) == point_encode(point_add(r, point_multiply(k, key)))


def derived_key(seed, use):
    """HKDF-SHA-256 (RFC 5869) with an empty salt; one block of output is enough for 32 bytes."""
    extracted = hmac.new(b"\0" * 32, seed, hashlib.sha256).digest()
    return hmac.new(extracted, f"quorumlog/key/{use}/v1".encode() + b"\1", hashlib.sha256).digest()


# --- RFC 6962 Merkle tree --------------------------------------------------------------------------------------------


def merkle_root(leaves):
    """The definition of RFC 6962 section 2.1, taken literally."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + merkle_root(leaves[:split]) + merkle_root(leaves[split:]))


def frontier(leaves):
    """Roots of the maximal perfect subtrees, largest first."""
    hashes, start = [], 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> bit & 1:
            hashes.append(merkle_root(leaves[start : start + (1 << bit)]))
            start += 1 << bit
    return hashes


# --- Blocks ----------------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        require(self.at + count <= len(self.data), "bad_encoding")
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def field(self):
        return self.take(struct.unpack(">I", self.take(4))[0])

    def at_end(self):
        return self.at == len(self.data)


def payload_hash(salt, payload):
    return sha256(b"quorumlog/payload/v1\n" + salt + payload).hex()


class Log:
    """What must be known of a log to check its next block."""

    def __init__(self):
        self.cluster_id, self.height, self.term, self.block_hash = "", 0, 0, ZERO_HASH
        self.head_hash, self.leaves, self.commit_height, self.sealed_at = "", [], 0, ""
        self.block_keys = {}


def verify_block(log, wire):
    """The events of the block; `log` moves on. Raises Refused and leaves `log` as it was."""
    reader = Reader(wire)
    header_bytes, signature, records, payloads = (reader.field() for _ in range(4))
    require(reader.at_end(), "bad_encoding")
    header = json.loads(header_bytes)
    signed = b"quorumlog/block/v1\n" + header_bytes
    block_hash = sha256(signed).hex()
    control = header.get("control")
    kind = None if control is None else control["kind"]
    is_genesis = header["height"] == 1

    require(canonical(header).encode() == header_bytes, "bad_hash")
    require(header["version"] == 1, "bad_encoding")
    require(header["height"] == log.height + 1 and header["previousBlockHash"] == log.block_hash, "bad_link")
    require(is_genesis == (kind == "genesis"), "bad_link")
    require(header["clusterId"] == log.cluster_id, "bad_cluster")
    require(header["term"] >= max(1, log.term), "bad_term")
    require(log.commit_height <= header["commitHeight"] < header["height"], "bad_link")
    require(TIMESTAMP.fullmatch(header["sealedAt"]) and header["sealedAt"] >= log.sealed_at, "bad_record")

    keys = {member["id"]: member["keys"]["block"] for member in control["members"]} if is_genesis else log.block_keys
    require(header["leaderId"] in keys, "bad_leader")
    require(ed25519_verify(bytes.fromhex(keys[header["leaderId"]]), signed, signature), "bad_signature")

    events, leaves = verify_body(log, header, records, payloads)
    if kind == "node_admitted" and control["node"] in keys:
        keys = {**keys, control["node"]: control["keys"]["block"]}
    log.cluster_id = block_hash if is_genesis else log.cluster_id
    log.height, log.term, log.block_hash, log.leaves = header["height"], header["term"], block_hash, leaves
    log.head_hash, log.commit_height, log.sealed_at = header["headHash"], header["commitHeight"], header["sealedAt"]
    log.block_keys = keys
    return events


def verify_body(log, header, records, payloads):
    first, count = header["firstSequence"], header["eventCount"]
    require(first == len(log.leaves) and header["treeSize"] == first + count, "bad_link")
    record_reader, payload_reader = Reader(records), Reader(payloads)
    previous, leaves, events = log.head_hash, list(log.leaves), []
    for sequence in range(first, first + count):
        record_bytes, payload = record_reader.field(), payload_reader.field()
        salt = payload_reader.take(16)
        record = json.loads(record_bytes)
        require(RECORD_MEMBERS <= set(record) <= RECORD_MEMBERS | OPTIONAL_MEMBERS, "bad_encoding")
        require(record["v"] == 1 and canonical(record).encode() == record_bytes, "bad_encoding")
        require(record["sequence"] == sequence and record["recordedAt"] == header["sealedAt"], "bad_record")
        require(record["previousHash"] == previous, "bad_link")
        require(record["payloadHash"] == payload_hash(salt, payload), "bad_hash")
        require(is_well_formed(record, payload), "bad_record")
        previous = sha256(record_bytes).hex()
        leaves.append(sha256(b"\0" + record_bytes))
        events.append((record, previous, salt, payload))
    require(record_reader.at_end() and payload_reader.at_end(), "bad_encoding")
    require(header["headHash"] == previous, "bad_hash")
    require(header["rootHash"] == merkle_root(leaves).hex(), "bad_root")
    return events, leaves


def is_text(value, units_max):
    return isinstance(value, str) and 1 <= len(value.encode("utf-16-be")) // 2 <= units_max


def is_well_formed(record, payload):
    batch = record.get("batch", [0, 1])
    try:
        value = json.loads(payload)
    except ValueError:
        return False
    return (
        re.fullmatch("[0-9a-f]{24}", str(record["id"])) is not None
        and is_text(record["eventType"], 256)
        and is_text(record["sourceAppId"], 256)
        and is_text(record["timestamp"], 64)
        and is_text(record.get("idempotencyKey", "-"), 255)
        and isinstance(batch, list)
        and [type(place) for place in batch] == [int, int]
        and isinstance(value, dict)
        and canonical(value).encode() == payload
    )


def verify_event_view(view):
    """An event as GET /api/v1/events/{sequence} shows it: both hashes, from the JSON alone."""
    payload = canonical(view["dataPayload"]).encode()
    record = {name: view[name] for name in RECORD_MEMBERS | OPTIONAL_MEMBERS if name in view}
    return (
        payload_hash(bytes.fromhex(view["payloadSalt"]), payload) == view["payloadHash"]
        and sha256(canonical(record).encode()).hex() == view["hash"]
    )


# --- The vectors -----------------------------------------------------------------------------------------------------


def main(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    for key in vectors["keys"]:
        for use in ("block", "log", "cosign"):
            assert ed25519_public_key(derived_key(bytes.fromhex(key["seed"]), use)).hex() == key[use], key["node"]
    for vector in vectors["canonicalJson"]:
        assert canonical(json.loads(vector["input"])) == vector["canonical"], vector["input"]
    for vector in vectors["payloads"]:
        assert payload_hash(bytes.fromhex(vector["salt"]), vector["canonical"].encode()) == vector["payloadHash"]
    leaves = []
    for vector in vectors["merkle"]:
        if vector["leaf"] is not None:
            leaves.append(sha256(b"\0" + vector["leaf"].encode()))
            assert leaves[-1].hex() == vector["leafHash"]
        assert merkle_root(leaves).hex() == vector["root"], vector["size"]
        assert [part.hex() for part in frontier(leaves)] == vector["frontier"], vector["size"]

    blocks = vectors["log"]["blocks"]
    for count in range(len(blocks)):
        log = Log()
        for block in blocks[:count]:
            verify_block(log, bytes.fromhex(block["wire"]))
        for refused in (one for one in vectors["refused"] if one["height"] == count + 1):
            try:
                verify_block(log, bytes.fromhex(refused["wire"]))
            except Refused as refusal:
                assert str(refusal) == refused["fault"], f"{refused['what']}: {refusal}, not {refused['fault']}"
            else:
                raise AssertionError(f"{refused['what']} was not refused")
        block = blocks[count]
        events = verify_block(log, bytes.fromhex(block["wire"]))
        assert log.block_hash == block["blockHash"] and log.cluster_id == vectors["log"]["clusterId"]
        assert [event_hash for _, event_hash, _, _ in events] == [view["hash"] for view in block["events"]]
        assert all(verify_event_view(view) for view in block["events"])
    print(f"all vectors hold: {len(blocks)} blocks, {len(vectors['refused'])} refusals")


if __name__ == "__main__":
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "vectors", "hash-spec.json")
    main(sys.argv[1] if len(sys.argv) > 1 else default)
