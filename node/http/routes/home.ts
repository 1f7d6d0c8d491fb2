import { Router } from "express";
import { escapeMarkup } from "../../../shared/escape.js";
import { methods } from "../middleware/methods.js";
import { baseUrl } from "../middleware/request-context.js";
import type { RouteContext } from "./context.js";
import type { Dashboard } from "./dashboard.js";
import { htmlPage } from "./page.js";

const EVENT = `{"eventType":"INFO","sourceAppId":"my-app","dataPayload":{"text":"hello"}}`;
const post = (url: string): string => `curl -H 'Content-Type: application/json' -d '${EVENT}' ${url}`;

interface Api {
  readonly name: string;
  readonly lines: readonly string[];
}

function apis(base: string): Api[] {
  const ws = base.replace(/^http/, "ws");
  return [
    {
      name: "Event logging system",
      lines: [
        post(`${base}/api/event-logs`),
        `curl '${base}/api/event-logs?eventType=INFO&page=1&limit=10'`,
        `curl -N -H 'Accept: text/event-stream' ${base}/api/event-logs/stream`,
        `# WebSocket: ${ws}/api/event-logs/stream`,
      ],
    },
    {
      name: "Event Logger Backend",
      lines: [post(`${base}/events`), `curl '${base}/events?page=1&limit=10'`, `# WebSocket: ${ws}`],
    },
    {
      name: "Quorumlog's own API",
      lines: [
        post(`${base}/api/v1/events`),
        `curl -H 'Content-Type: application/json' -d '{"events":[${EVENT}]}' ${base}/api/v1/events:batch`,
        `curl '${base}/api/v1/events?order=desc&limit=10'`,
        `curl ${base}/api/v1/events/0`,
        `curl ${base}/api/v1/events/0/nodes`,
        `curl -N -H 'Accept: text/event-stream' '${base}/api/v1/stream?after=-1'`,
        `# WebSocket: ${ws}/api/v1/stream`,
        `curl '${base}/api/v1/chain?count=10'`,
        `curl ${base}/api/v1/blocks/1`,
        `curl ${base}/api/v1/cluster`,
        `curl ${base}/api/v1/cluster/maintenance`,
        `curl ${base}/api/v1/elections`,
        `curl ${base}/api/v1/alerts`,
        `curl '${base}/readyz?verbose'`,
      ],
    },
  ];
}

/** The dashboard for browsers, or, where it was not built, a short page that names the APIs; JSON for all others. */
export function home({ status, version }: RouteContext, dashboard: Dashboard | null): Router {
  const router = Router();
  router
    .route("/")
    .get((req, res) => {
      const { leaderId, term } = status.standing();
      const found = apis(baseUrl(req));
      res.vary("Accept");
      res.setHeader("Cache-Control", "no-store");
      if (req.accepts(["json", "html"]) !== "html") {
        res.json({ name: "quorumlog", version, node: status.nodeId, leader: leaderId, term, apis: found });
        return;
      }
      if (dashboard !== null) {
        dashboard.sendPage(req, res);
        return;
      }
      const leader = leaderId === null ? "no leader is known" : `the leader is ${leaderId}`;
      const sections = found.map(
        ({ name, lines }) => `<h2>${escapeMarkup(name)}</h2>\n<pre>${escapeMarkup(lines.join("\n"))}</pre>`,
      );
      const intro = `<p>A tamper-evident, append-only event log. This is node ${escapeMarkup(status.nodeId)}; ${escapeMarkup(leader)} (term ${term}). Any node takes any request.</p>`;
      res.type("html").send(htmlPage("Quorumlog", [intro, ...sections].join("\n")));
    })
    .all(methods("GET"));
  return router;
}
