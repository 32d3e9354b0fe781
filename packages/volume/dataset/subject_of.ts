/** Words that tell one scan of a person from another of the same person: when, which side or end of the heart's cycle, how. */
const WHEN = "(?:ph|phase|frame|tp|time|ses|session|visit|v|run|rep|echo|series|acq)-?\\d+";
/** The same in one letter, which as a whole name is rather a person's: p07, s0011. */
const WHEN_LETTER = "[pts]-?\\d+";
const SIDE = "left|right|l|r|lh|rh|ed|es";
const HOW = "d?t[12](?:w|c|ce|gd|post|pre|star|rho)?|flair|pd|adc|dwi|swi|asl|bold|ct|mra?|mri|pet|[nsr]*cb[fv]";

/** A name's last part. */
const REPEATS = new RegExp(`[ ._-](?:${WHEN}|${WHEN_LETTER}|${SIDE}|${HOW})$`, "i");
/** A name's first part, or a last letter right behind a digit, that names a side. */
const SIDE_PREFIX = /^(?:left|right|lh|rh)[ ._-]+(?=.*\d)/i;
const SIDE_LETTER = /(?<=\d)[LR]$/;
/** A whole name that says how a scan was made and not whom it shows. */
const NAMELESS = new RegExp(
  `^(?:${HOW}|${SIDE}|${WHEN}|(?:image|img|scan|volume|vol|data|brain|head|anat|orig|series|raw|input)[ ._-]?\\d*)$`,
  "i",
);
/** Folders that hold many persons' scans or one person's of one kind. */
const GENERAL_FOLDER = new RegExp(
  `^(?:${WHEN}|${SIDE}|${HOW}|(?:images?|labels?|scans?|data|raw|nii|nifti|anat|func|train(?:ing)?|val(?:idation)?|test(?:ing)?)(?:tr|ts|va)?|` +
    "(?:task|dataset|fold|site|cent(?:er|re)|hospital|batch|part|set|release|split|year|group|class)[ ._-]?\\d+.*|" +
    "(?:19|20)\\d\\d(?:[ ._-]?\\d\\d){0,2})$",
  "i",
);
/** A folder of one person: it has a number. */
const PERSON_FOLDER = /\d/;

/**
 * Derives whom a scan shows from its path, by rules that rather join two people than tear one apart:
 *
 * 1. the BIDS entity `sub-…`, in the file's name or else in the nearest folder's;
 * 2. else the nearest folder whose name has a number and is none of those that hold many persons (`imagesTr`, `fold_0`, `site2`,
 *    `2019`) or one person's scans of one kind (`ses-1`, `T1`), as in `s0011/ct.nii.gz`;
 * 3. else the file's name without extension and nnU-Net channel (`_0000`), from whose ends parts such as `_p07`, `_ses-2`,
 *    `_left`, `lh_`, `_ED` or `_FLAIR` are taken while what stays still holds a digit; or, where the name says nothing but how
 *    the scan was made (`T1.nii`), the nearest folder that is none of those.
 *
 * @param path Path of the scan within its data set, `/` between folders.
 * @returns The subject.
 */
export function subjectOf(path: string): string {
  return bidsSubject(path) ?? folders(path).find((name) => PERSON_FOLDER.test(name)) ?? subjectByName(path);
}

/** The rules of {@linkcode subjectOf} without folders that have a number: for data sets that lie in one such folder as a whole. */
export function subjectByName(path: string): string {
  const entity = bidsSubject(path);
  if (entity !== undefined) return entity;
  const whole = stripExtension(path.split("/").at(-1)!).replace(/_\d{4}$/, "");
  let name = whole.replace(SIDE_PREFIX, "");
  for (;;) {
    const shorter = name.replace(REPEATS, "").replace(SIDE_LETTER, "");
    if (shorter === name || !/\d/.test(shorter)) break;
    name = shorter;
  }
  return NAMELESS.test(name) ? folders(path)[0] ?? name : name;
}

function bidsSubject(path: string): string | undefined {
  for (const part of path.split("/").toReversed()) {
    const entity = /(?:^|_)(sub-[A-Za-z0-9]+)/.exec(part);
    if (entity) return entity[1]!;
  }
  return undefined;
}

/** Folders that may name a person, nearest first. */
function folders(path: string): string[] {
  return path.split("/").slice(0, -1).toReversed().filter((name) => !GENERAL_FOLDER.test(name));
}

/** How names of scans end, of every format that is one file or a header with a file beside it. */
export const SCAN_ENDING = /\.(?:nii(?:\.gz)?|nrrd|nhdr|mha|mhd|mgh(?:\.gz)?|mgz|hdr(?:\.gz)?)$/i;

/** Takes the ending of a scan off a name. */
export function stripExtension(name: string): string {
  return name.replace(SCAN_ENDING, "");
}
