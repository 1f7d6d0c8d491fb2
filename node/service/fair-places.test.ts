import { describe, expect, it } from "vitest";
import { type Asking, type FairLimits, FairPlaces } from "./fair-places.js";

class Places extends FairPlaces {
  /** In the order in which they came in, or were pushed out. */
  readonly entered: string[] = [];
  readonly pushedOut: string[] = [];
  private readonly inside = new Map<string, Asking>();

  /** `a1` is of address `a`. False: it was refused. */
  come(name: string, share = 1): boolean {
    const asking: Asking = {
      ...{ by: name.slice(0, 1), share },
      onEntered: () => {
        this.entered.push(name);
        this.inside.set(name, asking);
      },
      onPushedOut: () => this.pushedOut.push(name),
    };
    return this.ask(asking);
  }

  go(name: string): void {
    const asking = this.inside.get(name);
    if (asking === undefined) throw new Error(`${name} is not inside`);
    this.inside.delete(name);
    this.leave(asking);
  }

  /** Whoever came first goes, until nobody is left. */
  empty(): string[] {
    for (let i = 0; i < this.entered.length; i++)
      if (this.inside.has(this.entered[i] ?? "")) this.go(this.entered[i] ?? "");
    return this.entered;
  }
}

const places = (limits: FairLimits, ...names: string[]): Places => {
  const made = new Places(limits);
  for (const name of names) made.come(name);
  return made;
};

describe("places that are given in turn", () => {
  it("are all for one address that is alone, in the order of its asking", () => {
    expect(places({ max: 2 }, "a1", "a2", "a3", "a4").empty()).toEqual(["a1", "a2", "a3", "a4"]);
  });

  it("go to whoever has least, as soon as one is free", () => {
    const few = places({ max: 3 }, "a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3");
    few.go("a1");
    few.go("a2");
    few.go("a3");
    expect(few.entered).toEqual(["a1", "a2", "a3", "b1", "a4", "b2"]);
  });

  it("come to each address in turn, where there are fewer places than addresses", () => {
    expect(places({ max: 1 }, "a1", "a2", "a3", "b1", "b2", "c1", "c2").empty()).toEqual([
      ...["a1", "a2", "b1", "c1", "a3", "b2", "c2"],
    ]);
    const two = places({ max: 2 }, ..."a1 a2 a3 a4 b1 b2 b3 c1 c2".split(" ")).empty();
    expect(two.indexOf("c2")).toBeLessThanOrEqual(7);
  });

  it("are not passed by what is smaller, while the next one waits for a large one", () => {
    const one = places({ max: 10 });
    one.come("a1", 8);
    one.come("b1", 6);
    one.come("c1", 1);
    expect(one.entered).toEqual(["a1"]);
    one.go("a1");
    expect(one.entered).toEqual(["a1", "b1", "c1"]);
  });

  it("are left to others by one who goes before its turn", () => {
    const one = places({ max: 10 });
    one.come("a1", 8);
    const large: Asking = { by: "b", share: 6, onEntered: () => one.entered.push("b1") };
    one.ask(large);
    one.come("c1", 1);
    one.withdraw(large);
    one.withdraw(large);
    expect(one.entered).toEqual(["a1", "c1"]);
    expect(one.empty()).toEqual(["a1", "c1"]);
  });
});

describe("places that are spare", () => {
  it("are for addresses that have none, one for each", () => {
    const one = places({ max: 2, spare: 2 }, "a1", "a2", "a3", "b1", "b2", "c1");
    expect(one.entered).toEqual(["a1", "a2", "b1", "c1"]);
    one.go("a1");
    expect(one.entered).toHaveLength(4);
    one.go("a2");
    expect(one.entered.slice(4)).toEqual(["a3"]);
    one.go("b1");
    expect(one.entered.slice(4)).toEqual(["a3", "b2"]);
  });

  it("let one in that is larger than they are, alone", () => {
    const one = places({ max: 4, spare: 2 });
    one.come("a1", 4);
    one.come("b1", 4);
    one.come("c1", 1);
    expect(one.entered).toEqual(["a1", "b1"]);
    one.go("a1");
    expect(one.entered).toEqual(["a1", "b1", "c1"]);
  });
});

describe("places of those who wait", () => {
  it("have an end: one address alone is refused the next one", () => {
    const one = places({ max: 1, waitingMax: 2 }, "a1", "a2", "a3");
    expect([one.come("a4"), one.pushedOut]).toEqual([false, []]);
    expect(one.empty()).toEqual(["a1", "a2", "a3"]);
  });

  it("are taken from whoever has most of them, the newest first, until all have as many", () => {
    const one = places({ max: 1, waitingMax: 4 }, "a1", "a2", "a3", "a4", "a5");
    expect([one.come("b1"), one.come("b2"), one.come("b3"), one.come("c1")]).toEqual([true, true, false, true]);
    expect(one.pushedOut).toEqual(["a5", "a4", "a3"]);
    expect(one.empty()).toEqual(["a1", "a2", "b1", "c1", "b2"]);
  });

  it("are bounded by what is held in them, too", () => {
    const one = places({ max: 4, waitingMax: 9, waitingShareMax: 6 });
    expect(["a1", "a2", "a3"].map((name) => one.come(name, 4))).toEqual([true, true, false]);
    expect(["a4", "a5", "a6"].map((name) => one.come(name, 1))).toEqual([true, true, false]);
    expect([one.come("b1", 4), one.pushedOut]).toEqual([false, ["a5", "a4"]]);
    expect([one.come("b2", 2), one.empty()]).toEqual([true, ["a1", "a2", "b2"]]);
  });

  it("are not taken from anybody by one who comes in at once", () => {
    const one = places({ max: 1, spare: 1, waitingMax: 1 }, "a1", "a2");
    expect([one.come("b1"), one.pushedOut, one.entered]).toEqual([true, [], ["a1", "b1"]]);
  });
});
