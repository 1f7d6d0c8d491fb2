import type { HeaderName } from "./headers.js";
import { DECISION_PROBLEMS, type Operation, READ_PROBLEMS } from "./operation.js";
import {
  alertStatus,
  byAlert,
  byFile,
  byHeight,
  byProblem,
  chainRange,
  ifMatch,
  notices,
  readyRole,
  readyVerbose,
} from "./parameters.js";

const READ: readonly HeaderName[] = ["X-Log-Size", "X-Stale"];
const html = { "text/html": { schema: { type: "string" } } };
const WHO = { actor: "ada", reason: "planned maintenance" };

const chain: Operation[] = [
  {
    ...{ method: "get", path: "/api/v1/chain", id: "readChain", tag: "Chain" },
    summary: "Reads the hashes of events, node by node",
    description: "As each node has them in its database. Stored blocks that are not the committed ones are named.",
    parameters: chainRange,
    answers: { 200: { description: "The chain of each node.", schema: "Chain", headers: READ } },
    problems: [...READ_PROBLEMS, "invalid_parameter"],
  },
  {
    ...{ method: "get", path: "/api/v1/blocks/{height}", id: "readBlock", tag: "Chain" },
    summary: "Reads what a block is checked by",
    description: "Header, signature, the Merkle tree before it, its leaves and the members' keys; no payloads.",
    parameters: [byHeight],
    answers: { 200: { description: "The block.", schema: "Block", headers: READ } },
    problems: [...READ_PROBLEMS, "not_found"],
  },
];

const cluster: Operation[] = [
  {
    ...{ method: "get", path: "/api/v1/cluster", id: "readCluster", tag: "Cluster" },
    summary: "Reads the state of all nodes",
    parameters: [],
    answers: { 200: { description: "What each node says.", schema: "Cluster", headers: READ } },
    problems: ["not_ready"],
  },
  {
    ...{ method: "post", path: "/api/v1/cluster/admit", id: "admitNode", tag: "Cluster" },
    summary: "Lets a member count again that joined with new keys",
    body: { schema: "Admission", example: { node: "n2", ...WHO } },
    answers: { 200: { description: "It is committed, and the member counts.", schema: "Admitted" } },
    problems: [...DECISION_PROBLEMS, "admission_conflict"],
  },
  {
    ...{ method: "get", path: "/api/v1/cluster/maintenance", id: "listMaintenance", tag: "Cluster" },
    summary: "Lists maintenance that persons have announced",
    parameters: [notices],
    answers: { 200: { description: "The newest first.", schema: "MaintenanceList", headers: READ } },
    problems: ["invalid_parameter"],
  },
  {
    ...{ method: "post", path: "/api/v1/cluster/maintenance", id: "recordMaintenance", tag: "Cluster" },
    summary: "Records that a node will be worked on",
    description: "Alerts about that node say it beside, while it lasts. None is muted.",
    body: { schema: "MaintenanceRequest", example: { node: "n2", until: "2026-05-01T14:00:00Z", ...WHO } },
    answers: { 201: { description: "It is committed.", schema: "Maintenance" } },
    problems: [...DECISION_PROBLEMS, "maintenance_conflict"],
  },
  {
    ...{ method: "post", path: "/api/v1/cluster/step-down", id: "stepDown", tag: "Cluster" },
    summary: "Hands the lead over",
    description: "To the node named, or to the preferred one of those that are level and healthy.",
    body: { schema: "StepDown", example: { target: "n2", ...WHO } },
    answers: { 200: { description: "Another node leads.", schema: "Leader" } },
    problems: [...DECISION_PROBLEMS, "step_down_conflict"],
  },
  {
    ...{ method: "get", path: "/api/v1/elections", id: "listElections", tag: "Cluster" },
    summary: "Lists who was elected, when and why",
    parameters: [notices],
    answers: { 200: { description: "The newest first.", schema: "ElectionList", headers: READ } },
    problems: ["invalid_parameter", "not_ready", "overloaded"],
  },
];

const chaos: Operation[] = [
  {
    ...{ method: "get", path: "/api/v1/chaos", id: "readChaos", tag: "Cluster" },
    summary: "Reads which faults were made on demand",
    description: "They are off unless the start script was told to allow them.",
    parameters: [],
    answers: { 200: { description: "How each node stands, and what happened to it.", schema: "Chaos" } },
    problems: ["not_ready", "overloaded"],
  },
  {
    ...{ method: "post", path: "/api/v1/chaos", id: "makeFault", tag: "Cluster" },
    summary: "Has a fault made by the start script",
    description:
      "Where that is not allowed it is 404. The node passes it on, and ends, stops and alters nothing itself.",
    body: { schema: "ChaosRequest", example: { action: "pause", node: "n2" } },
    answers: { 200: { description: "It is made.", schema: "Chaos" } },
    problems: [...DECISION_PROBLEMS, "not_found", "chaos_conflict"],
  },
];

const alerts: Operation[] = [
  {
    ...{ method: "get", path: "/api/v1/alerts", id: "listAlerts", tag: "Alerts" },
    summary: "Lists the alerts of all nodes",
    description: "Of a node that does not tell them, what the log says of them.",
    parameters: [notices, alertStatus],
    answers: { 200: { description: "The newest first.", schema: "AlertList", headers: READ } },
    problems: ["invalid_parameter", "not_ready", "overloaded"],
  },
  {
    ...{ method: "get", path: "/api/v1/alerts/{id}", id: "readAlert", tag: "Alerts" },
    summary: "Reads one alert, whatever its status",
    parameters: [byAlert],
    answers: { 200: { description: "The alert.", schema: "Alert", headers: [...READ, "ETag"] } },
    problems: ["not_found", "not_ready", "overloaded"],
  },
  {
    ...{ method: "get", path: "/api/v1/alerts/{id}/evidence", id: "readEvidence", tag: "Alerts" },
    summary: "Reads what an incident is checked by, without a node",
    description: "Made by the node whose alert it is. docs/reference/evidence.md says how to check it.",
    parameters: [byAlert],
    answers: { 200: { description: "The bundle.", schema: "Evidence", headers: READ } },
    problems: ["not_found", "not_ready", "overloaded"],
  },
  {
    ...{ method: "post", path: "/api/v1/webhook/test", id: "testWebhook", tag: "Alerts" },
    summary: "Sends a message to this node's webhook",
    description: "404 where ALERT_WEBHOOK_URL is not set.",
    body: { schema: "WebhookTest", example: {} },
    answers: { 200: { description: "Whether it was taken, and why not.", schema: "WebhookOutcome" } },
    problems: [...DECISION_PROBLEMS, "not_found"],
  },
];

/** Each rests on the alert that was read, and is told to the node whose alert it is. */
const decisions = (
  [
    ["acknowledge", "Says that somebody sees to an alert", "Nothing is done."],
    ["repair", "Has what was committed put back", "From the other members, each block proved; what was there is kept."],
    [
      "rebuild",
      "Has the node's log copied from the others",
      "It joins anew, and counts for nothing until it is level.",
    ],
    [
      "dismiss",
      "Resolves an alert without doing anything",
      "What is still altered is found again, and opens it again.",
    ],
  ] as const
).map(
  ([action, summary, description]): Operation => ({
    ...{ method: "post", path: `/api/v1/alerts/{id}/${action}`, id: `${action}Alert`, tag: "Alerts" },
    ...{ summary, description },
    parameters: [byAlert, ifMatch],
    body: { schema: "AlertDecision", example: { actor: "ada", reason: "compared with the backup" } },
    answers: {
      200: { description: "The alert after it.", schema: "Alert", headers: ["ETag"] },
      202: { description: "What was begun goes on.", schema: "Alert", headers: ["ETag"] },
    },
    problems: [
      ...[...DECISION_PROBLEMS, "not_found", "alert_conflict"],
      ...["invalid_header", "stale_alert", "precondition_required"],
    ] as const,
  }),
);

const node: Operation[] = [
  {
    ...{ method: "get", path: "/livez", id: "isAlive", tag: "Node" },
    summary: "Answers while the process lives",
    answers: { 200: { description: "It lives.", schema: "Alive" } },
    problems: [],
  },
  {
    ...{ method: "get", path: "/readyz", id: "isReady", tag: "Node" },
    summary: "Says whether the node may be sent requests",
    parameters: [readyVerbose, readyRole],
    answers: {
      200: {
        description: "It is ready.",
        schema: "Readiness",
        media: { "text/plain": { schema: { type: "string" } } },
      },
      503: {
        description: "It is not; the checks say why.",
        schema: "Readiness",
        media: { "text/plain": { schema: { type: "string" } } },
      },
    },
    problems: [],
  },
  {
    ...{ method: "get", path: "/", id: "home", tag: "Node" },
    summary: "The dashboard, or the routes as JSON",
    description:
      "For clients that prefer `text/html` the dashboard. A WebSocket here is the stream of reference API B.",
    answers: {
      101: { description: "A WebSocket; each message is one event of reference API B." },
      200: { description: "The routes, or a page.", schema: "Home", media: html },
    },
    problems: ["invalid_parameter", "invalid_header", "too_many_streams", "no_quorum", "not_ready"],
  },
  {
    ...{ method: "get", path: "/assets/{file}", id: "asset", tag: "Node" },
    summary: "A file of the dashboard",
    parameters: [byFile],
    answers: { 200: { description: "The file.", media: { "*/*": {} } } },
    problems: ["not_found"],
  },
  {
    ...{ method: "get", path: "/docs", id: "docs", tag: "Node" },
    summary: "The page of this document",
    answers: {
      302: { description: "It is a page of the dashboard; without one, this document.", headers: ["Location"] },
    },
    problems: [],
  },
  {
    ...{ method: "get", path: "/openapi.json", id: "openapi", tag: "Node" },
    summary: "This document",
    answers: { 200: { description: "OpenAPI 3.1.", media: { "application/json": { schema: { type: "object" } } } } },
    problems: [],
  },
  {
    ...{ method: "get", path: "/problems/{name}", id: "problem", tag: "Node" },
    summary: "Says what a problem code means and what to do",
    parameters: [byProblem],
    answers: { 200: { description: "The problem.", schema: "ProblemPage", media: html } },
    problems: ["not_found"],
  },
];

export const NODE_OPERATIONS: readonly Operation[] = [...chain, ...cluster, ...chaos, ...alerts, ...decisions, ...node];
