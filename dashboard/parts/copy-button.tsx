import { useEffect, useState } from "react";
import { copyText } from "../lib/copy.js";
import { Button } from "./button.js";

const SHOWN_MS = 2_000;

export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [outcome, setOutcome] = useState("");
  useEffect(() => {
    if (outcome === "") return;
    const timer = setTimeout(() => setOutcome(""), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = async (): Promise<void> => setOutcome((await copyText(text)) ? "Copied" : "Not copied");
  return (
    <>
      <Button onClick={() => void copy()}>{outcome === "" ? label : outcome}</Button>
      <span className="offscreen" role="status">
        {outcome}
      </span>
    </>
  );
}
