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

/**
 * Lists the fine-tunings of a protocol: seed by seed and share by share, so that what a stopped comparison has finished can be compared.
 *
 * @param protocol What is compared.
 * @param out The comparison's folder.
 */
export function listCells(protocol: Protocol, out: string): ComparedCell[] {
  const cells: ComparedCell[] = [];
  for (const seed of protocol.seeds) {
    for (const labels of protocol.labels) {
      for (const arm of Object.keys(protocol.arms)) cells.push(comparedCell(protocol, { arm, labels, seed, out }));
    }
  }
  return cells;
}

function comparedCell(
  protocol: Protocol,
  { arm, labels, seed, out }: { arm: string; labels: number; seed: number; out: string },
): ComparedCell {
  const { data } = protocol;
  const { pretraining, finetuning } = protocol.arms[arm]!;
  const from = pretraining &&
    cell("pretrain", `${out}/pretrain/${arm}-seed${seed}`, { ...protocol.pretraining, ...pretraining, data, seed });
  const configuration = {
    ...protocol.finetuning,
    ...finetuning,
    data,
    seed,
    labels,
    weights: from ? from.folder : "none",
  };
  return {
    ...cell("finetune", `${out}/finetune/${arm}-labels${labels}-seed${seed}`, configuration),
    arm,
    labels,
    seed,
    ...(from && { pretraining: from }),
  };
}

function cell(program: Cell["program"], name: string, configuration: Cell["configuration"]): Cell {
  const hash = createHash("sha256").update(canonicalJson(configuration)).digest("hex").slice(0, 8);
  const folder = join(`${name}-${hash}`);
  return { program, folder, configuration, resultFile: join(folder, RESULT_FILE) };
}
