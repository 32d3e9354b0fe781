import type { IdentifyingFields } from "./identifying_fields.ts";

/** Counts fields by name. */
export class FieldTally {
  readonly #counts = new Map<string, number>();

  /** Counts fields of a name. */
  add(name: string, count = 1): void {
    if (count > 0) this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  /** What was counted. */
  result(
    format: IdentifyingFields["format"],
    burnedInAnnotation: IdentifyingFields["burnedInAnnotation"] = "unknown",
  ): IdentifyingFields {
    const count = [...this.#counts.values()].reduce((sum, value) => sum + value, 0);
    return { format, count, fields: Object.fromEntries(this.#counts), burnedInAnnotation };
  }
}
