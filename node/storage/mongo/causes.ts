import {
  MongoCompatibilityError,
  MongoInvalidArgumentError,
  MongoMissingCredentialsError,
  MongoMissingDependencyError,
  MongoServerError,
} from "mongodb";
import { UNAUTHORIZED } from "./errors.js";

/** The servers that a MONGODB_URI names, without the credentials and options around them. */
export const hostsOf = (uri: string): string =>
  /^mongodb(?:\+srv)?:\/\/(?:[^/?]*@)?([^/?]+)/.exec(uri)?.[1] ?? "the address of MONGODB_URI";

const hasUser = (uri: string): boolean => /^mongodb(?:\+srv)?:\/\/[^/?]*@/.test(uri);

/** An error, what caused it, what caused that. */
function* chainOf(error: unknown): Generator<Error> {
  for (let one = error, depth = 0; one instanceof Error && depth < 10; one = one.cause, depth++) yield one;
}

const codeOf = (error: Error): unknown => (error as { code?: unknown }).code;

const USER_REFUSED: readonly unknown[] = [
  18, // AuthenticationFailed
  11, // UserNotFound
  8000, // Atlas
];

/** What a server answers that will answer the same the next time. */
function causeInAnswer(error: MongoServerError, uri: string): string | null {
  const hosts = hostsOf(uri);
  switch (error.code) {
    case UNAUTHORIZED:
      return hasUser(uri)
        ? `The user of MONGODB_URI has not the rights that a node needs on ${hosts}: grant it readWrite on the database`
        : `The MongoDB at ${hosts} wants a user and a password: MONGODB_URI=mongodb://user:password@host:port/database`;
    case 334:
      return `The MongoDB at ${hosts} does not offer the authMechanism of MONGODB_URI: ${error.message}`;
    case 13297:
      return `The MongoDB at ${hosts} has this database under a name in other case: write it so in MONGODB_URI (${error.message})`;
    case 73:
      return `MONGODB_URI names a database that cannot be: ${error.message}`;
  }
  return USER_REFUSED.includes(error.code)
    ? `The MongoDB at ${hosts} does not accept the user or password of MONGODB_URI`
    : null;
}

const isMisuse = (error: Error): boolean =>
  error instanceof MongoInvalidArgumentError ||
  error instanceof MongoMissingCredentialsError ||
  error instanceof MongoMissingDependencyError ||
  error instanceof MongoCompatibilityError;

/** Codes for a certificate that is not believed, and for two sides that have no TLS in common; not for a damaged stream. */
const TLS_CODES =
  /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|ERR_SSL_(?:WRONG_VERSION|UNSUPPORTED_PROTOCOL|TLSV1|SSLV3_ALERT_(?:HANDSHAKE|CERT|BAD_CERT|UNSUPPORTED_CERT)))/;

/**
 * Why MongoDB cannot be used, as a sentence with a remedy, where no later attempt ends otherwise before a person has
 * changed something; null for what may pass by itself.
 */
export function finalCause(error: unknown, uri: string): string | null {
  for (const one of chainOf(error)) {
    const code = codeOf(one);
    if (one instanceof MongoServerError) {
      const cause = causeInAnswer(one, uri);
      if (cause !== null) return cause;
    }
    if (isMisuse(one)) return `MONGODB_URI asks for something that cannot be had: ${withoutStop(one.message)}`;
    if (typeof code !== "string") continue;
    if (TLS_CODES.test(code))
      return `No TLS connection to the MongoDB at ${hostsOf(uri)} can be made (${withoutStop(one.message)}): see to its certificate and the tls options of MONGODB_URI`;
    const { path } = one as NodeJS.ErrnoException;
    if (path !== undefined && (one as NodeJS.ErrnoException).syscall === "open")
      return `MONGODB_URI names a file that cannot be read: ${path} (${code})`;
  }
  return null;
}

/** What a start waits for after this error, as a sentence with a remedy. Says no more than the error shows. */
export function waitingFor(error: unknown, uri: string): string {
  const hosts = hostsOf(uri);
  const codes = [...chainOf(error)].map(codeOf);
  const code = codes.find((one) => typeof one === "string" && /^E[A-Z_]+$/.test(one));
  switch (code) {
    case "ENOTFOUND":
      return `The name of the MongoDB at ${hosts} is not known (ENOTFOUND). Correct MONGODB_URI, or make the name known.`;
    case "EAI_AGAIN":
      return `The name of the MongoDB at ${hosts} cannot be looked up: the name service does not answer (EAI_AGAIN).`;
    case "ECONNREFUSED":
      return `Nothing listens at ${hosts} (ECONNREFUSED). Start the MongoDB there, or correct MONGODB_URI.`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `There is no way to the MongoDB at ${hosts} (${code}). Correct MONGODB_URI, or the network.`;
    case "ECONNRESET":
      return `Connections to ${hosts} are broken off (ECONNRESET). Is it a MongoDB, and do both sides mean to use TLS?`;
  }
  const message = error instanceof Error ? withoutStop(error.message) : String(error);
  return `The log in the MongoDB at ${hosts} cannot be opened yet: ${message}.`;
}

const withoutStop = (message: string): string => message.replace(/\.$/, "");
