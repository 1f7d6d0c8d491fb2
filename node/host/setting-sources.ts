import { readFileSync } from "node:fs";
import { editDistance } from "../../shared/edit-distance.js";
import type { EnvFile } from "./env-file.js";

type Env = Readonly<Record<string, string | undefined>>;

const SECRET_FILE_BYTES_MAX = 64 * 1024;

/** Each setting is the environment's, if it is set there, else the file's. A secret may be set by its `_FILE` twin. */
export function mergeSources(env: Env, file: EnvFile, secretNames: readonly string[]): Env {
  const merged: Record<string, string | undefined> = { ...env };
  for (const [name, value] of Object.entries(file.values)) {
    const plain = name.replace(/_FILE$/, "");
    // A CLUSTER_SECRET in the environment is not contradicted by a CLUSTER_SECRET_FILE in `.env`.
    const rivals = secretNames.includes(plain) ? [plain, `${plain}_FILE`] : [name];
    if (!rivals.some((rival) => env[rival])) merged[name] = value;
  }
  return merged;
}

/** An empty value counts as not set. */
export function readSetting(name: string, env: Env, isSecret: boolean): string | undefined | Error {
  const value = env[name] || undefined;
  const path = isSecret ? env[`${name}_FILE`] || undefined : undefined;
  if (path === undefined) return value;
  return value === undefined
    ? readSecretFile(`${name}_FILE`, path)
    : new Error(`set ${name} or ${name}_FILE, not both`);
}

function readSecretFile(name: string, path: string): string | Error {
  try {
    const content = readFileSync(path);
    if (content.length > SECRET_FILE_BYTES_MAX) return new Error(`${name}: ${path} is too large for a secret`);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(content).trim();
    return text || new Error(`${name}: ${path} is empty`);
  } catch (error) {
    if (error instanceof TypeError) return new Error(`${name}: ${path} is not UTF-8 text`);
    return new Error(`${name}: cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? "error"})`);
  }
}

/**
 * `.env` is ours: every unknown name in it is a mistake. The environment is shared with everything else on the machine:
 * a name there that looks like one of ours is at most worth a warning.
 */
export function judgeNames(
  known: readonly string[],
  env: Env,
  file: EnvFile,
): { mistakes: readonly string[]; warnings: readonly string[] } {
  const unknown = (names: readonly string[]): string[] => names.filter((name) => !known.includes(name)).sort();
  const mistakes = unknown(Object.keys(file.values)).map((name) => {
    const meant = nearestName(known, name);
    return `${name} is unknown (in .env)${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  });
  const warnings = unknown(Object.keys(env)).flatMap((name) => {
    const meant = nearestName(known, name);
    return meant === undefined
      ? []
      : [`${name} in the environment is no setting and is ignored; did you mean ${meant}?`];
  });
  return { mistakes, warnings };
}

function nearestName(known: readonly string[], name: string): string | undefined {
  const plain = name.replace(/^QUORUMLOG_/, "").toUpperCase();
  // HOME is two edits from HOST: short names must be closer to count as a slip.
  const reach = (one: string): number => (one.length <= 6 ? 1 : 2);
  const distances = known.map((one) => ({ one, distance: editDistance(plain, one) }));
  distances.sort((a, b) => a.distance - b.distance);
  return distances.find(({ one, distance }) => distance <= reach(one))?.one;
}
