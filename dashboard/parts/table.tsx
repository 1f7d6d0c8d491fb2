import type { ReactNode } from "react";
import page from "./page.module.css";

interface TableProps {
  /** The columns, each with a name of its own. */
  readonly head: readonly string[];
  /** For who does not see what it stands below. */
  readonly caption?: string;
  readonly className?: string | undefined;
  /** The rows. */
  readonly children: ReactNode;
}

/** A table scrolls within itself where it does not fit. */
export function Table({ head, caption, className = "", children }: TableProps) {
  return (
    <div className={page.scroll}>
      <table className={`${page.table} ${className}`}>
        {caption === undefined ? null : <caption className="offscreen">{caption}</caption>}
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
