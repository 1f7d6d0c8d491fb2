import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { ChaosAction, ChaosView } from "../../shared/protocol/chaos.js";
import { NoAnswer, post } from "./client.js";

const DONE: Readonly<Record<ChaosAction, string>> = {
  kill: "Killed",
  pause: "Paused",
  resume: "Resumed",
  restart: "Started",
  cut: "Cut off",
  join: "Reconnected",
  tamper: "Altered the newest event in the database of",
};

interface Strike {
  readonly action: ChaosAction;
  readonly node: string;
}

/** Has a fault made, and says what became of that. */
export function useStrike(): {
  readonly strike: (request: Strike) => void;
  readonly said: string;
  readonly isPending: boolean;
} {
  const client = useQueryClient();
  const [said, setSaid] = useState("");
  const mutation = useMutation({
    mutationFn: (request: Strike) => post<ChaosView>("api/v1/chaos", request),
    onSuccess: (answer, { action, node }) => {
      client.setQueryData(["chaos"], answer);
      setSaid(`${DONE[action]} ${node}.`);
    },
    // The node that passed it on may be the one that was struck.
    onError: (error, { action, node }) =>
      setSaid(error instanceof NoAnswer ? `${DONE[action]} ${node}; no answer came.` : error.message),
    onSettled: () => client.invalidateQueries({ queryKey: ["cluster"] }),
  });
  return { strike: mutation.mutate, said, isPending: mutation.isPending };
}
