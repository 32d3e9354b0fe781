/** Prefix of a level's part in MONAI's nesting: every level but the deepest is a sequence of `0` (down), `1.submodule` (below) and `2` (up). */
export function levelPrefix(level: number): string {
  return `model.${"1.submodule.".repeat(level)}`;
}
