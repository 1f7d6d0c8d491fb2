import { createServer, type Server } from "node:net";
import type { Config } from "../config.js";
import { StoreError } from "../storage/port.js";

type Address = Pick<Config, "host" | "port">;

/** Throws StoreError `unfit` if the port is taken. */
export function listen(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? portTaken({ host, port }) : error);
    });
    server.listen(port, host, () => resolve());
  });
}

/**
 * Throws StoreError `unfit` if somebody listens on this node's port. To open the store takes it away from a process of
 * this node that runs, which would notice at its next vote only: so a start that cannot listen must end before that.
 *
 * The port is bound for an instant, not kept: until the node has recovered, its peers must be refused the connection,
 * which tells them that nothing arrived.
 */
export async function assertPortFree(address: Address): Promise<void> {
  const probe = createServer();
  await listen(probe, address);
  await new Promise((resolve) => probe.close(resolve));
}

/**
 * Keeps other processes with this address from starting until this one ends, while it does not listen yet: of two that
 * are started at once, each would find the port free. On Linux that is a name in the abstract namespace of sockets,
 * which lives in the network namespace, like the port, and goes with its process, however that ends. Elsewhere, and
 * where a sandbox forbids such names, only the port itself is looked at. Throws StoreError `unfit` if another has it.
 */
export async function reserveStart(address: Address): Promise<void> {
  if (process.platform !== "linux") return;
  const held = createServer((socket) => socket.destroy()).unref();
  const failure = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    held.once("error", resolve);
    held.listen(`\0quorumlog ${address.host} ${address.port}`, () => resolve(null));
  });
  if (failure?.code === "EADDRINUSE") throw portTaken(address);
}

const portTaken = ({ host, port }: Address): StoreError =>
  new StoreError("unfit", `Port ${port} on ${host} is taken. Stop what uses it, or set another PORT.`);
