import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { post } from "../api/client.js";
import type { ClusterView } from "../api/types.js";
import { Button } from "../parts/button.js";
import { Modal } from "../parts/modal.js";
import styles from "./cluster.module.css";

interface StepDownProps {
  readonly status: ClusterView;
  readonly isOpen: boolean;
  onOpenChange(isOpen: boolean): void;
}

/** A person lets the lead go over to another node, and says why. */
export function StepDown({ status, isOpen, onOpenChange }: StepDownProps) {
  const client = useQueryClient();
  const [actor, setActor] = useState("");
  const [reason, setReason] = useState("");
  const [target, setTarget] = useState("");
  const change = useMutation({
    mutationFn: () =>
      post<{ leaderId: string }>("api/v1/cluster/step-down", { actor, reason, ...(target === "" ? {} : { target }) }),
    onSuccess: () => client.invalidateQueries(),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    change.mutate();
  };
  const others = status.nodes.filter(({ id, healthy }) => id !== status.leaderId && healthy);
  return (
    <Modal title="Change the leader" isOpen={isOpen} onOpenChange={onOpenChange}>
      <form className={styles.form} onSubmit={submit}>
        <p>
          {status.leaderId} hands over. Writes wait for a moment and are answered by the new leader. A node of higher
          priority takes the lead back after a while.
        </p>
        <label>
          To
          <select value={target} onChange={({ target: field }) => setTarget(field.value)}>
            <option value="">the best one that is level</option>
            {others.map(({ id }) => (
              <option key={id}>{id}</option>
            ))}
          </select>
        </label>
        <label>
          Your name
          <input required maxLength={256} value={actor} onChange={({ target: field }) => setActor(field.value)} />
        </label>
        <label>
          Reason
          <input required maxLength={1000} value={reason} onChange={({ target: field }) => setReason(field.value)} />
        </label>
        <Button type="submit" kind="main" disabled={change.isPending || others.length === 0}>
          {change.isPending ? "Waiting for the new leader …" : "Change the leader"}
        </Button>
        <p role="status" className={change.error === null ? undefined : styles.fault}>
          {change.error !== null
            ? change.error.message
            : change.data === undefined
              ? ""
              : `${change.data.body.leaderId} leads now.`}
        </p>
      </form>
    </Modal>
  );
}
