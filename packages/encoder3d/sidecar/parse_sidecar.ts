import { closest } from "fastest-levenshtein";
import type { z } from "zod";
import { sidecarSchema } from "./_schema.ts";
import type { Sidecar } from "./sidecar.ts";

/**
 * Reads a sidecar: one of {@linkcode makeSidecar}, or nnssl's `adaptation_plan.json`, which lacks `med3d`.
 *
 * @param json Text of the file, or what `JSON.parse` made of it.
 * @returns The same, checked.
 * @throws SyntaxError when the text is no JSON.
 * @throws RangeError when a key is unknown, naming the nearest known one, a key is missing or a value does not suit it.
 */
export function parseSidecar(json: unknown): Sidecar {
  const value = typeof json === "string" ? parseJson(json) : json;
  const schema = sidecarSchema();
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data as Sidecar;
  throw new RangeError(describe(parsed.error.issues[0]!, { schema, value }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read a sidecar: it is no JSON: got ${
        JSON.stringify(text.slice(0, 40))
      }, expected an object. Name the sidecar, not the weights.`,
      { cause: error },
    );
  }
}

function describe(issue: z.core.$ZodIssue, { schema, value }: { schema: z.ZodType; value: unknown }): string {
  const place = issue.path.length > 0 ? issue.path.join(".") : "the sidecar";
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, issue.path);
    const [key] = issue.keys;
    const where = issue.path.length > 0 ? ` of ${place}` : "";
    return `Cannot read a sidecar: a key${where} is unknown: got "${key}", expected one of ${known.join(", ")}. ` +
      `Did you mean "${closest(key!, known)}"?`;
  }
  const got = valueAt(value, issue.path);
  if (issue.code === "invalid_value") {
    const known = issue.values.map(String);
    const nearest = typeof got === "string" ? ` Did you mean "${closest(got, known)}"?` : "";
    return `Cannot read a sidecar: ${place} is unknown: got ${show(got)}, expected one of ${
      known.join(", ")
    }.${nearest}`;
  }
  if (got === undefined) {
    return `Cannot read a sidecar: ${place} is missing: got nothing, expected a value. Take the file that the pretraining wrote.`;
  }
  return `Cannot read a sidecar: ${place} is wrong: got ${show(got)}, expected what fits (${issue.message}).`;
}

/** Keys of the object that stands at a path of the schema. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const step of path) {
    const { shape, valueType, element } = unwrapped(at);
    at = shape?.[step as string] ?? valueType ?? element;
  }
  return Object.keys(unwrapped(at).shape ?? {});
}

interface SchemaParts {
  readonly shape?: Record<string, unknown>;
  readonly valueType?: unknown;
  readonly element?: unknown;
}

/** Takes away `optional`, `nullable` and `default`; of a choice of objects it takes them together. */
function unwrapped(schema: unknown): SchemaParts {
  const { def } = schema as {
    def?: SchemaParts & { innerType?: unknown; options?: readonly { shape: Record<string, unknown> }[] };
  };
  if (!def) return {};
  if (def.innerType) return unwrapped(def.innerType);
  if (def.options) return { shape: Object.assign({}, ...def.options.map(({ shape }) => shape)) };
  return def;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const step of path) at = (at as Record<PropertyKey, unknown> | undefined)?.[step];
  return at;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
