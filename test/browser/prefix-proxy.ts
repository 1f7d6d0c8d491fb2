import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect } from "node:net";

export interface PrefixProxy {
  /** The node's address behind the proxy, with the prefix and a slash. */
  readonly url: string;
  /** Paths that were asked for and do not stand under the prefix. */
  readonly missed: readonly string[];
  close(): Promise<void>;
}

/** A proxy as people put it before a node: under a path of its own, WebSockets too. */
export async function openPrefixProxy(target: string, prefix: string): Promise<PrefixProxy> {
  const { hostname, port } = new URL(target);
  const missed: string[] = [];
  const pathOf = ({ url = "/" }: IncomingMessage): string | null => {
    if (url.startsWith(`${prefix}/`)) return url.slice(prefix.length);
    missed.push(url);
    return null;
  };
  const server = createServer((req, res) => {
    const path = pathOf(req);
    if (path === null) return void res.writeHead(404).end();
    const onward = request({ hostname, port, path, method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    req.pipe(onward);
  });
  server.on("upgrade", (req, socket, head) => {
    const path = pathOf(req);
    if (path === null) return void socket.destroy();
    const onward = connect(Number(port), hostname, () => {
      const lines = req.rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${req.rawHeaders[i + 1]}`] : []));
      onward.write(`${req.method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}/`,
    missed,
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
