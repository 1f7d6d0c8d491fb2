import type { Request, RequestHandler } from "express";
import { ProblemError } from "../../problems.js";
import { type BodyRoom, bodyProblem } from "../body-room.js";
import type { RawRequest } from "../door/door.js";

/**
 * The body as bytes, whatever its type: the door judges that. Bounded while it arrives; never inflated, because what
 * a small compressed body becomes is bounded by nothing that the client sent.
 */
export const rawBody =
  ({ bodies }: { readonly bodies: BodyRoom }, bytesMax: number): RequestHandler =>
  (req, res, next) => {
    const encoding = req.headers["content-encoding"] ?? "identity";
    if (encoding.toLowerCase() !== "identity") {
      const detail = "The body must not be compressed. Nothing was written.";
      throw new ProblemError("unsupported_media_type", detail);
    }
    bodies.read(req, res, bytesMax, (read) => {
      if (read.ok) req.body = read.body;
      const problem = read.ok ? null : bodyProblem(read);
      if (read.ok || problem !== null) next(problem ?? undefined);
    });
  };

const EMPTY = new Uint8Array(0);

export function rawRequest(req: Request): RawRequest {
  const body: unknown = req.body;
  return { contentType: req.headers["content-type"], body: body instanceof Uint8Array ? body : EMPTY };
}
