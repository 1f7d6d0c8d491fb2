import { type StoreChange, type StoreChanges, WatchError } from "../../node/storage/integrity-port.js";

type Where = Pick<StoreChange, "collection" | "id" | "place">;
/** Which document stands under a key. */
export type ChangedPlace<K> = (key: K) => Where;

/** Changes of a database's documents, as MongoDB's change stream has them: inserts are left out. */
export class MemoryChanges {
  private readonly log: StoreChange[] = [];
  /** Another one when what came before cannot be gone on from any more. */
  private run = 1;
  private isSilent = false;

  constructor(private readonly wall: () => string) {}

  /** A map whose changes are told. */
  mapOf<K, V>(of: ChangedPlace<K>): Map<K, V> {
    return new ToldMap<K, V>((operation, key) => this.add({ operation, ...of(key) }));
  }

  /** A document that is a single one. */
  replaced(where: Where, before: unknown, after: unknown): void {
    if (before !== null && before !== after) this.add({ operation: after === null ? "delete" : "update", ...where });
  }

  /** Files are exchanged below the server, or end earlier: nobody is told. */
  untold(change: () => void): void {
    this.isSilent = true;
    change();
    this.isSilent = false;
  }

  /** The log of changes is another one: places in the one before are none in it. */
  lose(): void {
    this.run += 1;
    this.log.length = 0;
  }

  /** Asks the server whenever all that it has answered is used up; `isSame` is false once it was started again. */
  async from(place: string | null, ask: () => Promise<void>): Promise<StoreChanges> {
    await ask();
    const { log, run } = this;
    const [ofRun, after] = place === null ? [run, log.length] : (place.split(":").map(Number) as [number, number]);
    if (ofRun !== run || after > log.length) throw new WatchError("lost", "these changes are not kept any more");
    let at = after;
    let answered = after;
    return {
      next: async () => {
        if (at === answered) {
          await ask();
          if (this.run !== run) throw new WatchError("lost", "these changes are not kept any more");
          answered = log.length;
        }
        return at < answered ? (log[at++] ?? null) : null;
      },
      get place() {
        return `${run}:${at}`;
      },
      close: async () => undefined,
    };
  }

  private add(change: Omit<StoreChange, "fields" | "at">): void {
    if (!this.isSilent) this.log.push({ ...change, fields: [], at: this.wall() });
  }
}

class ToldMap<K, V> extends Map<K, V> {
  constructor(private readonly told: (operation: "replace" | "delete", key: K) => void) {
    super();
  }
  override set(key: K, value: V): this {
    const isReplaced = this.has(key);
    super.set(key, value);
    if (isReplaced) this.told("replace", key);
    return this;
  }
  override delete(key: K): boolean {
    const isDeleted = super.delete(key);
    if (isDeleted) this.told("delete", key);
    return isDeleted;
  }
  override clear(): void {
    for (const key of [...this.keys()]) this.delete(key);
  }
}
