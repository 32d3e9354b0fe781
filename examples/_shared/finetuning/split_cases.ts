import { type Finding, splitBySubject, type SubjectSplit } from "@med3d/volume";
import { UsageError } from "../pretraining/configuration.ts";
import type { LabelledCase } from "./cases.ts";
import type { FinetuningConfiguration } from "./configuration.ts";
import { foldSubjects, lineUp } from "./fold_subjects.ts";

/** The cases of a run, by what they are for. */
export interface CaseSplit {
  /** Trained on. */
  readonly training: readonly LabelledCase[];
  /** Weights are chosen by; part of the data set's training side. */
  readonly validation: readonly LabelledCase[];
  /** Evaluated on at the end, and nothing else. */
  readonly test: readonly LabelledCase[];
  /** What had to be moved. */
  readonly findings: readonly Finding[];
}

/** What of a configuration decides a split. */
export type SplitChoice =
  & Pick<FinetuningConfiguration, "heldOutFraction" | "validationFraction" | "labels" | "seed">
  & Partial<Pick<FinetuningConfiguration, "folds" | "fold" | "target">>;

/**
 * Splits cases by subject: the data set's own held-out side, a fold of a cross-validation or a seeded share is for the end alone; of the rest a
 * seeded share validates; of what then remains the share of `labels` is trained on, whose subjects for one seed are among those of any larger
 * share. A cross-validation is over the data set's training side; its own held-out side takes no part, which is a finding.
 *
 * @throws UsageError when nothing is left to train on, or there is no such fold.
 */
export function splitCases(cases: readonly LabelledCase[], choice: SplitChoice): CaseSplit {
  const { validationFraction, labels, seed } = choice;
  const outer = splitOuter(cases, choice);
  const undecided = outer.training.map(({ split: _, ...rest }): LabelledCase => rest);
  const inner = validationFraction === 0
    ? { training: undecided, heldOut: [] }
    : splitBySubject(undecided, { heldOutFraction: validationFraction, seed: `${seed}/validation` });
  const training = nestedSubset(inner.training, labels, `${seed}/labels`);
  if (training.length === 0) {
    throw new UsageError(`Cannot fine-tune: no labelled scan is left to train on, of ${cases.length}. Add scans.`);
  }
  return { training, validation: inner.heldOut, test: outer.heldOut, findings: outer.findings };
}

/** Who is for the end alone. */
function splitOuter(
  cases: readonly LabelledCase[],
  { heldOutFraction, seed, folds = null, fold = null, target }: SplitChoice,
): SubjectSplit<LabelledCase> {
  if (folds === null && fold === null) return splitBySubject(cases, { heldOutFraction, seed: `${seed}` });
  if (folds === null || fold === null || fold >= folds) {
    throw new UsageError(
      `Cannot fine-tune on a fold: got --folds ${folds ?? "(none)"} and --fold ${
        fold ?? "(none)"
      }, expected both, and a fold from 0 to below ` +
        `their number.`,
    );
  }
  const ownSide = cases.some(({ split }) => split === "validation");
  const { training, heldOut, findings } = ownSide
    ? splitBySubject(cases)
    : { training: cases, heldOut: [], findings: [] };
  const isStratified = target !== "values";
  const foldOf = dealFolds(
    training.map(({ subject, classLabels }) => ({
      subject,
      ...(isStratified && classLabels && { stratum: classLabels.join() }),
    })),
    { folds, seed: `${seed}/folds` },
  );
  return {
    training: training.filter(({ subject }) => foldOf.get(subject) !== fold),
    heldOut: training.filter(({ subject }) => foldOf.get(subject) === fold),
    findings: heldOut.length === 0 ? findings : [...findings, {
      severity: "info",
      code: "held-out-side-left-out",
      path: heldOut[0]!.path,
      message: `the ${heldOut.length} scans that the data set itself holds out take no part in the cross-validation`,
      fix: "Evaluate on them once, without --folds.",
    }],
  };
}

function dealFolds(...[cases, options]: Parameters<typeof foldSubjects>): ReturnType<typeof foldSubjects> {
  try {
    return foldSubjects(cases, options);
  } catch (error) {
    throw new UsageError(`Cannot fine-tune: ${(error as Error).message}`, { cause: error });
  }
}

/** The first subjects in a line that the seed fixes, at least one: a smaller share is part of a larger one. */
export function nestedSubset<Case extends { readonly subject: string }>(
  cases: readonly Case[],
  share: number,
  seed: string,
): Case[] {
  const line = lineUp([...new Set(cases.map(({ subject }) => subject))], seed);
  const kept = new Set(line.slice(0, Math.max(1, Math.round(share * line.length))));
  return cases.filter(({ subject }) => kept.has(subject));
}
