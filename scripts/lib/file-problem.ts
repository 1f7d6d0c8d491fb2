import { messageOf } from "./project.js";

const CAUSES: Record<string, string> = {
  EACCES: "this user has not the right",
  EPERM: "this user has not the right",
  ENOSPC: "the disk is full",
  EDQUOT: "this user's share of the disk is used up",
  EROFS: "the file system is read-only",
  EISDIR: "a folder stands where a file belongs",
  ENOTDIR: "a file stands where a folder belongs",
  EEXIST: "a file stands where a folder belongs",
  EMFILE: "this process has too many files open",
  ENFILE: "the machine has too many files open",
};
/** These go by themselves: the same may work a little later. */
const PASSING = new Set(["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EAGAIN", "ENOMEM", "EBUSY", "ETXTBSY"]);

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | undefined)?.code);

/** Why a file could not be read or written, in words: never more than the error shows. */
export function fileProblem(error: unknown): string {
  const code = codeOf(error);
  return CAUSES[code] === undefined ? messageOf(error) : `${CAUSES[code]} (${code})`;
}

export const isPassing = (error: unknown): boolean => PASSING.has(codeOf(error));
export const isMissing = (error: unknown): boolean => codeOf(error) === "ENOENT";
