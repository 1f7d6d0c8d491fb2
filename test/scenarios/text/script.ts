import { COMMANDS, formCluster } from "./commands.js";
import type { Stage } from "./stage.js";

const RULE = "----";

/** One part of a story: remarks and commands, and below the rule what came of them. */
interface Part {
  readonly remarks: readonly string[];
  readonly commands: readonly string[];
  readonly expected: readonly string[];
}

/** Parts are separated by blank lines; `# …` is a remark. */
export function parse(text: string): Part[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((block) => {
      const lines = block.split("\n");
      const rule = lines.indexOf(RULE);
      const script = rule === -1 ? lines : lines.slice(0, rule);
      return {
        remarks: script.filter((line) => line.startsWith("#")),
        commands: script.filter((line) => !line.startsWith("#")),
        expected: rule === -1 ? [] : lines.slice(rule + 1),
      };
    });
}

/** Plays a story anew and writes it with what really came of each part: equal to the text, if all is as it was. */
export function play(text: string): string {
  let stage: Stage | null = null;
  const played = parse(text).map(({ remarks, commands }) => {
    if (commands.length === 0) return remarks.join("\n");
    const told: string[] = [];
    for (const command of commands) {
      const [verb = "", ...args] = command.split(/\s+/);
      if (verb === "cluster") {
        stage = formCluster(args);
        told.push(...stage.teller.told());
        continue;
      }
      const action = COMMANDS[verb];
      if (action === undefined) throw new Error(`"${command}": there is no command "${verb}"`);
      if (stage === null) throw new Error("a story begins with: cluster <number of nodes>");
      told.push(...runOne(stage, action, { command, args }));
    }
    return [...remarks, ...commands, RULE, ...told].join("\n");
  });
  return `${played.join("\n\n")}\n`;
}

function runOne(stage: Stage, action: (typeof COMMANDS)[string], what: { command: string; args: string[] }): string[] {
  try {
    action(stage, what.args);
    return stage.teller.told();
  } catch (error) {
    throw new Error(`"${what.command}": ${(error as Error).message}`, { cause: error });
  }
}
