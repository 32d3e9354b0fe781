import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonicalJson } from "@med3d/volume";
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
  /** Seed of pretraining and fine-tuning. */
  readonly seed: number;
  /** The pretraining that it starts from; nothing from scratch. */
  readonly pretraining?: Cell;
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
  const cells: ComparedCell[] = [];
  for (const seed of protocol.seeds) {
    for (const labels of protocol.labels) {
      for (const arm of Object.keys(protocol.arms)) cells.push(comparedCell(protocol, { arm, labels, seed }, places));
    }
  }
  return cells;
}

function comparedCell(
  protocol: Protocol,
  { arm, labels, seed }: Pick<ComparedCell, "arm" | "labels" | "seed">,
  { out, data }: ProtocolPlaces,
): ComparedCell {
  const { pretraining, finetuning } = protocol.arms[arm]!;
  const shared = { data: protocol.data, seed };
  const from = pretraining &&
    placed("pretrain", `${arm}-seed${seed}`, { ...protocol.pretraining, ...pretraining, ...shared });
  const settings = { ...protocol.finetuning, ...finetuning, ...shared, labels, weights: from ? from.name : "none" };
  const tuned = placed("finetune", `${arm}-labels${labels}-seed${seed}`, settings);
  const cellOf = ({ program, name, settings }: Placed, changes: object): Cell => {
    const folder = join(out, program, name);
    return { program, folder, configuration: { ...settings, data, ...changes }, resultFile: join(folder, RESULT_FILE) };
  };
  const start = from && cellOf(from, {});
  return {
    ...cellOf(tuned, start ? { weights: start.folder } : {}),
    arm,
    labels,
    seed,
    ...(start && { pretraining: start }),
  };
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
