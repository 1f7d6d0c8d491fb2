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
HEADER_MEMBERS = set(
    "version clusterId height term leaderId previousBlockHash firstSequence eventCount headHash treeSize rootHash bodyHash "
    "indexHash commitHeight sealedAt".split()
)
DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))?"
)
SHORT_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
FIRST_MILLISECOND, LAST_MILLISECOND = -62167219200000, 253402300799999
DAYS_OF_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


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


# --- Instants --------------------------------------------------------------------------------------------------------


def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_of(year, month):
    return 29 if month == 2 and is_leap(year) else DAYS_OF_MONTHS[month - 1]


def days_before(year):
    """From the first day of the year 0, which is a leap year."""
    past = year - 1
    return year * 365 + (past // 4 - past // 100 + past // 400 + 1 if year > 0 else 0)


def milliseconds(text):
    """Whole ones since 1970, rounded down, of any RFC 3339 text; None for other texts."""
    match = DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hour, offset_minute = match.groups()[6:]
    if not (1 <= month <= 12 and 1 <= day <= days_of(year, month) and hour <= 23 and minute <= 59 and second <= 59):
        return None
    offset = 0
    if sign is not None:
        if int(offset_hour) > 23 or int(offset_minute) > 59:
            return None
        offset = (int(offset_hour) * 60 + int(offset_minute)) * (-1 if sign == "-" else 1)
    days = days_before(year) + sum(days_of(year, past) for past in range(1, month)) + day - 1 - days_before(1970)
    minutes = (days * 24 + hour) * 60 + minute - offset
    return (minutes * 60 + second) * 1000 + int(((fraction or "") + "000")[:3])


def short_form(millis):
    """The text that has these milliseconds as its short form."""
    days, rest = divmod(millis, 86400000)
    days += days_before(1970)
    year = days // 366
    while days_before(year + 1) <= days:
        year += 1
    day, month = days - days_before(year), 1
    while day >= days_of(year, month):
        day -= days_of(year, month)
        month += 1
    clock = f"{rest // 3600000:02}:{rest // 60000 % 60:02}:{rest // 1000 % 60:02}.{rest % 1000:03}"
    return f"{year:04}-{month:02}-{day + 1:02}T{clock}Z"


def is_in_years(millis):
    return millis is not None and FIRST_MILLISECOND <= millis <= LAST_MILLISECOND


def has_short_form(text):
    return SHORT_FORM.fullmatch(text) is not None and milliseconds(text) is not None


# --- Bodies ----------------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        require(self.at + count <= len(self.data), "bad_encoding")
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))[0]

    def field(self):
        return self.take(self.number("I"))

    def text(self):
        try:
            return self.take(self.number("H")).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("bad_encoding") from None

    def at_end(self):
        return self.at == len(self.data)


class Event:
    def __init__(self, record, payload, salt):
        self.record, self.payload, self.salt = record, payload, salt
        self.record_bytes = canonical(record).encode()
        self.hash = sha256(self.record_bytes).hex()


def payload_hash(salt, payload):
    return sha256(b"quorumlog/payload/v1\n" + salt + payload).hex()


def body_hash(records, payloads):
    framed = b"".join(struct.pack(">I", len(part)) + part for part in (records, payloads))
    return sha256(b"quorumlog/body/v1\n" + framed).hex()


def entries(part, count):
    table = Reader(part)
    ends = [table.number("I") for _ in range(count)]
    starts = [0] + ends[:-1]
    require(all(start < end for start, end in zip(starts, ends)), "bad_encoding")
    require(len(part) == 4 * count + (ends[-1] if ends else 0), "bad_encoding")
    return [part[4 * count + start : 4 * count + end] for start, end in zip(starts, ends)]


def decode_body(records, payloads, first, count, sealed_at, previous):
    """The events; the payload and salt of an erased one are None."""
    require(count <= 1000 and len(records) + len(payloads) <= 4194304, "bad_encoding")
    events = []
    pairs = zip(entries(records, count), entries(payloads, count))
    for sequence, (record_entry, payload_entry) in enumerate(pairs, first):
        commitment, payload, salt = decode_payload(payload_entry)
        derived = {"v": 1, "sequence": sequence, "recordedAt": sealed_at}
        derived |= {"payloadHash": commitment, "previousHash": previous}
        reader = Reader(record_entry)
        event = Event({**derived, **decode_record(reader)}, payload, salt)
        require(reader.take(32) == bytes.fromhex(event.hash) and reader.at_end(), "bad_encoding")
        previous = event.hash
        events.append(event)
    return events


def decode_payload(entry):
    tag, rest = entry[0], entry[1:]
    if tag == 0 and len(rest) >= 16:
        return payload_hash(rest[:16], rest[16:]), rest[16:], rest[:16]
    require(tag == 1 and len(rest) == 32, "bad_encoding")
    return rest.hex(), None, None


def decode_record(reader):
    flags = reader.number("B")
    require(flags <= 7, "bad_encoding")
    fields = {"id": reader.take(12).hex(), "eventType": reader.text(), "sourceAppId": reader.text()}
    if flags & 1:
        fields["timestamp"] = reader.text()
        require(not has_short_form(fields["timestamp"]), "bad_encoding")
    else:
        millis = reader.number("q")
        require(is_in_years(millis), "bad_encoding")
        fields["timestamp"] = short_form(millis)
    if flags & 2:
        fields["idempotencyKey"] = reader.text()
    if flags & 4:
        fields["batch"] = [reader.number("H"), reader.number("H")]
        require(fields["batch"][0] < fields["batch"][1] <= 1000, "bad_encoding")
    return fields


# --- The index -------------------------------------------------------------------------------------------------------


def value_hash(kind, value):
    return sha256(b"quorumlog/term/v1\n" + kind.encode() + b"\0" + value.encode())


def index_run(values, hash_of):
    """`values` are pairs (kind, value), each with its positions. The terms, and beside them their places."""
    places = {}
    for hashed, positions in sorted((hash_of(*value), positions) for value, positions in values.items()):
        group = hashed[8:16] + struct.pack(f">{len(positions) + 1}H", len(positions), *positions)
        places[hashed[:8]] = places.get(hashed[:8], b"") + group
    return sorted(places.items())


def index_times(millis):
    if not millis:
        return b""
    smallest = min(millis)
    width = ((max(millis) - smallest).bit_length() + 7) // 8
    return struct.pack(">qB", smallest, width) + b"".join((one - smallest).to_bytes(width, "big") for one in millis)


def index_of(records, hash_of=value_hash):
    names, keys = {}, {}
    for position, record in enumerate(records):
        names.setdefault(("type", record["eventType"]), []).append(position)
        names.setdefault(("source", record["sourceAppId"]), []).append(position)
        if "idempotencyKey" in record:
            key = record["sourceAppId"] + "\0" + record["idempotencyKey"]
            keys.setdefault(("key", key), []).append(position)
    times = index_times([milliseconds(record["timestamp"]) for record in records])
    return index_run(names, hash_of), index_run(keys, hash_of), times


def run_hash(run):
    framed = b"".join(struct.pack(">I", len(places)) + places for _, places in run)
    return sha256(b"".join(term for term, _ in run)) + sha256(framed)


def index_hash(names, keys, times):
    return sha256(b"quorumlog/index/v1\n" + run_hash(names) + run_hash(keys) + sha256(times)).hex()


# --- Blocks ----------------------------------------------------------------------------------------------------------


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
    require(reader.at_end() and len(header_bytes) <= 65536, "bad_encoding")
    header = json.loads(header_bytes)
    require(canonical(header).encode() == header_bytes, "bad_encoding")
    require(HEADER_MEMBERS <= set(header) <= HEADER_MEMBERS | {"control"}, "bad_encoding")
    require(header["version"] == 2, "bad_encoding")
    signed = b"quorumlog/block/v1\n" + header_bytes
    block_hash = sha256(signed).hex()
    control = header.get("control")
    kind = None if control is None else control["kind"]
    is_genesis = header["height"] == 1

    require(header["height"] == log.height + 1 and header["previousBlockHash"] == log.block_hash, "bad_link")
    require(is_genesis == (kind == "genesis"), "bad_link")
    require(header["clusterId"] == log.cluster_id, "bad_cluster")
    require(header["term"] >= max(1, log.term), "bad_term")
    require(log.commit_height <= header["commitHeight"] < header["height"], "bad_link")
    require(has_short_form(header["sealedAt"]) and header["sealedAt"] >= log.sealed_at, "bad_record")

    keys = founders(control["members"]) if is_genesis else log.block_keys
    require(header["leaderId"] in keys, "bad_leader")
    require(ed25519_verify(bytes.fromhex(keys[header["leaderId"]]), signed, signature), "bad_signature")

    if kind == "alert_records":
        noted = {"clusterId": header["clusterId"], "node": control["node"], "notes": control["notes"]}
        told = b"quorumlog/alert-records/v1\n" + canonical(noted).encode()
        require(control["node"] in log.block_keys, "bad_record")
        key = bytes.fromhex(log.block_keys[control["node"]])
        require(ed25519_verify(key, told, bytes.fromhex(control["signature"])), "bad_record")

    events, leaves = verify_body(log, header, records, payloads)
    if kind == "node_admitted" and control["node"] in keys:
        keys = {**keys, control["node"]: control["keys"]["block"]}
    log.cluster_id = block_hash if is_genesis else log.cluster_id
    log.height, log.term, log.block_hash, log.leaves = header["height"], header["term"], block_hash, leaves
    log.head_hash, log.commit_height, log.sealed_at = header["headHash"], header["commitHeight"], header["sealedAt"]
    log.block_keys = keys
    return events


def founders(members):
    keys = {member["id"]: member["keys"]["block"] for member in members}
    require(1 <= len(members) <= 64 and len(keys) == len(members), "bad_encoding")
    return keys


def verify_body(log, header, records, payloads):
    first, count = header["firstSequence"], header["eventCount"]
    require(first == len(log.leaves) and header["treeSize"] == first + count, "bad_link")
    require(header["bodyHash"] == body_hash(records, payloads), "bad_body")
    events = decode_body(records, payloads, first, count, header["sealedAt"], log.head_hash)
    require(all(is_well_formed(event.record) and is_canonical_object(event.payload) for event in events), "bad_record")
    leaves = log.leaves + [sha256(b"\0" + event.record_bytes) for event in events]
    require(header["headHash"] == (events[-1].hash if events else log.head_hash), "bad_hash")
    require(header["rootHash"] == merkle_root(leaves).hex(), "bad_root")
    require(header["indexHash"] == index_hash(*index_of([event.record for event in events])), "bad_index")
    return events, leaves


def is_name(text):
    return 1 <= len(text) <= 256 and re.search("[\x00-\x1f\x7f-\x9f]", text) is None


def is_well_formed(record):
    """What the encoding alone does not ensure."""
    return (
        is_name(record["eventType"])
        and is_name(record["sourceAppId"])
        and len(record["timestamp"]) <= 64
        and is_in_years(milliseconds(record["timestamp"]))
        and re.fullmatch("[ -~]{1,255}", record.get("idempotencyKey", "-")) is not None
    )


def nests_within(value, levels):
    if not isinstance(value, (dict, list)):
        return True
    items = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(nests_within(item, levels - 1) for item in items)


def is_canonical_object(payload):
    try:
        value = json.loads(payload or b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and nests_within(value, 64) and canonical(value).encode() == payload


def verify_event_view(view):
    """An event as GET /api/v1/events/{sequence} shows it: both hashes, from the JSON alone."""
    payload = canonical(view["dataPayload"]).encode()
    record = {name: view[name] for name in RECORD_MEMBERS | OPTIONAL_MEMBERS if name in view}
    return (
        payload_hash(bytes.fromhex(view["payloadSalt"]), payload) == view["payloadHash"]
        and sha256(canonical(record).encode()).hex() == view["hash"]
    )


# --- The vectors -----------------------------------------------------------------------------------------------------


def run_hex(run):
    return {"terms": [term.hex() for term, _ in run], "places": [places.hex() for _, places in run]}


def check_parts(vectors):
    for vector in vectors["timestamps"]:
        assert milliseconds(vector["text"]) == vector["millis"], vector["text"]
        assert has_short_form(vector["text"]) == (vector["form"] == "millis"), vector["text"]
        reader = Reader(bytes.fromhex(vector["encoded"]))
        text = short_form(reader.number("q")) if vector["form"] == "millis" else reader.text()
        assert text == vector["text"] and reader.at_end(), vector["text"]
    for vector in vectors["terms"]:
        hashed = value_hash(vector["kind"], vector["value"])
        assert hashed[:16].hex() == vector["term"] + vector["check"], vector["value"]
        assert struct.unpack(">q", hashed[:8])[0] == int(vector["int64"]), vector["value"]
    for vector in vectors["indexes"]:
        given = {(one["kind"], one["value"]): bytes.fromhex(one["hash"]) for one in vector.get("given", [])}
        names, keys, times = index_of(vector["events"], lambda *value: given.get(value) or value_hash(*value))
        assert run_hex(names) == vector["names"] and run_hex(keys) == vector["keys"], vector["what"]
        assert times.hex() == vector["times"], vector["what"]
        assert index_hash(names, keys, times) == vector["indexHash"], vector["what"]
    for vector in vectors["bodies"]:
        records, payloads = bytes.fromhex(vector["records"]), bytes.fromhex(vector["payloads"])
        assert body_hash(records, payloads) == vector["bodyHash"], vector["what"]
        place = (vector["firstSequence"], len(vector["events"]), vector["sealedAt"], vector["previousHash"])
        for event, said in zip(decode_body(records, payloads, *place), vector["events"]):
            assert event.record_bytes.decode() == said["recordText"] and event.hash == said["hash"], vector["what"]
            assert (event.payload and event.payload.decode()) == said["payload"], vector["what"]
            assert (event.salt and event.salt.hex()) == said["payloadSalt"], vector["what"]


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

    check_parts(vectors)

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
        assert [event.record_bytes.decode() for event in events] == block["recordTexts"]
        assert [event.hash for event in events] == [view["hash"] for view in block["events"]]
        names, keys, times = index_of([event.record for event in events])
        assert (run_hex(names), run_hex(keys), times.hex()) == tuple(block["index"].values())
        assert all(verify_event_view(view) for view in block["events"])
    print(f"all vectors hold: {len(blocks)} blocks, {len(vectors['refused'])} refusals")


if __name__ == "__main__":
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "vectors", "hash-spec.json")
    main(sys.argv[1] if len(sys.argv) > 1 else default)
