import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** A condition of the source, named by its file and its text; where a file has it more than once, by its number, too. */
export interface Guard {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** How a guard came out in some run, as bits. */
export const HELD = 1;
export const FAILED = 2;

/** Where a wrong guard loses data: the core, what is stored, and what is made of it at a start. */
export function guardedFiles(root: string): string[] {
  const core = readdirSync(join(root, "cluster")).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  const replica = ["recovery", "storage-operations", "stray", "compare-entries"].map(
    (name) => `node/replica/${name}.ts`,
  );
  return [...core.map((name) => `cluster/${name}`), ...replica].sort();
}

/** The conditions of `if` and `?:`. */
export function guardsOf(root: string, file: string): Guard[] {
  const guards: Guard[] = [];
  transpile(root, file, (guard) => guards.push(guard));
  return guards;
}

/** Compiles a file so that each of its guards notes how it comes out. */
export const withNotes = (root: string, file: string): string => transpile(root, file, () => undefined);

function transpile(root: string, file: string, onGuard: (guard: Guard) => void): string {
  const text = readFileSync(join(root, file), "utf8");
  const names = new Map<string, number>();
  const noting: ts.TransformerFactory<ts.SourceFile> = (context) => (source) => {
    const noted = (condition: ts.Expression): ts.Expression => {
      const what = `${file}: ${condition.getText(source).replace(/\s+/g, " ")}`;
      const number = (names.get(what) ?? 0) + 1;
      names.set(what, number);
      const name = number === 1 ? what : `${what} #${number}`;
      onGuard({ name, file, line: source.getLineAndCharacterOfPosition(condition.getStart(source)).line + 1 });
      const { factory } = context;
      return factory.createCallExpression(factory.createIdentifier("noteGuard"), undefined, [
        factory.createStringLiteral(name),
        ts.visitNode(condition, visit) as ts.Expression,
      ]);
    };
    const visit = (node: ts.Node): ts.Node => {
      const { factory } = context;
      if (ts.isIfStatement(node)) {
        const then = ts.visitNode(node.thenStatement, visit) as ts.Statement;
        const other = ts.visitNode(node.elseStatement, visit) as ts.Statement | undefined;
        return factory.updateIfStatement(node, noted(node.expression), then, other);
      }
      if (ts.isConditionalExpression(node)) {
        const [yes, no] = [node.whenTrue, node.whenFalse].map((it) => ts.visitNode(it, visit) as ts.Expression);
        return factory.updateConditionalExpression(
          node,
          noted(node.condition),
          node.questionToken,
          yes as ts.Expression,
          node.colonToken,
          no as ts.Expression,
        );
      }
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitNode(source, visit) as ts.SourceFile;
  };
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true },
    transformers: { before: [noting] },
  });
  return `${outputText}\n${NOTE}`;
}

const NOTE = `function noteGuard(name, is) {
  const seen = globalThis.guardsSeen;
  if (seen !== undefined) seen.set(name, (seen.get(name) ?? 0) | (is ? ${HELD} : ${FAILED}));
  return is;
}
`;
