import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { type StreamState, stream } from "./stream.js";

export const useStreamState = (): StreamState =>
  useSyncExternalStore(
    (onChange) => stream.subscribe({ onState: onChange }),
    () => stream.state,
  );

/** Opens the stream once for the page; what it tells of alerts and elections is asked for at once. */
export function useStream(): void {
  const client = useQueryClient();
  useEffect(() => {
    const unsubscribe = stream.subscribe({
      onNotice: (kind) => {
        void client.invalidateQueries({ queryKey: [kind === "alert" ? "alerts" : "elections"] });
        void client.invalidateQueries({ queryKey: ["cluster"] });
      },
    });
    stream.start();
    return () => {
      unsubscribe();
      stream.stop();
    };
  }, [client]);
}
