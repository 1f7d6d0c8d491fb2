import axios from "axios";
import { type ChaosRequest, type ChaosState, chaosStateSchema } from "../../shared/protocol/chaos.js";
import { ProblemError } from "../problems.js";
import type { ChaosAddress } from "./setting-values.js";

const ANSWER_MS_MAX = 10_000;
const ANSWER_BYTES_MAX = 256 * 1024;

/** Passes requests for faults on to the start script. A node itself ends, stops and alters nothing. */
export class ChaosClient {
  constructor(private readonly desk: ChaosAddress) {}

  state(): Promise<ChaosState> {
    return this.ask();
  }

  strike(request: ChaosRequest): Promise<ChaosState> {
    return this.ask(request);
  }

  private async ask(request?: ChaosRequest): Promise<ChaosState> {
    const { status, data } = await axios
      .request<unknown>({
        url: this.desk.url,
        method: request === undefined ? "GET" : "POST",
        ...(request === undefined ? {} : { data: request }),
        headers: { Authorization: `Bearer ${this.desk.token}` },
        proxy: false,
        maxRedirects: 0,
        timeout: ANSWER_MS_MAX,
        maxContentLength: ANSWER_BYTES_MAX,
        validateStatus: () => true,
      })
      .catch((cause: unknown) => {
        throw new ProblemError(
          "not_ready",
          request === undefined
            ? "The start script, which makes faults, has not answered."
            : "The start script, which makes faults, has not answered: GET /api/v1/chaos shows whether this one was made.",
          { cause },
        );
      });
    const answered = chaosStateSchema.safeParse(data);
    if (status === 200 && answered.success) return answered.data;
    const detail = typeof data === "object" && data !== null && "detail" in data ? String(data.detail) : `${status}`;
    if (status === 409) throw new ProblemError("chaos_conflict", detail);
    throw new ProblemError("not_ready", `The start script answers ${status}: ${detail}`);
  }
}
