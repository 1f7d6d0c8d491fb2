import { detector } from "./detectors.js";
import { type Mutant, one } from "./mutant.js";

const INCIDENTS = "node/integrity/incidents.ts";
const RECORD = "node/integrity/incident-record.ts";
const TEST = "node/integrity/incident-facts.test.ts";

/** 131 and 132: an alert says of now what was so before. */
export const FACTS: readonly Mutant[] = [
  detector(
    one(
      "131",
      "what is found again after a repair keeps the places and fields of before",
      INCIDENTS,
      "const alert = reopened(incident.alert, finding, wall);\n      Object.assign(incident, { alert, first: finding.detail, places: [], dismissed });",
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
      " || isVaguer",
      "",
    ),
    "keeps it when none can be had any more",
    TEST,
  ),
  detector(
    one(
      "132",
      "an alert whose first place no pass had verified takes the time of a later finding",
      RECORD,
      "    ...(changedAt === undefined ? {} : { changedAt }),\n    ...alert,\n",
      "    ...(changedAt === undefined ? {} : { changedAt }),\n    ...finding,\n    ...alert,\n",
    ),
    "by what opened it, and not by what is found later",
    TEST,
  ),
  detector(
    one(
      "132b",
      "a pass that found a place altered says that it was good then",
      RECORD,
      "const goodAt = lastGoodAt(known, finding, lastKnownGoodAt);",
      "const goodAt = lastKnownGoodAt;",
    ),
    "says when a pass had verified a place that is altered since",
    TEST,
  ),
];
