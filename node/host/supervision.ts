/**
 * What a node tells the process that started it (`npm start`), over Node's IPC channel, one object a message.
 * Without such a channel nothing is sent. When the channel closes, the node stops: its supervisor is gone.
 */
export type NodeNotice =
  /** The HTTP server answers at `url`. */
  | { kind: "listening"; node: string; url: string }
  /** This node's view of the leader changed; null while there is none. */
  | { kind: "leader"; node: string; leaderId: string | null; term: number }
  /** Before the cluster has formed: the members that have not been heard yet. */
  | { kind: "waiting"; node: string; missing: string[] }
  /** Before it listens: what it waits for, as a sentence with a remedy. */
  | { kind: "waits"; node: string; detail: string }
  | { kind: "alert"; node: string; alertKind: string; detail: string }
  /** The node is about to exit; `detail` is a sentence that says what to do. */
  | { kind: "fatal"; node: string; detail: string; exitCode: number };

export function notifySupervisor(notice: NodeNotice): void {
  // A closed channel is not an error here: the disconnect handler is already stopping the node.
  if (process.connected) process.send?.(notice, undefined, undefined, () => {});
}
