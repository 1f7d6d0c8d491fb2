import type { RequestListener } from "node:http";
import { fileURLToPath } from "node:url";
import express, { type Router } from "express";
import type { Logger } from "pino";
import { EVENT_BYTES_MAX_DEFAULT } from "../../shared/limits.js";
import type { LogService } from "../service/log-port.js";
import { BodyRoom } from "./body-room.js";
import { readQuery } from "./door/target.js";
import { type MessageClasses, messageClasses } from "./messages.js";
import { failedRequest } from "./middleware/failed-request.js";
import { answerBreaker, notFound, problemHandler } from "./middleware/problem-handler.js";
import { type ReadGates, readGates } from "./middleware/read-gate.js";
import { requestContext, requestLog } from "./middleware/request-context.js";
import { securityHeaders } from "./middleware/security-headers.js";
import { alerts } from "./routes/alerts.js";
import { chain } from "./routes/chain.js";
import { type ChaosDesk, chaos } from "./routes/chaos.js";
import { cluster } from "./routes/cluster.js";
import type { RouteContext } from "./routes/context.js";
import { readDashboard } from "./routes/dashboard.js";
import { events } from "./routes/events.js";
import { health } from "./routes/health.js";
import { home } from "./routes/home.js";
import { maintenance } from "./routes/maintenance.js";
import { openapi } from "./routes/openapi.js";
import { problemPages } from "./routes/problem-pages.js";
import { referenceA } from "./routes/reference-a.js";
import { referenceB } from "./routes/reference-b.js";
import { straightAppends } from "./routes/straight-append.js";
import { straightReads } from "./routes/straight-reads.js";
import type { Streams } from "./stream/streams.js";

export interface AppOptions {
  readonly logger: Logger;
  readonly version: string;
  /** The live streams; their server-sent events are routes of the app. */
  readonly streams: Streams;
  readonly eventBytesMax?: number;
  readonly now?: () => number;
  readonly bodies?: BodyRoom;
  readonly gates?: ReadGates;
  /** Who makes faults on demand; nobody, unless a person has allowed it. */
  readonly chaos?: ChaosDesk | null;
  /** The folder of the built dashboard. */
  readonly dashboardFolder?: string;
}

/** Beside the compiled code. */
const DASHBOARD_FOLDER = fileURLToPath(new URL("../../web", import.meta.url));

/** It answers most quickly on a server that makes its messages of the app's classes, and on any other as well. */
export type App = RequestListener & {
  readonly messages: MessageClasses;
  /** A test holds the API's description against them. */
  readonly routers: readonly Router[];
};

/** The HTTP side of a node: a list of routers, problem documents at the end, and a short way for what comes most often. */
export function createApp(service: LogService, options: AppOptions): App {
  const context: RouteContext = {
    writes: service.writes,
    reads: service.reads,
    leadership: service.leadership,
    status: service.status,
    alerts: service.alerts,
    maintenance: service.maintenance,
    logger: options.logger,
    version: options.version,
    eventBytesMax: options.eventBytesMax ?? EVENT_BYTES_MAX_DEFAULT,
    now: options.now ?? Date.now,
    gates: options.gates ?? readGates(),
    bodies: options.bodies ?? new BodyRoom(),
  };
  const dashboard = readDashboard(options.dashboardFolder ?? DASHBOARD_FOLDER);
  const app = express();
  app.disable("x-powered-by");
  // An ETag here is an event's hash, never a digest of whatever was sent.
  app.disable("etag");
  app.set("query parser", readQuery);
  app.use(requestContext(service), requestLog(options.logger), securityHeaders, failedRequest);
  // Each router that a request passes costs it something: those of writes come first.
  const routers = [
    events(context),
    options.streams.router,
    referenceA(context),
    referenceB(context),
    home(context, dashboard),
    health(context),
    cluster(context),
    maintenance(context),
    alerts(context),
    chain(context),
    chaos(context, options.chaos ?? null),
    problemPages(),
    openapi(context, dashboard !== null),
    ...(dashboard === null ? [] : [dashboard.router]),
  ];
  for (const router of routers) app.use(router);
  app.use(notFound);
  app.use(problemHandler(service, options.logger));
  const straight = straightReads(context, app, answerBreaker(options.logger));
  return Object.assign(straightAppends(context, app, straight), { messages: messageClasses(app), routers });
}
