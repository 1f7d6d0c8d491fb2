/** A wait that is longer than this is told. */
export const TELL_AFTER_MS = 3_000;

type Say = (line: string) => void;

export async function toldIfSlow<T>(work: Promise<T>, say: Say, text: string): Promise<T> {
  const timer = setTimeout(() => say(text), TELL_AFTER_MS);
  return work.finally(() => clearTimeout(timer));
}

/** Tells what is being waited for, each wait once. A change of it begins no new silence: one that flaps is told, too. */
export class Wait {
  #told = "";
  #since: number | undefined;

  constructor(private readonly say: Say) {}

  isFor(what: string): void {
    const now = performance.now();
    this.#since ??= now;
    if (what === this.#told || now - this.#since < TELL_AFTER_MS) return;
    this.#told = what;
    this.#since = now;
    this.say(`Waiting for ${what} …`);
  }
}
