import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IdentityFile, identityFolder } from "./identity.js";

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "quorumlog-identity-"));
  folder = join(root, "data", "n1");
});
afterEach(() => rm(root, { recursive: true, force: true }));

const hash = "ab".repeat(32);
const onDisk = async () => JSON.parse(await readFile(join(folder, "identity.json"), "utf8"));

describe("the identity file", () => {
  it.runIf(process.platform === "linux")("that cannot be made keeps the node from starting for good", async () => {
    // Nobody can make a folder there.
    const open = IdentityFile.open("/sys/quorumlog", "n1");
    await expect(open).rejects.toMatchObject({ failure: "unfit", message: expect.stringContaining("set DATA_DIR") });
  });

  it("is made once, for its owner's eyes only, and read again", async () => {
    const made = await IdentityFile.open(folder, "n1");
    expect(made.isNew).toBe(true);
    expect(made.seed).toHaveLength(32);
    expect((await stat(join(folder, "identity.json"))).mode & 0o777).toBe(0o600);
    const read = await IdentityFile.open(folder, "n1");
    expect(read.isNew).toBe(false);
    expect(read.identity).toEqual(made.identity);
    expect(await readdir(folder)).toEqual(["identity.json"]);
  });

  it("discards where an identity that is lost had its watch and scrub", async () => {
    const places = join(folder, "integrity.json");
    await mkdir(folder, { recursive: true });
    await writeFile(places, "{}");
    await IdentityFile.open(folder, "n1");
    expect(await readdir(folder)).toEqual(["identity.json"]);
    await writeFile(places, "{}");
    await IdentityFile.open(folder, "n1");
    expect((await readdir(folder)).sort()).toEqual(["identity.json", "integrity.json"]);
  });

  it("takes concurrent changes one after the other and loses none", async () => {
    const file = await IdentityFile.open(folder, "n1");
    await Promise.all([
      file.update({ storeId: "0".repeat(32) }),
      file.update({ votedTerm: 4 }),
      file.update({ bootCounter: 2 }),
      file.update({ formedClusterId: hash }),
    ]);
    const expected = { storeId: "0".repeat(32), votedTerm: 4, bootCounter: 2, formedClusterId: hash };
    expect(await onDisk()).toMatchObject(expected);
    expect((await IdentityFile.open(folder, "n1")).identity).toMatchObject(expected);
  });

  it("removes what interrupted writes left over, and leaves alone what another process may be writing", async () => {
    await IdentityFile.open(folder, "n1");
    const leftOver = ["identity.json.tmp", `identity.json.${"0".repeat(16)}.tmp`];
    const kept = ["identity.json.copy", `identity.json.${"1".repeat(16)}.tmp`];
    for (const name of [...leftOver, ...kept]) await writeFile(join(folder, name), "{");
    const anHourAgo = Date.now() / 1_000 - 3_600;
    for (const name of [...leftOver, "identity.json.copy"]) await utimes(join(folder, name), anHourAgo, anHourAgo);
    const file = await IdentityFile.open(folder, "n1");
    await file.update({ votedTerm: 1 });
    expect((await readdir(folder)).sort()).toEqual(["identity.json", ...kept].sort());
    expect(await onDisk()).toMatchObject({ votedTerm: 1 });
  });

  it("stays whole when two processes write it at once", async () => {
    const [one, other] = [await IdentityFile.open(folder, "n1"), await IdentityFile.open(folder, "n1")];
    const terms = Array.from({ length: 20 }, (_, i) => i + 1);
    await Promise.all(terms.flatMap((votedTerm) => [one.update({ votedTerm }), other.update({ votedTerm })]));
    expect((await onDisk()).votedTerm).toBe(20);
    expect(await readdir(folder)).toEqual(["identity.json"]);
  });

  it("is not written any more by a process of before, which slept while another one took its place", async () => {
    const before = await IdentityFile.open(folder, "n1");
    await before.update({ bootCounter: 1, votedTerm: 3 });
    const now = await IdentityFile.open(folder, "n1");
    before.recordMark({ term: 1, height: 1, hash });
    await now.update({ bootCounter: 2, votedTerm: 9 });
    await expect(before.update({ votedTerm: 4 })).rejects.toMatchObject({ failure: "not_owner" });
    await before.close();
    expect(await onDisk()).toMatchObject({ bootCounter: 2, votedTerm: 9, mark: null });
    await now.update({ votedTerm: 10 });
    expect((await onDisk()).votedTerm).toBe(10);
  });

  it("never lets the voted term go back, and goes on after the refusal", async () => {
    const file = await IdentityFile.open(folder, "n1");
    await file.update({ votedTerm: 4 });
    await expect(file.update({ votedTerm: 3 })).rejects.toThrow(RangeError);
    await file.update({ votedTerm: 5 });
    expect((await onDisk()).votedTerm).toBe(5);
  });

  it("writes marks seldom, the highest one, at the latest at a clean stop", async () => {
    const file = await IdentityFile.open(folder, "n1");
    for (const height of [1, 3, 2]) file.recordMark({ term: 1, height, hash });
    expect((await onDisk()).mark).toBeNull();
    await file.close();
    expect((await onDisk()).mark).toEqual({ term: 1, height: 3, hash });
  });

  it("writes a mark within about a second without being asked", async () => {
    const file = await IdentityFile.open(folder, "n1");
    file.recordMark({ term: 1, height: 1, hash });
    await expect.poll(async () => (await onDisk()).mark?.height).toBe(1);
  });

  it.each(["", "{", "null", '{"version":1}', '{"version":"2"}'])(
    "refuses a damaged file (%j), names it, and leaves it",
    async (text) => {
      await IdentityFile.open(folder, "n1");
      await writeFile(join(folder, "identity.json"), text);
      await expect(IdentityFile.open(folder, "n1")).rejects.toMatchObject({
        failure: "unfit",
        message: expect.stringContaining(join(folder, "identity.json")),
      });
      expect(await readFile(join(folder, "identity.json"), "utf8")).toBe(text);
    },
  );

  it("refuses another node's file", async () => {
    await IdentityFile.open(folder, "n1");
    await expect(IdentityFile.open(folder, "n2")).rejects.toMatchObject({
      failure: "unfit",
      message: expect.stringContaining("belongs to node n1"),
    });
  });

  it("says what to do where the file cannot be read", async () => {
    await mkdir(join(folder, "identity.json"), { recursive: true });
    await expect(IdentityFile.open(folder, "n1")).rejects.toMatchObject({
      failure: "unfit",
      message: expect.stringMatching(/cannot be read: .*start as the user who owns it\.$/),
    });
  });

  it("reports a disk that refuses the write, and keeps what it held", async () => {
    const file = await IdentityFile.open(folder, "n1");
    await rm(root, { recursive: true });
    await writeFile(root, "a file where the folder was");
    await expect(file.update({ votedTerm: 9 })).rejects.toMatchObject({ failure: "unknown" });
    expect(file.identity.votedTerm).toBe(0);
  });
});

describe("identityFolder", () => {
  const at = (mongodbUri: string, isManaged = false) =>
    identityFolder({ dataDir: "/d", nodeId: "n1", mongodbUri, isManaged });

  it("is the node's own for a managed mongod", () => {
    expect(at("mongodb://127.0.0.1:4000/x", true)).toBe("/d/n1");
  });
  it("depends on hosts and database, not on credentials or options", () => {
    const folder = at("mongodb://localhost:27017/eventLogs");
    expect(folder).toMatch(/^\/d\/n1-[0-9a-f]{8}$/);
    expect(at("mongodb://user:p%40ss@LOCALHOST/?retryWrites=true")).toBe(folder);
    expect(at("mongodb://localhost:27018/eventLogs")).not.toBe(folder);
    expect(at("mongodb://localhost:27017/other")).not.toBe(folder);
  });
});
