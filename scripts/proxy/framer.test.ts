import fc from "fast-check";
import { expect, it } from "vitest";
import { Framer, httpLength, isMongoWrite, mongoLength } from "./framer.js";

const http = (body: string): Buffer =>
  Buffer.from(`POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

function message(command: string, opCode = 2013): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeInt32LE(bytes.length, 0);
  bytes.writeInt32LE(opCode, 12);
  bytes.write(`${command}\0`, 26, "latin1");
  return bytes;
}

/** The stream in chunks that end at the places given. */
function cut(stream: Buffer, places: number[]): Buffer[] {
  const ends = [...new Set([...places.map((place) => place % stream.length), stream.length])].sort((a, b) => a - b);
  return ends.map((end, index) => stream.subarray(ends[index - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

it.each([
  ["HTTP", httpLength, ["", "a", "\r\n\r\nContent-Length: 9\r\n\r\n", "é".repeat(300)].map(http)],
  ["MongoDB", mongoLength, ["insert", "hello", "update"].map((command) => message(command))],
])("finds the requests of a %s stream however it is cut", (_, lengthOf, requests) => {
  fc.assert(
    fc.property(fc.array(fc.nat()), (places) => {
      const framer = new Framer(lengthOf);
      const found = cut(Buffer.concat(requests), places).flatMap((chunk) => framer.push(chunk));
      expect(found.map(String)).toEqual(requests.map(String));
    }),
  );
});

it("knows a write to a mongod", () => {
  expect(["insert", "findAndModify", "hello", "inserted"].map((name) => isMongoWrite(message(name)))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(isMongoWrite(message("insert", 2012))).toBe(false);
});
