import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import type { Patch } from "./mutant.js";

/** A condition of the source, named by its file and its text; where a file has it more than once, by its number, too. */
export interface Guard {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  /** Where its text begins and ends in the file. */
  readonly start: number;
  readonly end: number;
}

/** How a guard came out in some run, as bits. */
export const HELD = 1;
export const FAILED = 2;

/** A guard that says the opposite, or that always comes out one way: then nothing is guarded any more. */
export type Mistake = "inverted" | "always true" | "always false";

/** Where a wrong guard loses data: the core, what is stored, and what is made of it at a start. */
export function guardedFiles(root: string): string[] {
  const core = readdirSync(join(root, "cluster")).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  const replica = [
    "compare-entries",
    "late-inserts",
    "memory",
    "recovery",
    "recovery-loop",
    "start-findings",
    "storage-operations",
    "stray",
    "verified-tail",
  ].map((name) => `node/replica/${name}.ts`);
  return [...core.map((name) => `cluster/${name}`), ...replica].sort();
}

/** Conditions of `if` and `?:`, and what is compared or joined by `&&`, `||` and `!` where it is returned or kept. */
export function guardsOf(root: string, file: string): Guard[] {
  const guards: Guard[] = [];
  transpile(root, file, (guard) => guards.push(guard));
  return guards;
}

/** Compiles a file so that each of its guards asks `watchGuard`, where there is one, how it is to come out. */
export const withWatch = (root: string, file: string): string => transpile(root, file, () => undefined);

/** The source with a mistake in a guard; named by all of the text before it, the place is the only one. */
export function mistakeIn(root: string, { file, start, end }: Guard, mistake: Mistake): Patch {
  const text = readFileSync(join(root, file), "utf8");
  const condition = text.slice(start, end);
  const replaced = mistake === "inverted" ? `!(${condition})` : `((${condition}), ${mistake === "always true"})`;
  return { file, find: text.slice(0, end), replace: text.slice(0, start) + replaced };
}

const isComparison = ({ kind }: ts.Node): boolean =>
  (kind >= ts.SyntaxKind.LessThanToken && kind <= ts.SyntaxKind.ExclamationEqualsEqualsToken) ||
  kind === ts.SyntaxKind.InstanceOfKeyword ||
  kind === ts.SyntaxKind.InKeyword;

const isJoin = ({ kind }: ts.Node): boolean =>
  kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken;

/** By its form alone: a name or a call that stands alone may be anything. */
function isTruth(node: ts.Node): boolean {
  if (ts.isParenthesizedExpression(node)) return isTruth(node.expression);
  if (ts.isPrefixUnaryExpression(node)) return node.operator === ts.SyntaxKind.ExclamationToken;
  if (!ts.isBinaryExpression(node)) return false;
  if (isJoin(node.operatorToken)) return isTruth(node.left) || isTruth(node.right);
  return isComparison(node.operatorToken);
}

function isGuard(parent: ts.Node, node: ts.Node): boolean {
  if (ts.isIfStatement(parent)) return node === parent.expression;
  if (ts.isConditionalExpression(parent) && node === parent.condition) return true;
  if (!isTruth(node)) return false;
  if (ts.isArrowFunction(parent)) return node === parent.body;
  if (ts.isBinaryExpression(parent))
    return parent.operatorToken.kind === ts.SyntaxKind.EqualsToken && node === parent.right;
  return (
    ts.isReturnStatement(parent) ||
    ts.isVariableDeclaration(parent) ||
    ts.isPropertyAssignment(parent) ||
    ts.isConditionalExpression(parent)
  );
}

function transpile(root: string, file: string, onGuard: (guard: Guard) => void): string {
  const text = readFileSync(join(root, file), "utf8");
  const names = new Map<string, number>();
  const watching: ts.TransformerFactory<ts.SourceFile> = (context) => (source) => {
    const watched = (condition: ts.Expression): ts.Expression => {
      const what = `${file}: ${condition.getText(source).replace(/\s+/g, " ")}`;
      const number = (names.get(what) ?? 0) + 1;
      names.set(what, number);
      const name = number === 1 ? what : `${what} #${number}`;
      const start = condition.getStart(source);
      onGuard({
        name,
        file,
        line: source.getLineAndCharacterOfPosition(start).line + 1,
        start,
        end: condition.getEnd(),
      });
      const { factory } = context;
      return factory.createCallExpression(factory.createIdentifier("askGuard"), undefined, [
        factory.createStringLiteral(name),
        ts.visitEachChild(condition, within(condition), context),
      ]);
    };
    const within =
      (parent: ts.Node) =>
      (node: ts.Node): ts.Node =>
        isGuard(parent, node) ? watched(node as ts.Expression) : ts.visitEachChild(node, within(node), context);
    return ts.visitEachChild(source, within(source), context);
  };
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true },
    transformers: { before: [watching] },
  });
  return `${outputText}\n${ASK}`;
}

const ASK = `function askGuard(name, is) {
  const watch = globalThis.watchGuard;
  return watch === undefined ? is : watch(name, is);
}
`;
