import page from "./page.module.css";
import { Failure, Loading } from "./states.js";

interface AskedPageProps {
  readonly title: string;
  /** What is asked for. */
  readonly what: string;
  readonly error: Error | null;
  readonly onRetry: () => void;
}

/** A page of which nothing has been answered yet. */
export function AskedPage({ title, what, error, onRetry }: AskedPageProps) {
  return (
    <div className={page.page}>
      <h1>{title}</h1>
      {error === null ? <Loading what={what} /> : <Failure error={error} onRetry={onRetry} />}
    </div>
  );
}
