/** Where a node that listens on this address is reached from its own machine. */
export function baseUrl(host: string, port: number): string {
  // "All addresses" is nothing that can be called.
  const called = host === "0.0.0.0" ? "127.0.0.1" : /^[0:]*:[0:]*$/.test(host) ? "::1" : host;
  return `http://${called.includes(":") ? `[${called}]` : called}:${port}`;
}
