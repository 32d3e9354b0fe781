import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonicalJson } from "@med3d/volume";
import { parseConfiguration } from "../pretraining/configuration.ts";
import type { Protocol } from "./protocol.ts";

/** One run of a comparison: a program, its settings and the folder that its result is found in. */
export interface Cell {
  /** The program of `examples/`. */
  readonly program: "pretrain" | "finetune";
  /** Where it works; the name holds a hash of all settings, so that a changed protocol runs anew what it changes. */
  readonly folder: string;
  /** Its configuration, but for the folder. */
  readonly configuration: Readonly<Record<string, unknown>>;
  /** The file that is there once it is done. */
  readonly resultFile: string;
}

/** One fine-tuning of a comparison and what it starts from. */
export interface ComparedCell extends Cell {
  /** Name of the arm. */
  readonly arm: string;
  /** Share of the training labels. */
  readonly labels: number;
  /** Seed of fine-tuning. */
  readonly seed: number;
  /** The pretraining that it starts from; nothing from scratch. */
  readonly pretraining?: Cell;
}

/** One pretraining of a comparison. */
export interface PretrainedCell extends Cell {
  /** Name of the arm. */
  readonly arm: string;
  /** Seed of pretraining. */
  readonly seed: number;
  /** Seeds of the fine-tunings that start from it, or would. */
  readonly forSeeds: readonly number[];
  /** Whether its arm is not fine-tuned. */
  readonly alone: boolean;
}

const RESULT_FILE = "evaluation.json";

/** Where a protocol's paths lead. */
export interface ProtocolPlaces {
  /** The comparison's folder. */
  readonly out: string;
  /** The data; null: phantoms. */
  readonly data: string | null;
}

/**
 * Lists the fine-tunings of a protocol: seed by seed and share by share, so that what a stopped comparison has finished can be compared.
 *
 * @param protocol What is compared.
 * @param places Its paths, resolved. Names of folders follow from the protocol as it is written, so that a comparison can be moved.
 */
export function listCells(protocol: Protocol, places: ProtocolPlaces): ComparedCell[] {
  const arms = Object.entries(protocol.arms).flatMap(([arm, { finetuning }]) => finetuning ? [arm] : []);
  return protocol.seeds.flatMap((seed) =>
    protocol.labels.flatMap((labels) => arms.map((arm) => comparedCell(protocol, { arm, labels, seed }, places)))
  );
}

/** Lists the pretrainings of a protocol, arm by arm; arms with the same settings have the same one, in one folder. */
export function listPretrainings(protocol: Protocol, places: ProtocolPlaces): PretrainedCell[] {
  return Object.entries(protocol.arms).flatMap(([arm, { finetuning }]) => {
    const bySeed = Map.groupBy(protocol.seeds, (seed) => pretrainingSeed(protocol, seed));
    return [...bySeed].flatMap(([seed, forSeeds]): PretrainedCell[] => {
      const from = placedPretraining(protocol, { arm, seed });
      return from ? [{ ...cellOf(from, places, {}), arm, seed, forSeeds, alone: finetuning === null }] : [];
    });
  });
}

function comparedCell(
  protocol: Protocol,
  { arm, labels, seed }: Pick<ComparedCell, "arm" | "labels" | "seed">,
  places: ProtocolPlaces,
): ComparedCell {
  const from = placedPretraining(protocol, { arm, seed: pretrainingSeed(protocol, seed) });
  const shared = { data: protocol.data, seed };
  const own = { ...protocol.finetuning, ...protocol.arms[arm]!.finetuning };
  const settings = { ...own, ...shared, labels, weights: from ? from.name : "none" };
  const tuned = placed("finetune", `${arm}-labels${labels}-seed${seed}`, settings);
  const start = from && cellOf(from, places, {});
  return {
    ...cellOf(tuned, places, start ? { weights: start.folder } : {}),
    arm,
    labels,
    seed,
    ...(start && { pretraining: start }),
  };
}

/** The seed of the pretraining that a fine-tuning's seed goes with. */
function pretrainingSeed({ seeds, pretrainingSeeds }: Protocol, seed: number): number {
  return seeds[seeds.indexOf(seed) % (pretrainingSeeds ?? seeds.length)]!;
}

/** An arm's pretraining, named after the first arm with the same settings, however they are spelled. */
function placedPretraining(
  { data, arms, pretraining }: Protocol,
  { arm, seed }: { arm: string; seed: number },
): Placed | undefined {
  const own = arms[arm]!.pretraining;
  if (!own) return undefined;
  const meant = (settings: object): string =>
    canonicalJson(parseConfiguration({ ...pretraining, ...settings }, "a protocol"));
  const first = Object.entries(arms).find(([, other]) => other.pretraining && meant(other.pretraining) === meant(own))!;
  return placed("pretrain", `${first[0]}-seed${seed}`, { ...pretraining, ...first[1].pretraining, data, seed });
}

function cellOf({ program, name, settings }: Placed, { out, data }: ProtocolPlaces, changes: object): Cell {
  const folder = join(out, program, name);
  return { program, folder, configuration: { ...settings, data, ...changes }, resultFile: join(folder, RESULT_FILE) };
}

/** A run and the name of its folder. */
interface Placed extends Pick<Cell, "program"> {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

function placed(program: Cell["program"], name: string, settings: Placed["settings"]): Placed {
  const hash = createHash("sha256").update(canonicalJson(settings)).digest("hex").slice(0, 8);
  return { program, name: `${name}-${hash}`, settings };
}
