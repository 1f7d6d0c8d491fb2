import { type Db, MongoServerError } from "mongodb";
import { indexLost, StoreError } from "../port.js";
import { readError } from "./errors.js";
import { type LinkOptions, MongoLink } from "./link.js";

const BAD_VALUE = 2;

/**
 * A client of its own for reads. It survives broken connections, and stays while the log is opened again, as long as the
 * same mongod process answers.
 */
export class ReadLink {
  private link: MongoLink | null = null;

  constructor(private readonly options: Omit<LinkOptions, "isRetryingReads" | "survivesBreaks">) {}

  /** `onLost` is called when another process than this one answers later. */
  async open(processId: string, onLost: () => void): Promise<Db> {
    const before = this.link;
    if (before?.isAlive !== true || before.processId !== processId) {
      this.link = await MongoLink.connect({ ...this.options, isRetryingReads: true, survivesBreaks: true });
      await before?.close();
    }
    const link = this.alive();
    link.onLost(onLost);
    await link.verifyProcess();
    return link.db;
  }

  async reading<T>(doing: string, operation: (db: Db) => Promise<T>): Promise<T> {
    const link = this.alive();
    try {
      const result = await operation(link.db);
      await link.verifyProcess();
      return result;
    } catch (error) {
      throw isIndexLost(error) ? indexLost() : readError(error, doing);
    }
  }

  async close(): Promise<void> {
    const { link } = this;
    this.link = null;
    await link?.close();
  }

  private alive(): MongoLink {
    if (this.link === null) throw new StoreError("not_stored", "The store is not open.");
    this.link.assertAlive();
    return this.link;
  }
}

/** The server's index is gone (it refuses the hint), or an entry is none that the question could be asked of. */
function isIndexLost(error: unknown): boolean {
  if (!(error instanceof MongoServerError)) return false;
  const isHintRefused = error.code === BAD_VALUE && error.message.includes("hint");
  return isHintRefused || error.codeName?.startsWith("Location") === true;
}
