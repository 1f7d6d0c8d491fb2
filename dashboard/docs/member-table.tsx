import { useParameters } from "../lib/hash-location.js";
import { Button } from "../parts/button.js";
import page from "../parts/page.module.css";
import type { Row, TypeWords } from "./openapi.js";

/** A name leads to its shape. */
export function TypeLink({ type: { words, ref } }: { readonly type: TypeWords }) {
  const { change } = useParameters();
  if (ref === undefined) return <span>{words}</span>;
  return (
    <Button kind="quiet" onClick={() => change({ shape: ref, q: "" })}>
      {words}
    </Button>
  );
}

/** Members of a shape, or parameters. */
export function MemberTable({ caption, rows }: { readonly caption: string; readonly rows: readonly Row[] }) {
  return (
    <div className={page.scroll}>
      <table className={page.table}>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Type</th>
            <th scope="col">Must be there</th>
            <th scope="col">What it is</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, type, isRequired, note }) => (
            <tr key={name}>
              <th scope="row">
                <code>{name}</code>
              </th>
              <td className={page.break}>
                <TypeLink type={type} />
              </td>
              <td>{isRequired ? "yes" : "no"}</td>
              <td className={page.break}>{note}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
