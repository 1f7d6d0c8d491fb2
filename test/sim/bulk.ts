import type { BulkEnd } from "../../cluster/types.js";
import { blockBytes } from "../../shared/log/block.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import type { Network } from "./network.js";
import type { SimNode } from "./node.js";
import type { SimProcess } from "./process.js";
import type { Random } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import type { SimTiming } from "./timing.js";

interface Transfer {
  readonly message: PeerMessage;
  readonly process: SimProcess;
  bytesLeft: number;
  isOver: boolean;
}

/** How often a receiver says that more has arrived. */
const PROGRESS_MS = 100;

/**
 * Messages with blocks, as node/peers sends them: one at a time to a peer, however long it takes while it makes progress;
 * a newer one takes the place of one that is on its way. The sender is told how each ends.
 */
export class BulkTransport {
  private readonly underWay = new Map<string, Transfer>();

  constructor(
    private readonly world: {
      readonly scheduler: Scheduler;
      readonly random: Random;
      readonly network: Network;
      readonly timing: SimTiming;
      readonly node: (id: string) => SimNode;
      readonly deliver: (message: PeerMessage) => void;
    },
  ) {}

  /** `isLost`: a hand on the wire has taken it. */
  send(message: PeerMessage, isLost: boolean): void {
    const { process } = this.world.node(message.from);
    if (process === null) return;
    const bytesLeft = message.blocks.reduce((sum, block) => sum + blockBytes(block), 0);
    const transfer: Transfer = { message, process, bytesLeft, isOver: false };
    const link = `${message.from}>${message.to}`;
    const before = this.underWay.get(link);
    if (before !== undefined) before.isOver = true;
    this.underWay.set(link, transfer);
    if (isLost) this.fails(transfer);
    else this.proceed(transfer);
  }

  private proceed(transfer: Transfer): void {
    const { network, scheduler } = this.world;
    const { from, to } = transfer.message;
    const rate = network.bytesPerMs(from, to);
    if (transfer.bytesLeft <= rate * PROGRESS_MS) return this.arrive(transfer);
    scheduler.after(PROGRESS_MS, () => {
      if (transfer.isOver || !transfer.process.isAlive) return;
      if (network.isCut(from, to)) return this.fails(transfer);
      transfer.bytesLeft -= rate * PROGRESS_MS;
      if (!network.isCut(to, from)) this.tell(transfer, (round) => ({ kind: "bulk_progress", peer: to, round }));
      this.proceed(transfer);
    });
  }

  private arrive(transfer: Transfer): void {
    const { network } = this.world;
    const { message } = transfer;
    network.send(
      message.from,
      message.to,
      () => {
        // What was replaced may have arrived before.
        this.world.deliver(message);
        this.delivered(transfer);
      },
      () => this.fails(transfer),
    );
  }

  /** The receiver holds its answer for half a timeout, and says then that it has the message. */
  private delivered(transfer: Transfer): void {
    const { scheduler, network, timing, random } = this.world;
    const { from, to } = transfer.message;
    if (!this.world.node(to).isUp) {
      // A process that is gone refuses the connection; to a machine that is gone none is made.
      if (random.chance(0.7)) this.end(transfer, "unreachable");
      else scheduler.after(timing.electionTimeoutMs, () => this.end(transfer, "unreachable"));
      return;
    }
    const receiver = this.world.node(to).process;
    scheduler.after(timing.electionTimeoutMs / 2, () => {
      if (transfer.isOver) return;
      if (this.world.node(to).process !== receiver) return this.end(transfer, "failed");
      network.send(
        to,
        from,
        () => this.end(transfer, "delivered"),
        () => this.fails(transfer),
      );
    });
  }

  /** The connection breaks at once, or nothing is heard for the time without progress that the transport allows. */
  private fails(transfer: Transfer): void {
    const { scheduler, random, timing } = this.world;
    const afterMs = random.chance(0.3) ? random.between(1, 20) : timing.electionTimeoutMs;
    scheduler.after(afterMs, () => this.end(transfer, "failed"));
  }

  private end(transfer: Transfer, end: BulkEnd): void {
    if (transfer.isOver) return;
    this.tell(transfer, (round) => ({ kind: "bulk_over", peer: transfer.message.to, round, end }));
    transfer.isOver = true;
  }

  private tell(
    { message, process, isOver }: Transfer,
    input: (round: number) => Parameters<SimNode["input"]>[0],
  ): void {
    const { body, from } = message;
    const sender = this.world.node(from);
    if (isOver || sender.process !== process || body.kind !== "append") return;
    sender.input(input(body.round));
  }
}
