import { IncomingMessage, ServerResponse } from "node:http";
import type { Express } from "express";

/** What a server makes its requests and responses of. */
export interface MessageClasses {
  readonly IncomingMessage: typeof IncomingMessage;
  readonly ServerResponse: typeof ServerResponse;
}

/**
 * Express gives each request and response the app's prototypes, and to change the prototype of an object undoes what the
 * engine has optimised for it: three times the processor time of a small request. Objects that have them already are
 * left as they are.
 */
export const messageClasses = (app: Express): MessageClasses => ({
  IncomingMessage: withPrototype(IncomingMessage, app.request),
  ServerResponse: withPrototype(ServerResponse, app.response),
});

function withPrototype<C extends typeof IncomingMessage | typeof ServerResponse>(base: C, prototype: object): C {
  function Message(...args: unknown[]): object {
    return Reflect.construct(base, args, Message) as object;
  }
  Message.prototype = prototype;
  return Message as unknown as C;
}
