import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Door, openDoor } from "../../test/doubles/door.js";

const HTML = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const SCRIPT = `/* ${"x".repeat(5_000)} */`;
const folder = mkdtempSync(join(tmpdir(), "quorumlog-dashboard-"));
let door: Door;
let bare: Door;

beforeAll(async () => {
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>The page</title>");
  writeFileSync(join(folder, "assets", "index-a1b2.js"), SCRIPT);
  writeFileSync(join(folder, "secret.txt"), "secret");
  door = await openDoor({ dashboardFolder: folder });
  bare = await openDoor({ dashboardFolder: join(folder, "nowhere") });
});
afterAll(async () => {
  await Promise.all([door.close(), bare.close()]);
  rmSync(folder, { recursive: true });
});

it("a browser gets the page, which may load and ask nothing but its own node; all others get JSON", async () => {
  const page = await fetch(`${door.url}/`, { headers: HTML });
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(await page.text()).toContain("The page");
  expect(page.headers.get("cache-control")).toBe("no-cache");
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  for (const headers of [{ Accept: "*/*" }, { Accept: "application/json" }, {}])
    expect(await (await fetch(`${door.url}/`, { headers })).json()).toMatchObject({ name: "quorumlog" });
});

it("a worker of the page may ask its own node, and nobody else", async () => {
  const script = await fetch(`${door.url}/assets/index-a1b2.js`);
  expect(script.headers.get("content-security-policy")).toContain("connect-src 'self'");
});

it("where it was not built, a browser gets the page of routes, and no route for its files", async () => {
  expect(await (await fetch(`${bare.url}/`, { headers: HTML })).text()).toContain("/api/v1/events");
  expect((await fetch(`${bare.url}/assets/index-a1b2.js`)).status).toBe(404);
});

it("its files may be kept for ever, and come compressed to who takes that", async () => {
  const path = `${door.url}/assets/index-a1b2.js`;
  const file = await fetch(path);
  expect([file.status, file.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
  expect(file.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect([file.headers.get("content-encoding"), await file.text()]).toEqual(["gzip", SCRIPT]);
  const plain = await fetch(path, { headers: { "Accept-Encoding": "identity" } });
  expect([plain.headers.get("content-encoding"), await plain.text()]).toEqual([null, SCRIPT]);
  const head = await fetch(path, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

it.each(["/assets/nothing.js", "/assets/..%2Fsecret.txt", "/assets/%2e%2e%2fsecret.txt", "/secret.txt"])(
  "%s is no file of it",
  async (path) => {
    const answer = await fetch(`${door.url}${path}`);
    expect([answer.status, (await answer.text()).includes('"code":"not_found"')]).toEqual([404, true]);
  },
);

it("its files are not changed by anybody", async () => {
  expect((await fetch(`${door.url}/assets/index-a1b2.js`, { method: "DELETE" })).status).toBe(405);
});
