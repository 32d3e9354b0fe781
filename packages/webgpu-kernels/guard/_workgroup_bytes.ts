const SCALAR_BYTES: Readonly<Record<string, number>> = { f32: 4, i32: 4, u32: 4, f16: 2 };

/**
 * Adds up the workgroup memory that WGSL code declares, in bytes. Exceeding the limit goes unnoticed by some drivers, so it is counted here.
 * Array sizes may be literals or constants that are literals; a declaration of another form counts as 0, the driver is then the only check.
 */
export function workgroupBytes(code: string): number {
  const constants = new Map<string, number>();
  for (const [, name, value] of code.matchAll(/\bconst\s+(\w+)\s*(?::\s*\w+\s*)?=\s*(\d+)[iu]?\s*;/g)) {
    constants.set(name!, Number(value));
  }
  let total = 0;
  for (const [, type] of code.matchAll(/\bvar\s*<\s*workgroup\s*>\s*\w+\s*:\s*([^;]+);/g)) {
    total += typeBytes(type!.replaceAll(/\s/g, ""), constants);
  }
  return total;
}

function typeBytes(type: string, constants: ReadonlyMap<string, number>): number {
  const array = /^array<(.+),(\w+)>$/.exec(type);
  if (array) {
    const [, element, count] = array;
    const length = constants.get(count!) ?? Number.parseInt(count!);
    return Number.isNaN(length) ? 0 : length * typeBytes(element!, constants);
  }
  const vector = /^vec([234])<(\w+)>$/.exec(type);
  if (vector) return (vector[1] === "2" ? 2 : 4) * (SCALAR_BYTES[vector[2]!] ?? 0); // three take the room of four
  const atomic = /^atomic<(\w+)>$/.exec(type);
  return SCALAR_BYTES[atomic ? atomic[1]! : type] ?? 0;
}
