import type { Server } from "node:http";
import type { Router } from "express";
import type { Logger } from "pino";
import { FairPlaces } from "../../service/fair-places.js";
import type { LogService } from "../../service/log-port.js";
import { CLIENTS_MAX_DEFAULT, StreamHub } from "./hub.js";
import { sseRouter } from "./sse.js";
import { attachWebSockets } from "./websocket.js";

/** Bytes of older events that are read, or wait for clients, at the same time; and beyond, for addresses that have none. */
const PAST_BYTES_MAX = 32 * 1024 * 1024;
const PAST_BYTES_SPARE = 4 * 1024 * 1024;

/** The live streams of a node: every committed event once, in order, from the moment of connecting or the place asked for. */
export interface Streams {
  /** For `createApp`: server-sent events at /api/event-logs/stream and /api/v1/stream. */
  readonly router: Router;
  readonly clientCount: number;
  /** How many of the streams that this node serves at most are not free. */
  readonly taken: number;
  /** WebSockets at the same paths and at the root. */
  attach(server: Server): void;
  /** Tells every client that the node restarts (1012), and waits at most a second for their goodbyes. */
  close(): Promise<void>;
}

export function createStreams(
  service: Pick<LogService, "reads" | "status">,
  options: { readonly logger: Logger; readonly clientsMax?: number },
): Streams {
  const { logger, clientsMax = CLIENTS_MAX_DEFAULT } = options;
  const hub = new StreamHub(service, { logger, clientsMax });
  const parts = { hub, reads: service.reads, past: new FairPlaces({ max: PAST_BYTES_MAX, spare: PAST_BYTES_SPARE }) };
  const attached: { close(): Promise<void> }[] = [];
  return {
    router: sseRouter(parts),
    get clientCount() {
      return hub.clientCount;
    },
    get taken() {
      return hub.placesTaken;
    },
    attach(server) {
      attached.push(attachWebSockets(server, { ...parts, logger }));
    },
    async close() {
      hub.close();
      await Promise.all(attached.map((one) => one.close()));
    },
  };
}
