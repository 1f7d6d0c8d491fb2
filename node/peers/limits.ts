/** Bounds of the peer transport, with their units. */
export const MESSAGE_BYTES_MAX = 10 * 1024 * 1024;
/** Everything of a message but its blocks; the largest is a founding list of all members. */
export const MESSAGE_JSON_BYTES_MAX = 1024 * 1024;
/** A body of any request or answer: a JSON body carries payloads as text, so it may exceed a message. */
export const BODY_BYTES_MAX = 12 * 1024 * 1024;

/** Bodies that arrive at once, before anybody has proved who they are. Small ones always pass: heartbeats and votes. */
export const INCOMING_BYTES_MAX = 128 * 1024 * 1024;
/** The part of these for connections on which nobody has proved anything yet. */
export const STRANGERS_BYTES_MAX = 32 * 1024 * 1024;
export const SMALL_BODY_BYTES = 64 * 1024;
/** A large body may take longer than this, as long as it comes at a rate; a narrow link is no attack. */
export const BODY_ARRIVAL_MS = 10_000;
export const BODY_BYTES_PER_MS_MIN = 16;
/** How often a peer is told that more of its large body has arrived. */
export const PROGRESS_MS = 100;

/** Answers that wait for the core; beyond, a message is answered 204 at once. */
export const HELD_ANSWERS_MAX = 256;
export const RUNNING_HANDLERS_MAX = 256;
/** A handler that ignores its signal does not hold up the end of the process. */
export const CLOSE_WAIT_MS = 1_000;

/** Outgoing, a peer. Control messages are those without blocks; they have sockets of their own. */
export const CONTROL_IN_FLIGHT_MAX = 8;
export const CONTROL_QUEUE_MAX = 64;
/** One message with blocks is on its way; the one that it replaces may not be closed yet. */
export const BULK_SOCKETS_MAX = 2;
export const REQUESTS_IN_FLIGHT_MAX = 256;
export const REQUEST_SOCKETS_MAX = 32;

/** A client drops an idle socket long before the server does (72 s), so that it rarely writes into one that closes. */
export const FREE_SOCKET_MS = 30_000;

export const PEER_PATH = "/peer/v1";
export const MESSAGES_PATH = `${PEER_PATH}/messages`;

/** The event of a connection on which a peer of this node has proved itself: it is no client's. */
export const PROVED_PEER = "proved-peer";
