import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { assertPortFree, listen, reserveStart, whyNotListening } from "./own-port.js";

const coded = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`listen ${code}`), { code });

describe("an address that cannot be listened on", () => {
  it("is called taken only if it is", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await expect(assertPortFree({ host: "127.0.0.1", port })).rejects.toMatchObject({
      failure: "unfit",
      message: `Port ${port} on 127.0.0.1 is taken. Stop what uses it, or set another PORT.`,
    });
  });

  it.runIf(process.platform === "linux")("is not called taken where another start is only on its way", async () => {
    const address = { host: "127.0.0.1", port: 1 };
    await reserveStart(address);
    await expect(reserveStart(address)).rejects.toMatchObject({
      failure: "unfit",
      message: "A node at 127.0.0.1:1 runs already, or is being started. Stop that one, or set another PORT.",
    });
  });

  it("is told with the addresses that are there, if it is another machine's", async () => {
    const message = /^HOST=203\.0\.113\.9 is no address of this machine .* 127\.0\.0\.1, .*0\.0\.0\.0 \(all\)\.$/;
    await expect(assertPortFree({ host: "203.0.113.9", port: 3000 })).rejects.toMatchObject({
      failure: "unfit",
      message: expect.stringMatching(message),
    });
    await expect(assertPortFree({ host: "nowhere.invalid", port: 3000 })).rejects.toMatchObject({
      failure: "unfit",
      message: expect.stringMatching(/^HOST=nowhere\.invalid is a name that this machine does not know/),
    });
  });

  it.each([
    ["EACCES", /^This user may not listen on port 80 .* set another PORT/],
    ["EAFNOSUPPORT", /has no addresses of the kind/],
    ["EMFILE", /cannot be listened on: listen EMFILE\. See to that, or set another PORT or HOST\.$/],
    ["EAI_AGAIN", /cannot be looked up: the name service does not answer \(EAI_AGAIN\).* set HOST to one of/],
  ])("is told by its cause, %s", (code, sentence) => {
    const told = whyNotListening(coded(code), { host: "127.0.0.1", port: 80 });
    expect(told).toMatch(sentence);
    expect(told).not.toContain("taken");
  });

  it("is no reason to stay down where only the name service does not answer", async () => {
    const server = createServer();
    const address = { host: "db.example", port: 3000 };
    server.listen = () => server;
    const listening = listen(server, address);
    server.emit("error", coded("EAI_AGAIN"));
    await expect(listening).rejects.toMatchObject({ failure: "not_stored" });
  });
});
