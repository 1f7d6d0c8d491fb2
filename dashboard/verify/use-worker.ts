import { useEffect, useRef, useState } from "react";
import type { EvidenceReport, Job, Told } from "./messages.js";
import type { RangeReport } from "./range.js";

export type CheckState =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly done: number; readonly of: number }
  | { readonly kind: "report"; readonly report: RangeReport; readonly file: string | null }
  | { readonly kind: "evidence"; readonly report: EvidenceReport }
  | { readonly kind: "failed"; readonly detail: string };

/** The worker is loaded with the page: so it is there when the network is not. */
export function useWorker(): { readonly state: CheckState; run(job: Job): void; stop(): void } {
  const worker = useRef<Worker | null>(null);
  const [state, setState] = useState<CheckState>({ kind: "idle" });
  useEffect(() => {
    const made = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.current = made;
    made.onmessage = ({ data }: MessageEvent<Told>) =>
      setState(data.kind === "progress" ? { ...data, kind: "running" } : data);
    made.onerror = () => setState({ kind: "failed", detail: "The part of this page that checks could not be loaded." });
    return () => made.terminate();
  }, []);
  return {
    state,
    run(job) {
      setState({ kind: "running", done: 0, of: job.kind === "range" ? job.to - job.from + 1 : 0 });
      worker.current?.postMessage(job);
    },
    stop: () => worker.current?.postMessage({ kind: "stop" } satisfies Job),
  };
}
