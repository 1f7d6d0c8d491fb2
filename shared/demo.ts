/** Where the events come from that fill an empty log for a demonstration, and how many they are. */
export const DEMO_SOURCES = ["auth", "billing", "identity", "warehouse", "admin"] as const;
export const DEMO_EVENTS = 300;
