import { expect, it } from "vitest";
import { fromHex } from "../../shared/bytes.js";
import { height } from "../../shared/ids.js";
import { type AlertRecords, alertRecordsBytes, alertRecordsSchema } from "../../shared/log/control.js";
import { hastyClock } from "../../test/doubles/memory-integrity.js";
import { createVerifier, deriveSigner } from "../host/signer.js";
import { AlteredLog } from "../replica/verified-tail.js";
import type { PeerReply } from "../service/parts.js";
import { isOfFormerCopy } from "../storage/incident.js";
import { AlertLog } from "./alert-log.js";
import { HAS_ALREADY } from "./alert-recorder.js";
import { tellOfAlteredLog } from "./last-word.js";

type Reply = PeerReply<"log-alerts">;
const CLUSTER = "c".repeat(64);
const NOT_LEADING: Reply = { kind: "refused", detail: "This node does not lead." };
const TAKEN: Reply = { kind: "answered", answer: {} };
const altered = (at: number): AlteredLog => new AlteredLog(height(at), "link_broken", `Stored block ${at} fails.`);

function setUp(replies: readonly (Reply | Error)[][], formedClusterId: string | null = CLUSTER) {
  const signer = deriveSigner(new Uint8Array(32).fill(1));
  const asked: [string, AlertRecords][] = [];
  const clock = hastyClock();
  const rounds = { n3: 0, n2: 0 };
  const tell = (error = altered(7)): Promise<boolean> =>
    tellOfAlteredLog(error, {
      ...{ nodeId: "n1", identity: { formedClusterId, storeId: "5".repeat(32) }, signer: signer.block, clock },
      desk: {
        others: ["n2", "n3"],
        request: (async (peer: "n2" | "n3", _path: string, records: AlertRecords) => {
          asked.push([peer, records]);
          const reply = replies[rounds[peer]++]?.[peer === "n2" ? 0 : 1] ?? NOT_LEADING;
          if (reply instanceof Error) throw reply;
          return reply;
        }) as never,
      },
    });
  return { tell, asked, clock, signer };
}

it("has whoever leads write a signed record to the log: node, kind, block, and that the node ended", async () => {
  const { tell, asked, signer } = setUp([[NOT_LEADING, TAKEN]]);
  expect(await tell()).toBe(true);
  expect(asked.map(([peer]) => peer)).toEqual(["n2", "n3"]);
  const [, records] = asked[0] as [string, AlertRecords];
  expect(alertRecordsSchema.safeParse(records).success).toBe(true);
  const isSigned = createVerifier().verify(
    signer.keys.block,
    alertRecordsBytes(CLUSTER, records),
    fromHex(records.signature),
  );
  expect(isSigned).toBe(true);
  const log = new AlertLog();
  log.take({ control: records, height: height(20) } as never);
  const [alert] = log.all;
  expect(alert).toMatchObject({ kind: "link_broken", node: "n1", accused: "n1", status: "open", heights: [[7, 7]] });
  // Whatever the node goes on with later is another copy, or has been verified.
  expect(alert !== undefined && isOfFormerCopy(alert)).toBe(true);
});

it("is one alert however often the node is started, and another one for another block", async () => {
  const { tell, asked, clock } = setUp([[TAKEN], [TAKEN], [TAKEN]]);
  await tell();
  clock.pass(5_000);
  await tell();
  await tell(altered(8));
  const ids = asked.filter(([peer]) => peer === "n2").map(([, { notes }]) => notes[0]?.id);
  expect(ids[1]).toBe(ids[0]);
  expect(ids[2]).not.toBe(ids[0]);
});

it("waits for an election, and knows what the log has", async () => {
  const { tell, asked } = setUp([
    [new Error("no answer"), NOT_LEADING],
    [NOT_LEADING, { kind: "refused", detail: HAS_ALREADY }],
  ]);
  expect(await tell()).toBe(true);
  expect(asked).toHaveLength(4);
});

it("keeps no node from ending: it asks three times, and nobody where there is nobody", async () => {
  const { tell, asked, clock } = setUp([]);
  expect(await tell()).toBe(false);
  expect(asked).toHaveLength(6);
  expect(clock.now()).toBeLessThan(5_000);
  const alone = setUp([[TAKEN]], null);
  expect(await alone.tell()).toBe(false);
  expect(alone.asked).toEqual([]);
});
