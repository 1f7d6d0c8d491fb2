import { fromHex, utf8 } from "../../../shared/bytes.js";
import { sha256Hex } from "../../../shared/hash.js";
import { type PreparedEvent, payloadCommitment } from "../../../shared/log/event.js";

/** The requests of a story by name. Their events' type is the name, and each request has ids of its own. */
export class Requests {
  private count = 0;
  private readonly made = new Map<string, PreparedEvent[]>();

  /** Events as a node prepares them. `as` names an earlier request that is repeated with its ids, as a forwarder does. */
  make(name: string, what: { key?: string | undefined; batch?: number; as?: string | undefined }): PreparedEvent[] {
    const { key, batch = 1, as } = what;
    const events =
      this.made.get(as ?? "") ?? Array.from({ length: batch }, (_, i) => this.event(name, key, [i, batch]));
    this.made.set(name, events);
    return events;
  }

  private event(name: string, key: string | undefined, batch: readonly [number, number]): PreparedEvent {
    this.count += 1;
    const made = sha256Hex(utf8(`${name} ${this.count}`));
    const payloadSalt = fromHex(made.slice(0, 32));
    const payload = utf8(`{"name":${JSON.stringify(name)}}`);
    return {
      id: made.slice(32, 56),
      eventType: name,
      timestamp: "2030-01-01T00:00:00Z",
      sourceAppId: "app",
      payload,
      payloadSalt,
      payloadHash: payloadCommitment(payloadSalt, payload),
      ...(key === undefined ? {} : { idempotencyKey: key }),
      ...(batch[1] === 1 ? {} : { batch }),
    };
  }
}
