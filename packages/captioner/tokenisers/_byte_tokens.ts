/**
 * Makes the function that spells a piece in tokens of its UTF-8 bytes, `<0x00>` to `<0xFF>`, or gives nothing where one of them is missing.
 *
 * @param idOf Number of a token.
 */
export function byteTokens(idOf: (token: string) => number | undefined): (piece: string) => number[] | undefined {
  const ids = Array.from(
    { length: 256 },
    (_, byte) => idOf(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
  return (piece) => {
    const found = Array.from(new TextEncoder().encode(piece), (byte) => ids[byte]);
    return found.includes(undefined) ? undefined : found as number[];
  };
}
