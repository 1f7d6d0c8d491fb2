/** How many bytes the request at the start of `bytes` has in all; undefined while that cannot be told yet. */
type LengthOf = (bytes: Buffer) => number | undefined;

/** Finds where the requests in a stream begin and end. Its memory is one request. */
export class Framer {
  #parts: Buffer[] = [];
  #bytes = 0;
  #needed = 0;

  constructor(private readonly lengthOf: LengthOf) {}

  /** The requests that this chunk completes. */
  push(chunk: Buffer): Buffer[] {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return [];
    let rest = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    const complete: Buffer[] = [];
    for (;;) {
      const length = this.lengthOf(rest);
      this.#needed = length ?? rest.length + 1;
      if (rest.length === 0 || this.#needed > rest.length) break;
      complete.push(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    return complete;
  }
}

const HEAD_END = "\r\n\r\n";

/** HTTP/1.1 with a Content-Length or without a body: what nodes send each other. */
export function httpLength(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString("latin1", 0, headEnd))?.[1];
  return headEnd + HEAD_END.length + Number(length ?? 0);
}

/** MongoDB's wire protocol: each message begins with its length. */
export function mongoLength(bytes: Buffer): number | undefined {
  return bytes.length < 4 ? undefined : Math.max(16, bytes.readInt32LE(0));
}

const OP_MSG = 2013;
/** Header, flags, section kind, document length, element type: then comes the command's name. */
const COMMAND_NAME_OFFSET = 26;
const WRITES = new Set(["insert", "update", "delete", "findAndModify"]);

export function isMongoWrite(message: Buffer): boolean {
  if (message.length <= COMMAND_NAME_OFFSET || message.readInt32LE(12) !== OP_MSG) return false;
  const end = message.indexOf(0, COMMAND_NAME_OFFSET);
  return WRITES.has(message.toString("latin1", COMMAND_NAME_OFFSET, end));
}
