import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { height } from "../../shared/ids.js";

const NAME = "integrity.json";
const count = z.int().min(0);

const placesSchema = z.strictObject({
  version: z.literal(1),
  /** Which database's they are. */
  storeId: z.string(),
  /** Behind all changes that were judged. */
  watch: z.string().max(4_096).nullable(),
  /** What was changed before that place is not known, until a whole pass has ended. */
  isBlind: z.boolean().optional(),
  /** The pass that is under way: the last height that it verified. */
  scrub: z
    .strictObject({
      height: count,
      startedAt: z.string(),
      /** No change since it began is missed: what was not seen until then it looks for, also after a restart. */
      isSeen: z.boolean().optional(),
    })
    .nullable(),
  /** Blocks that this node puts back: it alone says so, as what stands here nobody can write who has only the database. */
  repair: z
    .strictObject({ id: z.string(), ranges: z.array(z.tuple([z.number(), z.number()])) })
    .nullable()
    .default(null),
  /** The log is emptied, and copied from the others up to this height at least. */
  rebuild: z
    .strictObject({ id: z.string(), height: count.transform((n) => height(n)), isCleared: z.boolean() })
    .nullable()
    .default(null),
  /** The newest pass over the whole log. */
  lastPass: z
    .strictObject({ startedAt: z.string(), endedAt: z.string(), height: count, lastSequence: z.int().min(-1) })
    .nullable(),
});

export type Places = Readonly<Omit<z.infer<typeof placesSchema>, "version" | "storeId">>;

export const NOWHERE: Places = { watch: null, scrub: null, lastPass: null, repair: null, rebuild: null };

/** Where watch and scrub are, kept over restarts. */
export type KeptPlaces = Pick<PlaceFile, "places" | "set" | "write">;
export type OpenPlaces = (storeId: string) => Promise<KeptPlaces>;

/**
 * Where watch and scrub go on after a restart, beside the identity file: whoever alters the database cannot move them. An
 * old or a lost one costs another look, and a full pass.
 */
export class PlaceFile {
  private constructor(
    private readonly folder: string,
    private readonly storeId: string,
    private current: Places,
  ) {}

  /** A file of another database, or one that cannot be read, says nothing. */
  static async open(folder: string, storeId: string): Promise<PlaceFile> {
    const known = await readFile(join(folder, NAME), "utf8")
      .then((text) => placesSchema.safeParse(JSON.parse(text)))
      .catch(() => null);
    if (known?.data === undefined || known.data.storeId !== storeId) return new PlaceFile(folder, storeId, NOWHERE);
    const { version: _version, storeId: _storeId, ...places } = known.data;
    return new PlaceFile(folder, storeId, places);
  }

  get places(): Places {
    return this.current;
  }

  set(change: Partial<Places>): void {
    this.current = { ...this.current, ...change };
  }

  async write(): Promise<void> {
    const path = join(this.folder, NAME);
    const temporary = `${path}.${randomBytes(8).toString("hex")}.tmp`;
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    try {
      const text = JSON.stringify({ version: 1, storeId: this.storeId, ...this.current });
      await writeFile(temporary, `${text}\n`, { flag: "wx", mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  }
}
