import { choosePageKeys, usePageKeys } from "../lib/page-keys.js";
import { Modal } from "../parts/modal.js";
import styles from "./help.module.css";
import { PAGES } from "./pages.js";

const OTHERS = [
  ["/", "Go to the search of the page"],
  ["↑ ↓ or k j", "One event up or down in the list"],
  ["Enter", "Open the event"],
  ["Esc", "Close what is open"],
  ["?", "This list"],
] as const;

export function Help({ isOpen, onOpenChange }: { readonly isOpen: boolean; onOpenChange(isOpen: boolean): void }) {
  const areOn = usePageKeys();
  const pages = PAGES.map(({ key, title }) => [`g ${key}`, title] as const);
  return (
    <Modal title="Keys" isOpen={isOpen} onOpenChange={onOpenChange}>
      <label className={styles.choice}>
        <input type="checkbox" checked={areOn} onChange={({ target }) => choosePageKeys(target.checked)} />
        <span>
          <kbd>g</kbd> and a letter, <kbd>/</kbd> and <kbd>?</kbd> act on the whole page
        </span>
      </label>
      <dl className={styles.keys}>
        {[...pages, ...OTHERS].map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
