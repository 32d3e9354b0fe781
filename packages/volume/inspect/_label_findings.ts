import type { Finding } from "../findings.ts";
import type { Volume } from "../volume.ts";
import { countLabels, type LabelCount } from "./_count_labels.ts";

/** Looks at a label map's values: codes `label-not-integer`, `empty-label`, `undeclared-label`, `negative-label`. */
export function checkLabels(
  volume: Volume,
  { path, declared }: { readonly path: string; readonly declared: ReadonlyMap<number, string> | undefined },
): { counts: readonly LabelCount[] | undefined; findings: Finding[] } {
  const counts = countLabels(volume.data);
  if (!counts) {
    return {
      counts,
      findings: [{
        severity: "error",
        code: "label-not-integer",
        path,
        message: `the label map holds ${
          volume.data.every((value) => Number.isInteger(value))
            ? "more than 1024 values"
            : "values that are no whole numbers"
        }`,
        fix: "Look if this is the image, a probability map, or a label map with a slope in its header.",
      }],
    };
  }
  const findings: Finding[] = [];
  const values = counts.map(({ value }) => value);
  if (!values.some((value) => value !== 0)) {
    const fix = "Leave it as it is if nothing is to be seen; else look for the right label map.";
    findings.push({ severity: "warning", code: "empty-label", path, message: "no voxel is labelled", fix });
  }
  const unknown = values.filter((value) => declared ? value !== 0 && !declared.has(value) : value < 0);
  if (unknown.length > 0) {
    findings.push({
      severity: "error",
      code: declared ? "undeclared-label" : "negative-label",
      path,
      message: declared
        ? `${listOf(unknown)} ${unknown.length === 1 ? "is" : "are"} not among the declared labels ${
          listOf([...declared.keys()])
        }`
        : `labels below 0: ${listOf(unknown)}`,
      fix: declared ? "Declare them in dataset.json, or correct the label map." : "Correct the label map.",
    });
  }
  return { counts, findings };
}

function listOf(values: readonly number[]): string {
  const shown = values.slice(0, 12).join(", ");
  return values.length > 12 ? `${shown}, … (${values.length} in all)` : shown;
}
