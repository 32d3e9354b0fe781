import { diskLayoutOf, type Parameters } from "@med3d/nn";
import type { JsonValue } from "./json.ts";

/** Computes the SHA-256 of bytes or of a text in UTF-8, as 64 hexadecimal digits. */
export async function sha256(data: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Writes JSON with the keys of every object sorted, so that equal values give equal texts. */
export function canonicalJson(value: JsonValue): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** A value that two JSON documents do not share. */
export interface Difference {
  /** Where it stands, e.g. `encoder.channels[1]`. */
  readonly path: string;
  /** The first document's value as JSON, or "nothing". */
  readonly first: string;
  /** The second document's value as JSON, or "nothing". */
  readonly second: string;
}

/** Finds the first value in which two JSON documents differ, in the first one's order; undefined when they are equal. */
export function firstDifference(
  first: JsonValue | undefined,
  second: JsonValue | undefined,
  path = "",
): Difference | undefined {
  if (isContainer(first) && isContainer(second) && Array.isArray(first) === Array.isArray(second)) {
    const [a, b] = [first, second] as Record<string, JsonValue | undefined>[];
    for (const key of new Set([...Object.keys(a!), ...Object.keys(b!)])) {
      const inner = Array.isArray(first) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
      const difference = firstDifference(a![key], b![key], inner);
      if (difference) return difference;
    }
    return undefined;
  }
  const [a, b] = [JSON.stringify(first) ?? "nothing", JSON.stringify(second) ?? "nothing"];
  return a === b ? undefined : { path, first: a, second: b };
}

/** Describes an architecture: the shape of every parameter as it is laid out on disk, by name. */
export function architectureOf(parameters: Parameters): Record<string, readonly number[]> {
  return Object.fromEntries([...parameters].map(([name, parameter]) => {
    const layout = diskLayoutOf(parameter);
    return [name, layout ? layout.permutation.map((axis) => parameter.shape[axis]!) : parameter.shape];
  }));
}

function isContainer(value: JsonValue | undefined): value is Exclude<JsonValue, null | boolean | number | string> {
  return typeof value === "object" && value !== null;
}
