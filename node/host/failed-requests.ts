import type { IncomingMessage } from "node:http";

const failures = new WeakMap<IncomingMessage, unknown>();

/** Notes why a request failed outside of the app, which then answers it as it answers all others. */
export function failWith(req: IncomingMessage, error: unknown): void {
  failures.set(req, error);
}

export const hasFailed = (req: IncomingMessage): boolean => failures.has(req);

export const failureOf = (req: IncomingMessage): unknown => failures.get(req);
