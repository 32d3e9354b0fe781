import { type CaptionFault, faultOf } from "./caption_fault.ts";
import { FIELD_WORDS, GIVEN_NAMES } from "./_names.ts";
import { firstMatch } from "./_reading.ts";

const MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\\.?";

const PATTERNS: Readonly<Record<string, RegExp>> = {
  "an e-mail address": /[\w.+-]{1,64}\s?(@|\(at\)|\[at\])\s?[\w-]+/i,
  "a unique identifier": /\b[0-2](\.\d+){4,}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-/i,
  "a labelled number or name":
    /\b(mrn|ssn|nhs|pid|dob|d\.o\.b|accession|acc\.?\s?(no|nr|#)|insurance|passport|medical record|case\s?(no|number|id)|(patient|study|series|exam|record|hospital|subject)('s)?\s?(id|no|nr|number|#)|id\s?(no|number)?\s?[:#])/i,
  "a labelled name":
    /\b(patient|name|patient'?s? name|surname|first name|last name|physician|doctor|radiologist|referr(ed|ing)( by)?|operator|technologist|born|birth ?(date|day)?|date of birth|sex|gender|address)\s*[:=]/i,
  "a labelled number": /\b(id|pat(ient)?\.?|no|nr|number|room|ward|bed|record|rec)\s?[.:#]?\s?[a-z]?-?\d{2,}/i,
  "writing in the picture":
    /\b(text|label|corner|margin|watermark|overlay|annotation|caption|writing|inscription|header)s?\s(reads?|says?|states?|spells?)\b|\b(printed|burned[ -]in|burnt[ -]in|written|inscribed)\b/i,
  "a doctor": /\b([Dd]octor|[Pp]hysician|[Rr]adiologist|[Ss]urgeon)\s\p{Lu}/u,
  "a number to call": /\b(tele)?phone\b|\bfax\b/i,
  "a date of another kind":
    /\b\d{4}\s?年|\b(0[1-9]|1[0-2])[./](19|20)\d\d\b|\b(of|on|in)\s(january|february|march|april|june|july|august|september|october|november|december)\b|\b(nineteen|twenty)[ -](hundred|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|oh)\b|\bn[eé]e?\sle\b|\bgeb(oren)?\.?\s(am\s)?\d|\bnacid[oa]\b/i,
  "an age as DICOM has it": /\b\d{2,3}[YMWD]\b/,
  "a birth": /\b(date of birth|birth ?date|birthday|born (on|in))\b/i,
  "a title and a name":
    /\b(Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Mme|Sr|Sra|MR|MRS|MS|DR|PROF)\.\s?\p{Lu}|\b(Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Mme)\s\p{Lu}/u,
  "a name in the form of DICOM": /\p{L}{2}\^/u,
  "a date":
    /\b(19|20)\d\d[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])\b|\b(0?[1-9]|[12]\d|3[01])[-/.](0?[1-9]|[12]\d|3[01])[-/.]((19|20)\d\d|\d\d)\b/,
  "a date in words": new RegExp(
    `\\b${MONTH}\\s(\\d{1,2}(st|nd|rd|th)?,?\\s)?(19|20)\\d\\d\\b|\\b\\d{1,2}(st|nd|rd|th)?\\.?\\s(of\\s)?${MONTH}(,?\\s(19|20)\\d\\d)?\\b`,
    "i",
  ),
  "a year": /\b(in|since|from|dated|until|of|year)\s(19|20)\d\d\b(?!\s?(hu|mm|ms|ml))/i,
  "a time of day": /\b([01]?\d|2[0-3]):[0-5]\d\b/,
  "a phone number":
    /(\+|\b00)\d{1,3}[\s().-]?\d|\(\d{2,5}\)\s?\d|\b\d{3}[\s.-]\d{3,4}([\s.-]\d{2,4})?\b|\b(phone|tel|fax|mobile|call)\b\.?\W{0,3}\d/i,
  "a number that may be an id": /\d{6,}|\b\d{3}-\d{2}-\d{4}\b|\b(?=\w*[a-z])(?=\w*\d\w*\d\w*\d\w*\d)\w{5,}\b/i,
  "an age": /\b\d{1,3}[\s-](years?|months?|yr)[\s-]old\b|\b\d{1,3}\s?(y\/o|yo)\b|\baged?\s?:?\s?\d{1,3}\b/i,
  "an institution":
    /\b\p{Lu}\p{L}+('s)?\s(\p{Lu}\p{L}+\s)?(Hospital|Clinic|University|Universit\p{L}+|Institute|Infirmary|Klinikum|Radiology|Medical (Center|Centre))\b|\b(Hospital|Clinic|University) of\b/u,
};

/**
 * Looks for what can name a person: labelled facts, titles, common given names, capitalised pairs that are no words of the
 * field, dates, numbers, addresses. A name that is written in lower case and is not common is not found.
 */
export function findIdentifiers(text: string): CaptionFault | undefined {
  const found = firstMatch(text, PATTERNS) ?? (holdsName(text) ? "what may be a name" : undefined);
  return found === undefined ? undefined : faultOf("identifying", `it holds ${found}`, { withhold: true });
}

function holdsName(text: string): boolean {
  for (const [, first, separator, second] of pairsOf(text)) {
    const [one, two] = [first!.toLowerCase(), second!.toLowerCase()];
    if (GIVEN_NAMES.has(one) && /^\p{Lu}/u.test(second!) && !FIELD_WORDS.has(two)) return true;
    if (GIVEN_NAMES.has(two) && (separator!.includes(",") || /^\p{Lu}+$/u.test(second!))) return true;
    if (GIVEN_NAMES.has(one) && GIVEN_NAMES.has(two)) return true;
    if (!FIELD_WORDS.has(one) && !FIELD_WORDS.has(two) && isNameLike(first!) && isNameLike(second!)) return true;
  }
  return false;
}

/** Two neighbouring words; pairs overlap. */
function pairsOf(text: string): IterableIterator<RegExpMatchArray> {
  return text.matchAll(/(?<![\p{L}'-])(\p{L}[\p{L}'-]+)(?=(,?\s(?:\p{Lu}\.\s)?)(\p{L}[\p{L}'-]+))/gu);
}

/** Written as names are: a capital and small letters, or four capitals and more, which abbreviations seldom have. */
function isNameLike(word: string): boolean {
  return /^\p{Lu}\p{Ll}[\p{L}'-]*$/u.test(word) || /^\p{Lu}{4,}$/u.test(word);
}
