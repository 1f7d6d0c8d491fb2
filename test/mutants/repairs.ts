import { detector } from "./detectors.js";
import { type Mutant, one } from "./mutant.js";

const INCIDENTS = "node/integrity/incidents.ts";
const WINDOWS = "node/integrity/maintenance-windows.ts";
const REPAIR = "node/integrity/repair.ts";
const PEERS = "node/integrity/peer-blocks.ts";
const SILENCE = "node/integrity/silence.ts";
const PASSES = "node/integrity/passes.ts";
const WEBHOOK = "node/integrity/webhook.ts";
const ALERT_LOG = "node/integrity/alert-log.ts";
const HEADS = "node/service/head-exchange.ts";
const STATUS = "node/service/status.ts";
const SPLIT_VIEW = "test/scenarios/split-view.test.ts";

/** 110 to 119: what is found is put right wrongly, what a node is said to be does not follow from it, or silence is no alarm. */
export const REPAIRS: readonly Mutant[] = [
  detector(
    {
      id: "110",
      what: "a repair takes the nearest copy",
      patches: [
        {
          file: PEERS,
          find: "noted.filter(({ isSame, answer }) => isSame && answer.isSound)",
          replace: "noted.filter(({ answer }) => answer.isSound)",
        },
        { file: PEERS, find: "isBlock(decoded, committed) ?", replace: "isBlock(decoded, decoded.blockHash) ?" },
      ],
    },
    "takes the copy that is proved, however many nearer ones are there",
    "node/integrity/repair.test.ts",
  ),
  detector(
    one(
      "111",
      "most members' word is enough to replace a block",
      REPAIR,
      "if (copies.contradicting.length >= majority(memberCount()))",
      "if (copies.contradicting.length > memberCount())",
    ),
    "repairs nothing by majority alone",
  ),
  detector(
    {
      id: "112",
      what: "evidence is written after the repair",
      patches: [
        {
          file: REPAIR,
          find: "      const kept = found.has(at) ? await store.keep(at) : null;\n      if (kept !== null) events.onKept(kept);\n",
          replace: "",
        },
        {
          file: REPAIR,
          find: "    await this.assertSound(piece);\n",
          replace:
            "    await this.assertSound(piece);\n    for (const at of piece) if (found.has(at)) events.onKept((await store.keep(at)) ?? '');\n",
        },
      ],
    },
    "keeps what was there before it replaces it",
  ),
  detector(
    one(
      "113",
      "an alert about a leader's lie names the finder",
      HEADS,
      'onAlert({ alertKind: "fork", accused,',
      'onAlert({ alertKind: "fork", accused: config.nodeId,',
    ),
    "finds two blocks of one height that were told to two followers",
    SPLIT_VIEW,
  ),
  detector(
    one(
      "114",
      "followers compare their heads with their leader only",
      HEADS,
      "id !== view.leaderId &&",
      "id === view.leaderId &&",
    ),
    "finds two blocks of one height that were told to two followers",
    SPLIT_VIEW,
  ),
  detector(
    one(
      "114b",
      "a header that nobody has signed accuses its leader",
      HEADS,
      "return key !== undefined && this.parts.verifier.verify(key, headerBytes(theirs.header), theirs.signature);",
      "return key !== undefined && headerBytes(theirs.header).length > 0;",
    ),
    "believes no header that the accused has not signed",
    SPLIT_VIEW,
  ),
  detector(
    one(
      "115",
      "a watch may be silent for ever",
      SILENCE,
      "if (this.watch.isTooLong(watch.signs(), watch.isExpected() ? passedMs : null)) watch.onSilent();",
      "if (this.watch.isTooLong(watch.signs(), null)) watch.onSilent();",
    ),
    "tells of a watch that has said nothing for its bound",
  ),
  detector(
    one(
      "115b",
      "a pass that is due need not begin",
      SILENCE,
      "(scrub.isUnderWay() || this.isOverdue)",
      "(scrub.isUnderWay() && !this.isOverdue)",
    ),
    "tells of a pass that is due and does not begin",
  ),
  detector(
    one("116", "a damaged node calls itself sound", STATUS, '? "damaged" : "sound"', '? "sound" : "sound"'),
    "a damaged node says so, is not ready",
  ),
  detector(
    one(
      "117",
      "a node that has missed changes takes its log for verified",
      PASSES,
      "    if (this.parts.holdsBlocks()) this.setPending(true);\n",
      "",
    ),
    "is pending from the moment on that changes were missed",
  ),
  detector(
    one(
      "118",
      "an alert whose process died before its message was stored is told to nobody",
      WEBHOOK,
      "for (const alert of open.reverse()) if (isUntold(alert)) this.onAlert(alert);",
      "for (const alert of open.reverse()) if (isUntold(alert)) this.told.set(alert.id, stepOf(alert));",
    ),
    "tells of what an earlier process has stored",
  ),
  detector(
    one(
      "119",
      "a node that floods the log with alerts fills the memory of all",
      ALERT_LOG,
      "this.logged.size > NODE_ALERTS_MAX || this.characters > NODE_CHARACTERS_MAX",
      "this.logged.size > NODE_ALERTS_MAX * NODE_CHARACTERS_MAX",
    ),
    "keeps a bounded number of a node's alerts",
  ),
  detector(
    one(
      "119b",
      "what lies between the places that an alert shows put together is taken for known",
      INCIDENTS,
      "covers(places, heights[0]);",
      "covers([[places[0]?.[0] ?? 0, places.at(-1)?.[1] ?? -1]], heights[0]);",
    ),
    "tells of a place that is altered later between",
  ),
  detector(
    one(
      "119c",
      "an alert says itself that work was announced",
      WINDOWS,
      "covering.length === 0 ? alert : {",
      "covering.length === 0 ? { ...alert, ...(_maintenance === undefined ? {} : { maintenance: _maintenance }) } : {",
    ),
    "believes no alert's own word on it",
  ),
  detector(
    one(
      "119d",
      "a node is ready before what was changed while it was down has been looked at",
      STATUS,
      'const isOk = watch === "live" || watch === "unsupported";',
      'const isOk = watch !== "down";',
    ),
    "is not ready while what was changed during its absence is being looked at",
  ),
  detector(
    one(
      "153",
      "a rebuild counts voters by the length of their logs, whatever stands there",
      "node/integrity/rebuild.ts",
      "sound.filter(({ commitHeight }) => commitHeight >= needed)",
      "sound.filter(({ lastHeight }) => lastHeight >= needed)",
    ),
    "counts no voter whose blocks at these heights are of a tail that nobody has committed",
  ),
];
