/** Encodings of single-byte and whole repertoires, by the number of their ISO registration (PS3.3, C.12.1.1.2). */
const ENCODINGS: Readonly<Record<string, string>> = {
  "": "latin1",
  "6": "latin1",
  "13": "shift_jis",
  "100": "latin1",
  "101": "iso-8859-2",
  "109": "iso-8859-3",
  "110": "iso-8859-4",
  "126": "iso-8859-7",
  "127": "iso-8859-6",
  "138": "iso-8859-8",
  "144": "iso-8859-5",
  "148": "windows-1254",
  "166": "windows-874",
  "192": "utf-8",
  "203": "iso-8859-15",
  "GB18030": "gb18030",
  "GBK": "gbk",
};
/** Encodings that texts switch to by escape sequences. */
const SWITCHED: Readonly<Record<string, string>> = { "58": "gbk", "87": "iso-2022-jp", "149": "euc-kr" };

/** Decodes a text by the values of SpecificCharacterSet; what no encoding here knows is taken as Latin 1. */
export function decodeText(bytes: Uint8Array, characterSets: readonly string[]): string {
  const numbers = characterSets.map((name) => name.replace(/^ISO[_ ](IR|2022 IR) ?/, ""));
  const switched = bytes.includes(0x1b) ? numbers.map((number) => SWITCHED[number]).find(Boolean) : undefined;
  if (switched === undefined) return new TextDecoder(ENCODINGS[numbers[0] ?? ""] ?? "latin1").decode(bytes);
  if (switched === "iso-2022-jp") return new TextDecoder(switched).decode(bytes);
  return new TextDecoder(switched).decode(withoutEscapes(bytes));
}

/** Drops `ESC $ ) A` and its like, after which the upper half of the bytes has the switched repertoire. */
function withoutEscapes(bytes: Uint8Array): Uint8Array {
  const kept: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0x1b) at += bytes[at + 1] === 0x24 ? 3 : 2;
    else kept.push(bytes[at]!);
  }
  return Uint8Array.from(kept);
}
