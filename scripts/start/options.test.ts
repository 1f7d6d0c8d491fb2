import { describe, expect, it } from "vitest";
import { parseStartOptions } from "./options.js";

describe("the options of npm start", () => {
  it("starts three nodes on 3000 when nothing is said", () => {
    expect(parseStartOptions([], {})).toEqual({
      basePort: 3000,
      nodes: undefined,
      isFresh: false,
      mayDelete: false,
      allowDownload: true,
      wantsHelp: false,
      isDemo: false,
      allowsChaos: false,
    });
  });

  it("allows faults where that is said, and for a demonstration", () => {
    expect(parseStartOptions(["--allow-chaos"], {})).toMatchObject({ isDemo: false, allowsChaos: true });
    expect(parseStartOptions(["--demo"], {})).toMatchObject({ isDemo: true, allowsChaos: true });
  });

  it("lets a flag win over the environment", () => {
    expect(parseStartOptions(["--port", "4000", "--nodes=5"], { PORT: "5000" })).toMatchObject({
      basePort: 4000,
      nodes: 5,
    });
    expect(parseStartOptions([], { PORT: "5000" }).basePort).toBe(5000);
  });

  it.each([
    [["--nods", "3"], /Did you mean --nodes\?/],
    [["--nodes", "2"], /Use 1 or 3/],
    [["--nodes", "0"], /from 1 to 99/],
    [["--nodes", "three"], /not "three"/],
    [["--port", "70000"], /from 1 to 65535/],
    [["--port"], /needs a number/],
    [["--allow-chao"], /Did you mean --allow-chaos\?/],
    [["--fresh=no"], /takes no value/],
    [["--yes"], /goes with --fresh/],
    [["fresh"], /no option/],
    [["--__proto__"], /no option/],
  ])("refuses %j with a sentence", (args, message) => {
    expect(() => parseStartOptions(args, {})).toThrow(message);
  });
});
