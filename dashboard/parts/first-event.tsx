import { CopyButton } from "./copy-button.js";
import styles from "./first-event.module.css";

/** The page's own address without what stands behind the `#`. */
export const nodeUrl = (): string => new URL(".", document.baseURI).href.replace(/\/$/, "");

/** The source of the event that a person logs first; no event that fills a log for a demonstration has it. */
const OWN_SOURCE = "demo";

export function curlOfFirstEvent(): string {
  const event = `{"eventType":"user.login","sourceAppId":"${OWN_SOURCE}","dataPayload":{"user":"ada"}}`;
  return `curl -X POST ${nodeUrl()}/api/v1/events -H 'Content-Type: application/json' -d '${event}'`;
}

/** A line that logs an event. */
export function FirstEvent() {
  const line = curlOfFirstEvent();
  return (
    <>
      <p>Log an event from a terminal. It shows up here as soon as a majority of the nodes has stored it:</p>
      <pre className={styles.line}>{line}</pre>
      <CopyButton text={line} label="Copy the line" />
    </>
  );
}
