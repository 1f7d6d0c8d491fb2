import { execFileSync } from "node:child_process";

/** What a program says of its version; undefined where it is not on the PATH. */
export function versionOf(command: string, args: string[], pattern: RegExp): string | undefined {
  try {
    const text = execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const match = pattern.exec(text);
    return match?.[1] ?? match?.[0];
  } catch {
    return undefined;
  }
}
