/** Limits of the format and of the door, with their units. */
export const EVENT_BYTES_MAX_DEFAULT = 256 * 1024;
export const EVENT_BYTES_MAX_CEILING = 1024 * 1024;
/** The body of one block: records and payloads with their length prefixes and salts. */
export const BLOCK_BYTES_MAX = 4 * 1024 * 1024;
export const BLOCK_EVENTS_MAX = 1_000;
export const BATCH_EVENTS_MAX = 1_000;
/** Writes of one request from a following node to its leader. */
export const FORWARDED_WRITES_MAX = 1_000;
export const NAME_CHARACTERS_MAX = 256;
/** The reason that a person gives for a decision. */
export const REASON_CHARACTERS_MAX = 1_000;
export const TIMESTAMP_CHARACTERS_MAX = 64;
export const IDEMPOTENCY_KEY_CHARACTERS_MAX = 255;
export const NESTING_MAX = 64;
export const SALT_BYTES = 16;
export const MEMBERS_MAX = 64;
/** The blocks of one message to a follower. */
export const MESSAGE_BLOCKS_MAX = 64;
/** The bytes of the filter in memory over idempotency keys that were used. */
export const KEY_FILTER_BYTES_DEFAULT = 8 * 1024 * 1024;

/** Events of one answer about the chain. */
export const CHAIN_EVENTS_MAX = 500;
/** Alerts or elections in one list. */
export const NOTICES_MAX = 500;
/** Events that one node names to another that searches there. */
export const NAMED_EVENTS_MAX = 1_000;
/** Blocks that one node asks another for, as its own copies are not what was committed. */
export const SOUND_BLOCKS_MAX = 64;
export const HISTOGRAM_BUCKETS_MAX = 200;

/** What one control record says of alerts: its header has at most 64 KiB. */
export const ALERT_RECORDS_BYTES_MAX = 32 * 1024;
export const ALERT_NOTES_MAX = 8;
export const ALERT_RANGES_MAX = 8;
export const ALERT_FIELDS_MAX = 8;
export const ALERT_FIELD_CHARACTERS_MAX = 128;

/** The longest window of a planned maintenance: seven days. */
export const MAINTENANCE_MS_MAX = 604_800_000;

/** The longest that a write may be tried for. */
export const REQUEST_TIMEOUT_MS_MAX = 30_000;
/** The longest that followers may be told to wait for their leader. */
export const ELECTION_TIMEOUT_MS_MAX = 600_000;
