import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Request, type Response, Router } from "express";
import { ProblemError } from "../../problems.js";
import { methods } from "../middleware/methods.js";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
/** Below this a compressed answer saves nothing. */
const GZIP_BYTES_MIN = 1_024;
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

interface File {
  readonly type: string;
  readonly bytes: Buffer;
  /** null where it would not be shorter. */
  readonly gzipped: Buffer | null;
}

/** The built page and its files, read once: they are small, and do not change while a node runs. */
export interface Dashboard {
  readonly router: Router;
  sendPage(req: Request, res: Response): void;
}

/** null where the page has not been built. */
export function readDashboard(folder: string): Dashboard | null {
  const page = join(folder, "index.html");
  if (!existsSync(page)) return null;
  const index = fileOf(page);
  const assets = join(folder, "assets");
  const names = existsSync(assets) ? readdirSync(assets) : [];
  const files = new Map(names.map((name) => [name, fileOf(join(assets, name))]));
  const router = Router();
  router
    .route("/assets/:file")
    .get((req, res) => {
      const file = files.get(req.params.file);
      if (file === undefined)
        throw new ProblemError("not_found", "The dashboard has no file of this name. Load it again.");
      // A worker is held to the policy that its own file came with.
      res.setHeader("Content-Security-Policy", POLICY);
      // The name holds a hash of the content: another content has another name.
      res.setHeader("Cache-Control", "public, max-age=31536000, immutable");
      send(req, res, file);
    })
    .all(methods("GET"));
  return {
    router,
    sendPage(req, res) {
      res.setHeader("Content-Security-Policy", POLICY);
      res.setHeader("Cache-Control", "no-cache");
      send(req, res, index);
    },
  };
}

function fileOf(path: string): File {
  const bytes = readFileSync(path);
  const gzipped = bytes.length < GZIP_BYTES_MIN ? null : gzipSync(bytes, { level: 9 });
  const isShorter = gzipped !== null && gzipped.length < bytes.length;
  return { type: TYPES[extname(path)] ?? "application/octet-stream", bytes, gzipped: isShorter ? gzipped : null };
}

function send(req: Request, res: Response, { type, bytes, gzipped }: File): void {
  res.setHeader("Content-Type", type);
  res.vary("Accept-Encoding");
  if (gzipped === null || req.acceptsEncodings("gzip") !== "gzip")
    return void res.end(req.method === "HEAD" ? undefined : bytes);
  res.setHeader("Content-Encoding", "gzip");
  res.end(req.method === "HEAD" ? undefined : gzipped);
}
