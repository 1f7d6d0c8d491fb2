import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { pino } from "pino";
import { createVerifier, deriveSigner, type NodeSigner } from "../../node/host/signer.js";
import { makeBootNonce } from "../../node/peers/authentication.js";
import { PeerTransport } from "../../node/peers/transport.js";
import { storedBlock } from "../../node/storage/mongo/documents.js";
import type { Cluster } from "../../scripts/cluster/cluster.js";
import { clusterSecret } from "../../scripts/cluster/plan-nodes.js";
import { fromHex } from "../../shared/bytes.js";
import { height, term } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { type ChainState, EMPTY_CHAIN, verifyBlock } from "../../shared/log/chain.js";
import type { PeerBody, PeerMessage } from "../../shared/protocol/messages.js";

type Append = Extract<PeerBody, { kind: "append" }>;

/**
 * A node that lies: it holds a member's identity and the cluster's secret, and says what a test makes it say. The real
 * member must be down.
 */
export class Liar {
  readonly signer: NodeSigner;
  readonly answers: PeerMessage[] = [];
  private readonly transport: PeerTransport;

  constructor(
    readonly id: string,
    private readonly cluster: Cluster,
  ) {
    const identity = JSON.parse(readFileSync(join(cluster.dataDir, id, "identity.json"), "utf8")) as { seed: string };
    this.signer = deriveSigner(fromHex(identity.seed));
    this.transport = new PeerTransport({
      selfId: id,
      secret: clusterSecret(cluster.dataDir),
      peers: new Map(cluster.nodes.map((node) => [node.id, node.url])),
      bootNonce: makeBootNonce(),
      timeouts: { holdMs: 500, controlMs: 30_000, bulkIdleMs: 30_000 },
      onMessage: (message) => this.answers.push(message),
      onBulkProgress: () => undefined,
      onBulkOver: () => undefined,
      onUnreachable: () => undefined,
      onGone: () => undefined,
      onRejected: () => undefined,
      logger: pino({ level: "silent" }),
    });
  }

  /** The verified chain that a member's database holds, up to a height. */
  async chainOf(member: string, through = Number.MAX_SAFE_INTEGER): Promise<ChainState> {
    const client = await MongoClient.connect(this.cluster.node(member).mongodbUri);
    try {
      let state: ChainState = EMPTY_CHAIN;
      for await (const document of client
        .db()
        .collection<{ _id: number }>("blocks")
        .find({ _id: { $gte: 1, $lte: through } }, { sort: { _id: 1 }, promoteBuffers: false })) {
        const verdict = verifyBlock(state, storedBlock(document).block, createVerifier());
        if (!verdict.ok) throw new Error(verdict.detail);
        state = verdict.next;
      }
      return state;
    } finally {
      await client.close();
    }
  }

  /** Claims to lead `inTerm` and sends blocks that follow `before`. */
  append(to: string, before: ChainState, claim: { inTerm: number; blocks: Block[]; round: number }): void {
    const body: Append = {
      kind: "append",
      round: claim.round,
      previousHeight: before.height,
      previousHash: before.blockHash,
      commitHeight: before.commitHeight,
      acknowledgedHeight: height(0),
      electionTimeoutMs: 1_000,
      clocks: [],
    };
    const { clusterId } = before;
    this.transport.setClusterId(clusterId);
    this.transport.send({
      from: this.id,
      to,
      clusterId,
      formingHash: "",
      term: term(claim.inTerm),
      wallMs: Date.now(),
      body,
      blocks: claim.blocks,
    });
  }

  close(): Promise<void> {
    return this.transport.close();
  }
}
