import { Component, type ReactNode } from "react";
import page from "../parts/page.module.css";
import { Failure } from "../parts/states.js";

interface BoundaryProps {
  readonly children: ReactNode;
}
interface BoundaryState {
  readonly error: Error | null;
}

/** A page that fails leaves the bar and the ways to the other pages standing. */
export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { error: null };

  static getDerivedStateFromError(error: Error): BoundaryState {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <div className={page.page}>
        <h1>This page is not shown</h1>
        {/* A part that could not be loaded may be another version's by now: all is loaded anew. */}
        <Failure error={error} onRetry={() => window.location.reload()} />
      </div>
    );
  }
}
