/** What came back on a connection, read by the rules of RFC 9112 alone. Text is Latin-1: one character a byte. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** The connection ends with it, or becomes another protocol. */
  readonly isLast: boolean;
}

export interface ReadAnswers {
  readonly answers: readonly Answer[];
  /** An answer that has begun: its head is there, its body is not whole. */
  readonly open: Answer | null;
  /** Bytes that are no answer. */
  readonly rest: string;
}

/** `methods` of the requests, in order: the answer to HEAD has no body. */
export function readAnswers(text: string, methods: readonly string[]): ReadAnswers {
  const answers: Answer[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf("\r\n\r\n", at);
    const head = end < 0 ? null : readHead(text.slice(at, end));
    if (head === null) break;
    const { status, headers, isLast } = head;
    if (status === 100) {
      at = end + 4;
      continue;
    }
    const body = readBody(text, end + 4, { status, headers, method: methods[answers.length] ?? "GET" });
    if (body === null) return { answers, open: { ...head, body: text.slice(end + 4) }, rest: "" };
    answers.push({ status, headers, body: body.text, isLast });
    at = body.end;
    if (status === 101) return { answers, open: null, rest: "" };
  }
  return { answers, open: null, rest: text.slice(at) };
}

function readHead(text: string): Omit<Answer, "body"> | null {
  const [first = "", ...lines] = text.split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) [^\r\n]*$/.exec(first)?.[1] ?? 0);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ""] = /^([\w-]+): ?(.*)$/.exec(line) ?? [];
    if (name === undefined) return null;
    headers.set(name.toLowerCase(), value);
  }
  if (status === 0) return null;
  return { status, headers, isLast: status === 101 || headers.get("connection")?.toLowerCase() === "close" };
}

function readBody(
  text: string,
  start: number,
  { status, headers, method }: { status: number; headers: ReadonlyMap<string, string>; method: string },
): { text: string; end: number } | null {
  if (method === "HEAD" || status === 204 || status === 304 || status === 101) return { text: "", end: start };
  const length = headers.get("content-length");
  if (headers.get("transfer-encoding") === "chunked") return readChunks(text, start);
  if (length === undefined) return null;
  const end = start + Number(length);
  return end > text.length ? null : { text: text.slice(start, end), end };
}

function readChunks(text: string, start: number): { text: string; end: number } | null {
  let body = "";
  for (let at = start; ; ) {
    const line = text.indexOf("\r\n", at);
    const size = line < 0 ? Number.NaN : Number.parseInt(text.slice(at, line), 16);
    const end = line + 2 + size;
    if (Number.isNaN(size) || end + 2 > text.length) return null;
    if (size === 0) return { text: body, end: end + 2 };
    body += text.slice(line + 2, end);
    at = end + 2;
  }
}
