/**
 * One run of a question for all who ask at the same time. Whoever asks while a run is under way gets the next one: an
 * answer always comes from a run that began after it was asked for.
 */
export class SharedRun<T> {
  private running: Promise<T> | null = null;
  private next: Promise<T> | null = null;

  constructor(private readonly run: () => Promise<T>) {}

  ask(): Promise<T> {
    if (this.running === null) return this.start();
    const begin = (): Promise<T> => {
      this.next = null;
      return this.start();
    };
    // One that failed is its askers' alone.
    this.next ??= this.running.then(begin, begin);
    return this.next;
  }

  private start(): Promise<T> {
    const started: Promise<T> = this.run().finally(() => {
      if (this.running === started) this.running = null;
    });
    this.running = started;
    return started;
  }
}
