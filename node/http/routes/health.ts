import { Router } from "express";
import type { ReadinessCheck } from "../../service/log-port.js";
import { methods } from "../middleware/methods.js";
import type { RouteContext } from "./context.js";

/** For supervisors and load balancers. Neither route touches the database. */
export function health({ status, version }: RouteContext): Router {
  const router = Router();
  router
    .route("/livez")
    .get((_req, res) => {
      res.setHeader("Cache-Control", "no-store");
      res.json({ status: "alive", node: status.nodeId, version });
    })
    .all(methods("GET"));
  router
    .route("/readyz")
    .get((req, res) => {
      const { leaderId } = status.standing();
      const checks: (Omit<ReadinessCheck, "name"> & { name: string })[] = [...status.readiness()];
      if (req.query.role === "leader") {
        const isLeader = leaderId === status.nodeId;
        const detail = isLeader ? "this node leads" : leaderId === null ? "no leader is known" : `${leaderId} leads`;
        checks.push({ name: "role", isOk: isLeader, detail });
      }
      const isReady = checks.every((check) => check.isOk || check.isAdvisory === true);
      res.status(isReady ? 200 : 503).setHeader("Cache-Control", "no-store");
      if (!isReady) res.setHeader("Retry-After", "1");
      if (req.query.verbose === undefined) {
        res.json({ status: isReady ? "ready" : "not_ready", node: status.nodeId, checks });
        return;
      }
      const lines = checks.map(({ name, isOk, detail }) => (isOk ? `[+]${name} ok` : `[-]${name} failed: ${detail}`));
      res.type("text/plain").send([...lines, `readyz check ${isReady ? "passed" : "failed"}`, ""].join("\n"));
    })
    .all(methods("GET"));
  return router;
}
