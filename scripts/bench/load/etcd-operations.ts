import { benchEvent } from "./events.js";
import { Connections, type Opened } from "./http.js";
import type { Operation } from "./loops.js";
import type { LoadSpec, LoadTarget } from "./spec.js";

/** etcd's JSON gateway: one key a write, or a transaction of puts. It has no pages with a filter to compare. */
export async function openEtcd(target: LoadTarget & { kind: "etcd" }, { work, clients }: LoadSpec): Promise<Opened> {
  const http = new Connections(target.urls, clients);
  if (work.kind !== "append") throw new Error(`etcd is not measured for ${work.kind}.`);
  const runKey = `bench/${process.pid}-${Math.round(performance.now())}`;
  const put = (n: number) => ({
    key: base64(`${runKey}/${String(n).padStart(12, "0")}`),
    value: base64(JSON.stringify(benchEvent(n, work))),
  });
  const single: Operation = async (n) => {
    await http.post(n, "/v3/kv/put", put(n));
    return { events: 1 };
  };
  const batch: Operation = async (n) => {
    const puts = Array.from({ length: work.batch }, (_, index) => ({ requestPut: put(n * work.batch + index) }));
    await http.post(n, "/v3/kv/txn", { success: puts });
    return { events: work.batch };
  };
  return { operation: work.batch === 1 ? single : batch, close: () => http.close() };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
