import { Link } from "wouter";
import { count, many } from "../lib/format.js";
import { breakOf } from "./breaks.js";
import styles from "./chain.module.css";
import type { ChainCell, ChainPicture } from "./columns.js";

const SHOWN_DIGITS = 6;

interface ChainTableProps {
  readonly picture: ChainPicture;
  readonly leaderId: string | null;
  /** The event that was asked for. */
  readonly at: number | null;
  /** Blocks of each node that are not known to be committed. */
  readonly waiting: ReadonlyMap<string, number>;
}

/** The picture is a table, so that it can be read cell by cell. */
export function ChainTable({ picture, leaderId, at, waiting }: ChainTableProps) {
  return (
    <section className={styles.scroll} aria-label="Hashes" tabIndex={-1}>
      <table className={styles.chain}>
        <thead>
          <tr>
            <th scope="col">Node</th>
            {picture.sequences.map((sequence) => (
              <th key={sequence} scope="col">
                <Link
                  href={`/events?event=${sequence}&tab=nodes`}
                  aria-current={sequence === at ? "location" : undefined}
                >
                  #{count(sequence)}
                </Link>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {picture.rows.map(({ node, cells }) => (
            <tr key={node}>
              <th scope="row">
                {node}
                {node === leaderId ? <abbr title="leader"> L</abbr> : null}
              </th>
              {cells.map((cell, i) => (
                <td key={picture.sequences[i]}>
                  <Tile cell={cell} />
                </td>
              ))}
              <Waiting blocks={waiting.get(node) ?? 0} />
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Stored, and not known to be committed: behind the line that every event stands before. */
function Waiting({ blocks }: { readonly blocks: number }) {
  if (blocks === 0) return null;
  return <td className={styles.waiting}>┊ {many(blocks, "block")} waiting</td>;
}

function Tile({ cell }: { readonly cell: ChainCell }) {
  const { state, hash, isLinked, detail, kind } = cell;
  const broken = state === "altered" ? breakOf(kind) : null;
  return (
    <span className={styles.place}>
      <span className={isLinked === false ? styles.broken : styles.link} aria-hidden="true">
        {isLinked === false ? "╳" : ""}
      </span>
      {isLinked === false ? <span className="offscreen">not linked; </span> : null}
      <span className={`${styles.tile} ${styles[broken?.pattern ?? state]}`} title={hash === "" ? detail : hash}>
        {broken !== null
          ? `${broken.sign} ${broken.word}`
          : hash === ""
            ? WORDS[state]
            : `${hash.slice(0, SHOWN_DIGITS)}${state === "differs" ? " ✗" : ""}`}
        <span className="offscreen">{hash === "" ? detail : WORDS[state]}</span>
      </span>
    </span>
  );
}

const WORDS = { equal: " ✓", differs: " differs", altered: "altered", missing: "–", unknown: "?" } as const;
