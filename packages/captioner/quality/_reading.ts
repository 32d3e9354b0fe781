/** Characters that look Latin and are not, by what they look like: a word that hides behind them is still read. */
const LOOKALIKES: Readonly<Record<string, string>> = Object.fromEntries(
  [..."аеорсухіјѕвкмнтАЕОРСУХІЈЅВКМНТαορνικΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"].map((
    letter,
    index,
  ) => [letter, [..."aeopcyxijsbkmhtAEOPCYXIJSBKMHTaopvikABEZHIKMNOPTYX"][index]!]),
);

/** A text as a reader would take it in: compatibility forms, accents, invisible and look-alike characters resolved. Case is kept. */
export function asRead(text: string): string {
  return text.normalize("NFKD").replace(/[\p{M}\p{Cf}]+/gu, "").replace(
    /\P{ASCII}/gu,
    (letter) => LOOKALIKES[letter] ?? letter,
  ).replace(/[‐-―−]/g, "-").replace(/[‘’]/g, "'").replace(/\s+/g, " ").trim();
}

/** The first pattern's name that a text matches, `undefined` where there is none. */
export function firstMatch(text: string, patterns: Readonly<Record<string, RegExp>>): string | undefined {
  return Object.entries(patterns).find(([, pattern]) => pattern.test(text))?.[0];
}
