/**
 * One run of a question for all who ask at the same time. Whoever asks while a run is under way gets the next one: an
 * answer always comes from a run that began after it was asked for.
 */
export class SharedRun<T> {
  private running: Promise<T> | null = null;
  private next: Promise<T> | null = null;

  /** `run` must not reject. */
  constructor(private readonly run: () => Promise<T>) {}

  ask(): Promise<T> {
    if (this.running === null) return this.start();
    this.next ??= this.running.then(() => {
      this.next = null;
      return this.start();
    });
    return this.next;
  }

  private start(): Promise<T> {
    const started: Promise<T> = this.run().then((result) => {
      if (this.running === started) this.running = null;
      return result;
    });
    this.running = started;
    return started;
  }
}
