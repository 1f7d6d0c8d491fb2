import { type ReactNode, useId, useRef } from "react";
import { useWidth } from "../lib/use-width.js";
import styles from "./lanes.module.css";

/** Each kind has a pattern of its own: none is told by its colour alone. An empty text is a plain ground. */
const HATCHES = {
  equal: "",
  verified: "",
  held: "M0,8 L8,0",
  missing: "M1,4 L3,4",
  unknown: "M0,4 L5,4",
  altered: "M0,0 L8,8 M0,8 L8,0",
  differs: "M2,0 L2,8 M6,0 L6,8",
  changed: "M0,8 L8,0",
  rewritten: "M0,2 L8,2 M4,2 L4,8",
  gone: "M3,4 L5,4",
  foreign: "M0,2 L8,2 M0,4 L8,4 M0,6 L8,6",
  follows: "M2,4 L3,4",
  campaign: "M0,8 L8,0",
  transfer: "M0,4 L8,4",
  down: "M0,0 L8,8 M0,8 L8,0",
  paused: "M2,0 L2,8 M5,0 L5,8",
  cut: "M0,2 L8,2 M4,2 L4,8",
  silent: "M0,4 L4,4",
  behind: "M0,0 L8,8",
} as const;
export type Hatch = keyof typeof HATCHES;
const isHatch = (kind: string): kind is Hatch => Object.hasOwn(HATCHES, kind);

interface LanesProps {
  readonly height: number;
  /** For who does not see it; a table below holds each. */
  readonly words: string;
  children(room: Room): ReactNode;
}

export interface Room {
  readonly width: number;
  /** Begins the ids of what is drawn more than once. */
  readonly id: string;
}

/** Lanes with bars, one lane a node, as wide as there is room: texts keep their size. */
export function Lanes({ height, words, children }: LanesProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const id = useId().replaceAll(/\W/g, "");
  return (
    <div ref={frame} className={styles.frame}>
      <svg width={width} height={height} role="img" aria-label={words}>
        <defs>
          {(Object.keys(HATCHES) as Hatch[]).map((kind) => (
            <pattern
              key={kind}
              id={`${id}${kind}`}
              className={styles[kind]}
              width="8"
              height="8"
              patternUnits="userSpaceOnUse"
            >
              <rect width="8" height="8" className={styles.ground} />
              <path d={HATCHES[kind]} className={styles.stroke} />
            </pattern>
          ))}
        </defs>
        {children({ width, id })}
      </svg>
    </div>
  );
}

interface BarProps {
  readonly kind: string;
  readonly id: string;
  readonly x: number;
  readonly width: number;
  readonly middle: number;
  readonly height: number;
  /** Shown while the pointer is on it. */
  readonly title: string;
  readonly onPress?: () => void;
  /** What stands in it or above it. */
  readonly children?: ReactNode;
}

export function Bar({ kind, id, x, width, middle, height, title, onPress, children }: BarProps) {
  return (
    <g className={styles[kind]} onPointerUp={onPress}>
      <rect
        x={x}
        y={middle - height / 2}
        width={width}
        height={height}
        fill={isHatch(kind) ? `url(#${id}${kind})` : undefined}
      >
        <title>{title}</title>
      </rect>
      {children}
    </g>
  );
}
