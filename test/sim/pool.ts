import { StoreError } from "../../node/storage/port.js";
import type { SimProcess } from "./process.js";

/** The connections of one client on the simulated mongod: who finds none free waits in line, and not for ever. */
export class Pool {
  private inUse = 0;
  private readonly line: (() => void)[] = [];

  constructor(
    private readonly process: SimProcess,
    private readonly limits: { readonly connectionsMax: number; readonly waitMs: number },
  ) {}

  async run<T>(command: () => Promise<T>): Promise<T> {
    if (this.inUse < this.limits.connectionsMax) this.inUse += 1;
    else await this.turn();
    try {
      return await command();
    } finally {
      const next = this.line.shift();
      if (next === undefined) this.inUse -= 1;
      else next();
    }
  }

  /** Until somebody hands a connection over. */
  private turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        cancel();
        resolve();
      };
      const cancel = this.process.after(this.limits.waitMs, () => {
        this.line.splice(this.line.indexOf(enter), 1);
        reject(new StoreError("not_stored", "No connection became free in time."));
      });
      this.line.push(enter);
    });
  }
}
