import { type FormEvent, useState } from "react";
import { Button } from "../parts/button.js";
import page from "../parts/page.module.css";
import styles from "./chain.module.css";

export const ZOOMS = ["tile", "bar", "map"] as const;
export type Zoom = (typeof ZOOMS)[number];
const ABOUT: Readonly<Record<Zoom, string>> = {
  tile: "Some events, each with its hash",
  bar: "500 events, as bars",
  map: "The whole log",
};

export function ZoomChoice({ zoom, onChoose }: { readonly zoom: Zoom; onChoose(zoom: Zoom): void }) {
  return (
    <fieldset className={styles.zoom}>
      <legend className="offscreen">Zoom</legend>
      {ZOOMS.map((one) => (
        <Button key={one} title={ABOUT[one]} aria-pressed={zoom === one} onClick={() => onChoose(one)}>
          {one}
        </Button>
      ))}
    </fieldset>
  );
}

export function Jump({ onJump }: { onJump(sequence: string): void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text !== "") onJump(text);
  };
  return (
    <form className={page.row} onSubmit={submit}>
      <label className={styles.jump}>
        Jump to #
        <input
          data-search
          inputMode="numeric"
          pattern="\d{1,15}"
          title="The sequence of an event"
          value={text}
          onChange={({ target }) => setText(target.value.replaceAll(/\D/g, ""))}
        />
      </label>
      <Button type="submit">Go</Button>
    </form>
  );
}

interface PagerProps {
  readonly from: number;
  readonly size: number;
  readonly columns: number;
  onMove(sequence: number): void;
}

export function Pager({ from, size, columns, onMove }: PagerProps) {
  const half = Math.ceil(columns / 2);
  return (
    <div className={page.row}>
      <Button disabled={from === 0} onClick={() => onMove(Math.max(0, from - half))}>
        ← Older
      </Button>
      <Button disabled={from + columns >= size} onClick={() => onMove(Math.min(size - 1, from + columns + half))}>
        Newer →
      </Button>
    </div>
  );
}
