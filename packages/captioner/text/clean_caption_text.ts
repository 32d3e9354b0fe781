/** Longest caption that is kept unless another cap is given, in UTF-16 code units. */
export const MAX_CAPTION_LENGTH = 4000;

/**
 * Makes a caption safe to keep and to show: composed Unicode (NFC), control, format and unpaired surrogate characters
 * replaced by spaces, white space collapsed, cut at the cap without splitting a character.
 *
 * @param text Any string.
 * @param maxLength Longest result in UTF-16 code units. Default {@linkcode MAX_CAPTION_LENGTH}.
 * @returns The cleaned text; empty when nothing readable was in it.
 * @throws RangeError when `maxLength` is not a positive integer.
 */
export function cleanCaptionText(text: string, maxLength: number = MAX_CAPTION_LENGTH): string {
  if (!Number.isSafeInteger(maxLength) || maxLength < 1) {
    throw new RangeError(
      `Cannot clean a caption: maxLength is out of range: got ${maxLength}, expected a positive integer. Leave it out.`,
    );
  }
  const clean = text.normalize("NFC").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ").replace(/\s+/g, " ").trim();
  if (clean.length <= maxLength) return clean;
  const cut = clean.slice(0, maxLength);
  return (/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut).trimEnd();
}
