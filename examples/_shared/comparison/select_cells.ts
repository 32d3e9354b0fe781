import { nearestName, UsageError } from "../pretraining/configuration.ts";
import type { ComparedCell, PretrainedCell } from "./cells.ts";
import type { Protocol } from "./protocol.ts";

/** A part of a protocol; what is not named is taken whole. */
export interface Selection {
  /** Names of arms. */
  readonly only?: readonly string[];
  /** Shares of the labels. */
  readonly labels?: readonly number[];
  /** Seeds of fine-tuning. */
  readonly seeds?: readonly number[];
}

/** The runs of a protocol. */
export interface ProtocolCells {
  /** Its fine-tunings. */
  readonly cells: readonly ComparedCell[];
  /** Its pretrainings. */
  readonly pretrainings: readonly PretrainedCell[];
}

/**
 * Chooses the runs of a part: seed by seed, first the pretrainings of arms that are not fine-tuned, which no share of labels leaves out.
 *
 * @throws UsageError when an arm, share or seed is none of the protocol's.
 */
export function selectCells(
  { cells, pretrainings }: ProtocolCells,
  protocol: Protocol,
  { only, labels, seeds }: Selection,
): (ComparedCell | PretrainedCell)[] {
  const arms = Object.keys(protocol.arms);
  const unknown = only?.find((name) => !arms.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(
      `Cannot run a part: --only names "${unknown}", which is no arm.${nearestName(unknown, arms)} Arms: ${
        arms.join(", ")
      }.`,
    );
  }
  for (
    const [flag, wanted, known] of [["labels", labels, protocol.labels], ["seeds", seeds, protocol.seeds]] as const
  ) {
    const other = wanted?.find((value) => !known.includes(value));
    if (other !== undefined) {
      throw new UsageError(
        `Cannot run a part: --${flag} names ${other}, expected some of the protocol's: ${known.join(", ")}.`,
      );
    }
  }
  const isWanted = (arm: string): boolean => only?.includes(arm) ?? true;
  return protocol.seeds.filter((seed) => seeds?.includes(seed) ?? true).flatMap((seed) => [
    ...pretrainings.filter((cell) => cell.alone && isWanted(cell.arm) && cell.forSeeds.includes(seed)),
    ...cells.filter((cell) => cell.seed === seed && isWanted(cell.arm) && (labels?.includes(cell.labels) ?? true)),
  ]);
}
