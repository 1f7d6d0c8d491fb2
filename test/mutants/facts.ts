import { detector } from "./detectors.js";
import { type Mutant, one } from "./mutant.js";

const INCIDENTS = "node/integrity/incidents.ts";
const RECORD = "node/integrity/incident-record.ts";
const TEST = "node/integrity/incident-facts.test.ts";

/** 131 to 131c: an alert says of now what was so before. */
export const FACTS: readonly Mutant[] = [
  detector(
    one(
      "131",
      "what is found again after a repair keeps the places and fields of before",
      INCIDENTS,
      "const alert = reopened(incident.alert, finding, wall);\n      Object.assign(incident, { alert, first: finding.detail, places: [] });",
      'incident.alert = stepped(incident.alert, { action: "reopened", at: wall });',
    ),
    "what is altered now, and of nothing else",
    TEST,
  ),
  detector(
    one(
      "131b",
      "what is altered further in a place that is known is not named",
      INCIDENTS,
      "wasKnown ? withoutOutdated(incident, finding) : incident;",
      "wasKnown ? null : incident;",
    ),
    "names what was altered since, also after a restart",
    TEST,
  ),
  detector(
    one(
      "131c",
      "what is said without a sound copy takes the place of a field that was named",
      RECORD,
      " || (fresh.every(isVague) && !before.every(isVague))",
      "",
    ),
    "keeps it when none can be had any more",
    TEST,
  ),
];
