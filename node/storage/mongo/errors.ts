import { MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError } from "mongodb";
import { StoreError, type StoreFailure } from "../port.js";

export const DUPLICATE_KEY = 11000;
export const UNAUTHORIZED = 13;
const TIME_OVER = 50;
/**
 * Answers with which a server says that it did nothing: it looks at these before it executes a command. Anything else
 * (timeouts, shutdown, a write concern that failed) may have been written.
 */
const CERTAINLY_NOT_STORED = new Set([
  UNAUTHORIZED,
  18, // AuthenticationFailed
  2, // BadValue
  10107, // NotWritablePrimary
  13435, // NotPrimaryNoSecondaryOk
  13436, // NotPrimaryOrSecondary
  10334, // BSONObjectTooLarge
  14031, // OutOfDiskSpace
]);

/** A driver error as the port tells it. A StoreError passes through. */
export function storeError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  return new StoreError(failureOf(error), `${doing} failed: ${messageOf(error)}`, { cause: error });
}

/** A failed read wrote nothing, whatever happened to it. */
export function readError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  return new StoreError("not_stored", `${doing} failed: ${messageOf(error)}`, { cause: error });
}

function failureOf(error: unknown): StoreFailure {
  if (error instanceof MongoServerSelectionError) return "not_stored";
  // The handshake comes before the first command on a connection, so the command was never sent.
  if (error instanceof MongoNetworkError && "beforeHandshake" in error && error.beforeHandshake === true)
    return "not_stored";
  if (error instanceof MongoServerError && CERTAINLY_NOT_STORED.has(Number(error.code))) return "not_stored";
  // What is no MongoError was thrown while the command was being built (a value that BSON cannot hold).
  return error instanceof MongoError ? "unknown" : "not_stored";
}

/** Rejects with StoreError `unknown` when a write is not answered in time; it may still be carried out. */
export async function within<T>(limitMs: number, write: Promise<T>, doing: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const late = new StoreError("unknown", `${doing} took longer than ${limitMs} ms.`);
    timer = setTimeout(() => reject(late), limitMs);
  });
  // Whoever waited has gone by then.
  write.catch(() => undefined);
  return Promise.race([write, limit]).finally(() => clearTimeout(timer));
}

export const isDuplicateKey = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === DUPLICATE_KEY;

/** The server has ended a command that took longer than it may (MaxTimeMSExpired). */
export const isTimeOver = (error: unknown): boolean =>
  error instanceof StoreError && error.cause instanceof MongoServerError && error.cause.code === TIME_OVER;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
