import type { ModelDescription } from "../inference/model_description.ts";
import { UsageError } from "../pretraining/configuration.ts";
import type { CaseList, LabelledCase } from "./cases.ts";
import type { FinetuningConfiguration } from "./configuration.ts";
import type { DataSurvey } from "./plan.ts";

/** What a network has to say. */
export interface Outputs {
  /** Number of its output channels. */
  readonly outChannels: number;
  /** Classes with their label values; of a segmentation background first. */
  readonly classes: ModelDescription["classes"];
  /** Regions, where they are learned. */
  readonly regions: ModelDescription["regions"];
  /** Mean and deviation of each value over the training scans, where values are learned. */
  readonly valueScales: ModelDescription["valueScales"];
}

type Choice = Pick<FinetuningConfiguration, "task" | "regions" | "ignoreLabel" | "target" | "classWeights">;

/** Decides the outputs by the configuration, the data set's own names and the labels that occur. */
export function planOutputs(
  choice: Choice,
  found: Pick<CaseList, "labelNames"> & { readonly training: readonly LabelledCase[]; readonly survey: DataSurvey },
): Outputs {
  return choice.task === "segment" ? segmentationOutputs(choice, found) : classificationOutputs(choice, found);
}

function segmentationOutputs(
  { regions, ignoreLabel, classWeights }: Choice,
  { labelNames, survey }: Pick<CaseList, "labelNames"> & { readonly survey: DataSurvey },
): Outputs {
  const values = [...new Set([0, ...labelNames.keys(), ...survey.labelValues])]
    .filter((value) => value !== ignoreLabel)
    .sort((a, b) => a - b);
  const classes = values.map((value) => ({
    value,
    name: labelNames.get(value) ?? (value === 0 ? "background" : `label ${value}`),
  }));
  if (classes.length < 2) {
    throw new UsageError("Cannot fine-tune: no label but 0 occurs in the training scans. Check the label maps.");
  }
  if (!regions) {
    if (classWeights && classWeights.length !== classes.length) {
      throw new UsageError(
        `Cannot fine-tune: classWeights has ${classWeights.length} entries, expected ${classes.length}, one per class.`,
      );
    }
    return { outChannels: classes.length, classes, regions: null, valueScales: null };
  }
  const entries = Object.entries(regions);
  const unknown = entries.flatMap(([, members]) => members).find((value) => !values.includes(value));
  if (unknown !== undefined) {
    throw new UsageError(
      `Cannot fine-tune: a region has a label that does not occur: got ${unknown}, expected some of ${
        values.join(", ")
      }.`,
    );
  }
  // A region is painted with the first of its labels that later regions leave to it.
  const painted = entries.map(([name, members], place) => {
    const later = new Set(entries.slice(place + 1).flatMap(([, others]) => others));
    return { name, values: members, label: members.find((value) => !later.has(value)) ?? members[0]! };
  });
  return { outChannels: painted.length, classes, regions: painted, valueScales: null };
}

function classificationOutputs(
  { target }: Choice,
  { labelNames, training }: Pick<CaseList, "labelNames"> & { readonly training: readonly LabelledCase[] },
): Outputs {
  const given = training.map(({ classLabels }) => classLabels ?? []);
  const width = given[0]?.length ?? 0;
  if (width === 0 || given.some((values) => values.length !== width)) {
    throw new UsageError(
      "Cannot fine-tune: scans have no classes, or not all the same number. Use a MedMNIST archive, or name a table with --csv.",
    );
  }
  if (target === "values" || target === "labels") {
    const classes = Array.from(
      { length: width },
      (_, value) => ({ value, name: labelNames.get(value) ?? `${target} ${value}` }),
    );
    return { outChannels: width, classes, regions: null, valueScales: target === "values" ? scalesOf(given) : null };
  }
  if (given.some(([value]) => !(Number.isInteger(value) && value! >= 0 && value! < 1000))) {
    throw new UsageError("Cannot fine-tune: classes must be integers from 0. Pass --target values for numbers.");
  }
  const highest = given.reduce((most, [value]) => Math.max(most, value!), 1);
  const classes = Array.from(
    { length: highest + 1 },
    (_, value) => ({ value, name: labelNames.get(value) ?? `class ${value}` }),
  );
  return { outChannels: target === "ordinal" ? highest : highest + 1, classes, regions: null, valueScales: null };
}

function scalesOf(rows: readonly (readonly number[])[]): NonNullable<Outputs["valueScales"]> {
  return rows[0]!.map((_, column) => {
    const values = rows.map((row) => row[column]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return { mean, deviation: Math.sqrt(variance) || 1 };
  });
}
