/** What somebody did to a database behind its node's back, whatever became of it: what its watch tells is held against this. */
export class Tampered {
  /** Heights of blocks that were altered, deleted or planted. */
  readonly blocks = new Set<number>();
  readonly entries = new Set<number>();
  /** What the index says of itself was taken. */
  hasLostAccount = false;
  /** The state is another one, or gone. */
  hasOtherState = false;
  /** An older copy stands in its place. */
  isOlder = false;
}
