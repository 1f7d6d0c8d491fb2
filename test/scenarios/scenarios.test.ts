import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { play } from "./text/script.js";

/**
 * Known disasters as text: commands, and below each the whole of what came of them. `UPDATE_SCENARIOS=1` writes what
 * comes of them now; read the difference before it is committed. README.md tells the language.
 */
const folder = new URL(".", import.meta.url);
const stories = readdirSync(folder).filter((name) => name.endsWith(".txt"));

describe("scenarios", () => {
  it.each(stories)("%s", (name) => {
    const file = new URL(name, folder);
    const text = readFileSync(file, "utf8");
    const played = play(text);
    if (process.env.UPDATE_SCENARIOS === "1") writeFileSync(file, played);
    else expect(played).toBe(text);
  });
});
