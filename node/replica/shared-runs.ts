/** Runs under way, by what they are for: whoever asks for the same meanwhile gets the same outcome. */
export class SharedRuns<K, T> {
  private readonly underWay = new Map<K, Promise<T>>();

  run(key: K, begin: () => Promise<T>): Promise<T> {
    const running = this.underWay.get(key);
    if (running !== undefined) return running;
    const begun = begin().finally(() => this.underWay.delete(key));
    this.underWay.set(key, begun);
    return begun;
  }
}
