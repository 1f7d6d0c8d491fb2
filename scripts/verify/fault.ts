/** The words of docs/reference/hash-spec.md for what can be wrong with a block. */
export type FaultName =
  | "bad_encoding"
  | "bad_link"
  | "bad_cluster"
  | "bad_term"
  | "bad_record"
  | "bad_leader"
  | "bad_signature"
  | "bad_body"
  | "bad_hash"
  | "bad_root"
  | "bad_index"
  /** Of what a node keeps beside its blocks. */
  | "missing"
  | "unknown_document"
  | "bad_entry"
  | "bad_anchor"
  /** Of several copies. */
  | "altered"
  | "nodes_differ"
  | "not_extended"
  | "bad_evidence";

interface About {
  readonly sequence?: number;
  readonly stored?: string;
  readonly expected?: string;
}

/** What is wrong, and in which field. */
export class Fault extends Error {
  constructor(
    readonly fault: FaultName,
    readonly field: string,
    detail: string,
    readonly about: About = {},
  ) {
    super(detail);
  }
}

/** A fault and its place. */
export interface Difference extends About {
  readonly node: string;
  readonly height?: number;
  readonly field: string;
  readonly fault: FaultName;
  readonly detail: string;
}
