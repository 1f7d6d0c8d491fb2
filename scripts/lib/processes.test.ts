import { expect, it } from "vitest";
import { whyNotListening } from "../../node/host/own-port.js";
import { freePorts, listenProblem } from "./processes.js";

it.each(["224.0.0.1", "255.255.255.255"])(
  "an address that can be listened on and not be reached is refused with those that can: %s",
  async (host) => {
    const [port = 0] = await freePorts(1);
    const problem = await listenProblem(port, host);
    expect(problem).toBeDefined();
    const told = whyNotListening(problem as NodeJS.ErrnoException, { host, port });
    expect(told).toMatch(/^HOST=\S+ (?:can be listened on, and|is no address).*Set HOST to one of 127\.0\.0\.1/);
  },
);

it.each(["127.0.0.1", "localhost", "0.0.0.0"])("an address that is reached is no problem: %s", async (host) => {
  const [port = 0] = await freePorts(1);
  expect(await listenProblem(port, host)).toBeUndefined();
  expect(await listenProblem(port, host)).toBeUndefined();
});
