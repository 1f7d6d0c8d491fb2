import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const NAME = "webhook.json";
const count = z.int().min(0);

const waitingSchema = z.strictObject({
  id: z.string(),
  type: z.string(),
  body: z.string(),
  /** Milliseconds since 1970. */
  createdAtMs: count,
  attempts: count,
  nextAtMs: count,
});
const fileSchema = z.strictObject({
  version: z.literal(1),
  waiting: z.array(waitingSchema),
  /** By alert that is not over: the newest step that a message was made of. */
  told: z.record(z.string(), count).default({}),
});

export type Waiting = z.infer<typeof waitingSchema>;
export type Told = Readonly<Omit<z.infer<typeof fileSchema>, "version">>;

/** What was not delivered yet, beside the identity file: a restart goes on with it, and whoever alters the database cannot take it away. */
export class WebhookFile {
  constructor(private readonly folder: string) {}

  /** Nothing, where there is no file. Throws where there is one that cannot be read. */
  async read(): Promise<Told> {
    const text = await readFile(join(this.folder, NAME), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (text === null) return { waiting: [], told: {} };
    const known = fileSchema.safeParse(JSON.parse(text));
    if (!known.success) throw new Error(`${NAME} is not what a node writes`);
    return known.data;
  }

  /** One write after the other. */
  async write({ waiting, told }: Told): Promise<void> {
    const text = JSON.stringify({ version: 1, waiting, told });
    const path = join(this.folder, NAME);
    const temporary = `${path}.${randomBytes(8).toString("hex")}.tmp`;
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    try {
      await writeFile(temporary, `${text}\n`, { flag: "wx", mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  }
}
