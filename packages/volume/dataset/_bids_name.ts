import { stripExtension } from "./subject_of.ts";

/** A file's name by the rules of BIDS: `sub-01_ses-2_acq-mp2rage_T1w.nii.gz`. */
export interface BidsName {
  /** Keys and values, such as `sub` and `01`. */
  readonly entities: ReadonlyMap<string, string>;
  /** Parts without a value before the last, as in `sub-01_T1w_dseg`. */
  readonly words: readonly string[];
  /** The last part, such as `T1w`; with its value where it has one, as in `sub-01_T2w_label-lesion`. */
  readonly suffix: string;
}

/** Takes a file's name apart. */
export function parseBidsName(file: string): BidsName {
  const parts = stripExtension(file.split("/").at(-1)!).split("_");
  const suffix = parts.pop()!;
  const entities = new Map<string, string>();
  const words: string[] = [];
  for (const part of parts) {
    const match = /^([A-Za-z]+)-(.+)$/.exec(part);
    if (match) entities.set(match[1]!, match[2]!);
    else words.push(part);
  }
  return { entities, words, suffix };
}
