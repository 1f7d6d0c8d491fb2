import { Router } from "express";
import { escapeMarkup } from "../../../shared/escape.js";
import { PROBLEMS, type ProblemCode, ProblemError } from "../../problems.js";
import { methods } from "../middleware/methods.js";
import { htmlPage } from "./page.js";

const isProblemCode = (name: string): name is ProblemCode => Object.hasOwn(PROBLEMS, name);

/** What the `type` of a problem document leads to. */
export function problemPages(): Router {
  const router = Router();
  router
    .route("/problems/:name")
    .get((req, res) => {
      const { name } = req.params;
      if (!isProblemCode(name)) throw new ProblemError("not_found", "There is no problem of this name.");
      const { status, title, isRetryable, help } = PROBLEMS[name];
      res.vary("Accept");
      if (req.accepts(["json", "html"]) !== "html") {
        res.json({ code: name, status, title, retryable: isRetryable, help });
        return;
      }
      const retry = isRetryable ? "Yes: the same request can succeed later." : "No: change the request first.";
      const facts = `<dl><dt>Code</dt><dd><code>${name}</code></dd><dt>HTTP status</dt><dd>${status}</dd><dt>Retry?</dt><dd>${retry}</dd></dl>`;
      res
        .type("html")
        .send(htmlPage(title, `<p>${escapeMarkup(help)}</p>\n${facts}\n<p><a href="/">All routes</a></p>`));
    })
    .all(methods("GET"));
  return router;
}
