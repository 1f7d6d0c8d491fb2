/** The first row is the heading. */
export type Rows = readonly (readonly string[])[];

export function aligned(rows: Rows): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (column: number) => rows.slice(1).every((row) => /^[×\d–][^a-z]*$|^$/.test(row[column] ?? ""));
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    );
  return rows.map((row) => `  ${line(row).join("  ")}`.trimEnd()).join("\n");
}

export function markdownTable(rows: Rows): string {
  const [head = [], ...body] = rows;
  return [head, head.map(() => "---"), ...body].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
