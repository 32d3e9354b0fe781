/** A name's last part, after an underscore, that tells one scan of a person from another of the same person. */
const REPEATS = new RegExp(
  "_(?:" + [
    "(?:p|ph|phase|frame|t|tp|time|ses|session|visit|v|run|rep|echo|s|series|acq)-?\\d+", // when
    "left|right|l|r|lh|rh|ed|es", // which side, which end of the heart's cycle
    "d?t[12](?:w|c|ce|gd|post|pre|star|rho)?|flair|pd|adc|dwi|swi|asl|bold|ct|mra?|mri|pet|[nsr]*cb[fv]", // how
  ].join("|") + ")$",
  "i",
);

/**
 * Derives whom a scan shows from its path, by rules that rather join two people than tear one apart:
 *
 * 1. the BIDS entity `sub-…`, in the file's name or else in the nearest folder's;
 * 2. else the file's name without extension and nnU-Net channel (`_0000`), from whose end parts such as `_p07`, `_ses-2`,
 *    `_left`, `_ED` or `_FLAIR` are taken while what stays still holds a digit.
 *
 * @param path Path of the scan within its data set, `/` between folders.
 * @returns The subject.
 */
export function subjectOf(path: string): string {
  const parts = path.split("/");
  for (const part of parts.toReversed()) {
    const entity = /(?:^|_)(sub-[A-Za-z0-9]+)/.exec(part);
    if (entity) return entity[1]!;
  }
  let name = stripExtension(parts.at(-1)!).replace(/_\d{4}$/, "");
  for (;;) {
    const shorter = name.replace(REPEATS, "");
    if (shorter === name || !/\d/.test(shorter)) return name;
    name = shorter;
  }
}

/** Takes `.nii` or `.nii.gz` off a name. */
export function stripExtension(name: string): string {
  return name.replace(/\.nii(\.gz)?$/i, "");
}
