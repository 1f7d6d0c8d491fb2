import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { StoreError } from "../storage/port.js";

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Throws StoreError with the cause and a remedy if this process cannot listen there: `unfit`, but for what may pass. */
export function listen(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new StoreError(mayListenLater(error) ? "not_stored" : "unfit", whyNotListening(error, { host, port }))),
    );
    server.listen(port, host, () => resolve());
  });
}

/** A name service that does not answer says nothing of the name: the same setting may serve a little later. */
export const mayListenLater = ({ code }: NodeJS.ErrnoException): boolean => code === "EAI_AGAIN";

/** Why nobody, or not this user, can listen there: a sentence that says no more than the error shows, and what to do. */
export function whyNotListening(error: NodeJS.ErrnoException, { host, port }: Address): string {
  if (error.syscall === "connect" || error.name === "AbortError")
    return `HOST=${host} can be listened on, and this machine does not reach itself there (${error.code}). Set HOST to one of ${ownAddresses()}.`;
  switch (error.code) {
    case "EADDRINUSE":
      return `Port ${port} on ${host} is taken. Stop what uses it, or set another PORT.`;
    case "EADDRNOTAVAIL":
    case "EINVAL":
      return `HOST=${host} is no address of this machine that can be listened on. Set HOST to one of ${ownAddresses()}.`;
    case "EACCES":
    case "EPERM":
      return `This user may not listen on port ${port} of ${host} (${error.code}). Ports below 1024 mostly need more rights: set another PORT.`;
    case "EAI_AGAIN":
      return `HOST=${host} cannot be looked up: the name service does not answer (EAI_AGAIN). See to that, or set HOST to one of ${ownAddresses()}.`;
    case "ENOTFOUND":
      return `HOST=${host} is a name that this machine does not know (${error.code}). Set HOST to one of ${ownAddresses()}.`;
    case "EAFNOSUPPORT":
      return `This machine has no addresses of the kind of HOST=${host}. Set HOST to one of ${ownAddresses()}.`;
    default:
      return `Port ${port} on ${host} cannot be listened on: ${error.message}. See to that, or set another PORT or HOST.`;
  }
}

/** IPv6 addresses with a zone are left out: no URL can name them. */
function ownAddresses(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return [...all.filter(({ scopeid }) => !scopeid).map(({ address }) => address), "0.0.0.0 (all)"].join(", ");
}

/**
 * Throws StoreError if this node could not listen, as `listen` does. To open the store takes it away from a process of this node
 * that runs, which would notice at its next vote only: so a start that cannot listen must end before that.
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
  if (failure?.code !== "EADDRINUSE") return;
  // The port itself may be free still.
  const { host, port } = address;
  const detail = `A node at ${host}:${port} runs already, or is being started. Stop that one, or set another PORT.`;
  throw new StoreError("unfit", detail);
}
