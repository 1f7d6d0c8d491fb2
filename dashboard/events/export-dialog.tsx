import { type FormEvent, useEffect, useRef, useState } from "react";
import { count, many } from "../lib/format.js";
import { save } from "../lib/save.js";
import { Button } from "../parts/button.js";
import { Modal } from "../parts/modal.js";
import page from "../parts/page.module.css";
import { EXPORTED_MAX, exportEvents, FORMAT_WORDS, FORMATS, type Format, MEDIA_TYPES } from "./export.js";
import styles from "./export-dialog.module.css";
import { type Condition, queryOf, shortName } from "./filter.js";

interface ExportDialogProps {
  readonly conditions: readonly Condition[];
  readonly isOpen: boolean;
  onOpenChange(isOpen: boolean): void;
}

/** All events that meet the conditions, as a file that this browser writes. */
export function ExportDialog({ conditions, isOpen, onOpenChange }: ExportDialogProps) {
  const [format, setFormat] = useState<Format>("ndjson");
  const [done, setDone] = useState<number | null>(null);
  const [outcome, setOutcome] = useState("");
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const control = new AbortController();
    running.current = control;
    setDone(0);
    setOutcome("");
    try {
      const query = queryOf(conditions).toString();
      const exported = await exportEvents({ format, query, signal: control.signal, onProgress: setDone });
      save(`events-${fileTime()}.${format}`, exported.parts, MEDIA_TYPES[format]);
      const more = exported.isCut ? ` There are more: narrow the conditions, by time for instance.` : "";
      setOutcome(`${many(exported.count, "event")} written.${more}`);
    } catch (error) {
      setOutcome(control.signal.aborted ? "Stopped: nothing was written." : `Nothing was written: ${messageOf(error)}`);
    } finally {
      running.current = null;
      setDone(null);
    }
  };
  const close = (isStillOpen: boolean): void => {
    running.current?.abort();
    onOpenChange(isStillOpen);
  };
  return (
    <Modal title="Export events" isOpen={isOpen} onOpenChange={close}>
      <form className={styles.form} onSubmit={(event) => void submit(event)}>
        <p>
          {conditions.length === 0
            ? "All events of the log"
            : `Events with ${conditions.map(({ name, text }) => `${shortName(name)}:${text}`).join(", ")}`}
          , the oldest first, at most {count(EXPORTED_MAX)}.
        </p>
        <fieldset className={styles.formats}>
          <legend>Format</legend>
          {FORMATS.map((one) => (
            <label key={one}>
              <input type="radio" name="format" checked={format === one} onChange={() => setFormat(one)} />
              {FORMAT_WORDS[one]}
            </label>
          ))}
        </fieldset>
        <div className={page.row}>
          <Button type="submit" kind="main" disabled={done !== null}>
            {done === null ? "Export" : `${many(done, "event")} …`}
          </Button>
          {done === null ? null : <Button onClick={() => running.current?.abort()}>Stop</Button>}
        </div>
        <p role="status">{outcome}</p>
      </form>
    </Modal>
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const fileTime = (): string => new Date().toISOString().slice(0, 19).replaceAll(":", "-");
