/** A queue that takes constant time at both ends, however long it is; an array's `shift` moves everything. */
export class Fifo<T> {
  private items: T[] = [];
  private start = 0;

  get length(): number {
    return this.items.length - this.start;
  }
  get first(): T | undefined {
    return this.items[this.start];
  }
  get last(): T | undefined {
    return this.length === 0 ? undefined : this.items.at(-1);
  }

  push(item: T): void {
    this.items.push(item);
  }

  shift(): T | undefined {
    const item = this.items[this.start];
    this.start += 1;
    // What has left is held until here, and never more of it than of what is still in.
    if (this.start * 2 > this.items.length) {
      this.items = this.items.slice(this.start);
      this.start = 0;
    }
    return item;
  }

  pop(): T | undefined {
    return this.length === 0 ? undefined : this.items.pop();
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let i = this.start; i < this.items.length; i++) yield this.items[i] as T;
  }
}
