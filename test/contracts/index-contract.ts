import { describe } from "vitest";
export function indexContract(_: unknown): void {
  describe.todo("the index");
}
