import { type Finding, splitBySubject } from "@med3d/volume";
import { createHash } from "node:crypto";
import { UsageError } from "../pretraining/configuration.ts";
import type { LabelledCase } from "./cases.ts";
import type { FinetuningConfiguration } from "./configuration.ts";

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

/**
 * Splits cases by subject: the data set's own held-out side, or a seeded share, is for the end alone; of the rest a seeded share validates; of
 * what then remains the share of `labels` is trained on, whose subjects for one seed are among those of any larger share.
 *
 * @throws UsageError when nothing is left to train on.
 */
export function splitCases(
  cases: readonly LabelledCase[],
  { heldOutFraction, validationFraction, labels, seed }: Pick<
    FinetuningConfiguration,
    "heldOutFraction" | "validationFraction" | "labels" | "seed"
  >,
): CaseSplit {
  const outer = splitBySubject(cases, { heldOutFraction, seed: `${seed}` });
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

/** The first subjects in a line that the seed fixes, at least one: a smaller share is part of a larger one. */
export function nestedSubset<Case extends { readonly subject: string }>(
  cases: readonly Case[],
  share: number,
  seed: string,
): Case[] {
  const placeOf = (subject: string): string =>
    createHash("sha256").update(JSON.stringify([seed, subject])).digest("hex");
  const line = [...new Set(cases.map(({ subject }) => subject))]
    .map((subject) => ({ subject, place: placeOf(subject) }))
    .sort((a, b) => a.place < b.place ? -1 : 1);
  const kept = new Set(line.slice(0, Math.max(1, Math.round(share * line.length))).map(({ subject }) => subject));
  return cases.filter(({ subject }) => kept.has(subject));
}
