import express, { type Request, type RequestHandler } from "express";
import type { RawRequest } from "../door/door.js";

/**
 * The body as bytes, whatever its type: the door judges that. Bounded while it arrives; never inflated, because what
 * a small compressed body becomes is bounded by nothing that the client sent.
 */
export const rawBody = (bytesMax: number): RequestHandler =>
  express.raw({ type: () => true, limit: bytesMax, inflate: false });

const EMPTY = new Uint8Array(0);

export function rawRequest(req: Request): RawRequest {
  const body: unknown = req.body;
  return { contentType: req.headers["content-type"], body: body instanceof Uint8Array ? body : EMPTY };
}
