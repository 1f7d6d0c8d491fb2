/** An event that stands in a block of its own, of a type that no other event has. */
export interface Place {
  readonly recordedAt: string;
  readonly sequence: number;
  readonly height: number;
  readonly hash: string;
  readonly eventType: string;
  readonly sourceAppId: string;
}

export interface Shown {
  readonly sequence?: number;
  readonly dataPayload: unknown;
}

const inList = (events: readonly Shown[], at: number): Shown | undefined =>
  events.find(({ sequence }) => sequence === at);

export interface Read {
  readonly how: string;
  /** Decided on the index. */
  readonly isFiltered: boolean;
  readonly pathOf: (place: Place) => string;
  /** What its answer shows of the event. */
  readonly shownIn: (body: never, at: number) => Shown | undefined;
}

const filterOf = ({ eventType, sourceAppId }: Place): string => `eventType=${eventType}&sourceAppId=${sourceAppId}`;

/** Every way to ask for an event. None of them looks at another event of this kind. */
export const READS: readonly Read[] = [
  {
    how: "alone",
    isFiltered: false,
    pathOf: ({ sequence }) => `/api/v1/events/${sequence}`,
    shownIn: (body: Shown) => body,
  },
  {
    how: "in a list",
    isFiltered: false,
    pathOf: ({ recordedAt }) => `/api/v1/events?order=asc&limit=1&since=${recordedAt}`,
    shownIn: (body: { events: Shown[] }, at) => inList(body.events, at),
  },
  {
    how: "in a filtered list",
    isFiltered: true,
    pathOf: (place) => `/api/v1/events?${filterOf(place)}`,
    shownIn: (body: { events: Shown[] }, at) => inList(body.events, at),
  },
  {
    how: "by reference API A",
    isFiltered: false,
    pathOf: ({ sequence }) => `/api/event-logs?page=${sequence + 1}&limit=1`,
    shownIn: (body: { data: Shown[] }) => body.data[0],
  },
  {
    how: "by reference API A, filtered",
    isFiltered: true,
    pathOf: (place) => `/api/event-logs?${filterOf(place)}&limit=100`,
    shownIn: (body: { data: Shown[] }, at) => inList(body.data, at),
  },
  {
    how: "by reference API B",
    isFiltered: false,
    pathOf: ({ sequence }) => `/events?page=${sequence + 1}&limit=1`,
    shownIn: (body: Shown[]) => body[0],
  },
];
