import { Dialog } from "@base-ui/react/dialog";
import type { ReactNode } from "react";
import { Button } from "./button.js";
import styles from "./modal.module.css";

interface ModalProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly children: ReactNode;
  onOpenChange(isOpen: boolean): void;
}

/** A dialog over the page: it keeps the focus, and gives it back when it closes. */
export function Modal({ title, isOpen, onOpenChange, children }: ModalProps) {
  return (
    <Dialog.Root open={isOpen} onOpenChange={(next) => onOpenChange(next)}>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup className={styles.popup}>
          <header className={styles.header}>
            <Dialog.Title>{title}</Dialog.Title>
            <Dialog.Close render={<Button>Close</Button>} />
          </header>
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
