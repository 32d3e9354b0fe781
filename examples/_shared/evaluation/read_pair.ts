import { type Finding, readVolume, restoreGrid, type Volume } from "@med3d/volume";
import type { MatchedCase } from "./match_files.ts";

/** A case's label maps on one grid. */
export interface LabelPair {
  readonly reference: Volume;
  /** Nothing where it is missing or can't be used: a finding says so. */
  readonly prediction?: Volume;
}

/**
 * Reads a case. The prediction must have the reference's voxels in the world; only the order of axes may differ.
 *
 * @param report Takes what is wrong with the files.
 * @returns Nothing when the reference can't be read.
 */
export async function readPair(
  { id, reference, prediction }: MatchedCase,
  report: (finding: Finding) => void,
): Promise<LabelPair | undefined> {
  const refuse = (code: string, path: string, message: string, fix: string): void =>
    report({ severity: "error", code, path, message, fix });
  const read = async (path: string): Promise<Volume | undefined> => {
    try {
      return await readVolume(path, { onFinding: report });
    } catch (error) {
      const consequence = path === reference
        ? `${id} is not evaluated, as it has no reference`
        : `every structure of ${id} counts as missed`;
      refuse("unreadable", path, `${(error as Error).message}: ${consequence}`, "Write the file again.");
      return undefined;
    }
  };
  const referred = await read(reference);
  if (!referred) return undefined;
  const predicted = prediction === undefined ? undefined : await read(prediction);
  if (!predicted) return { reference: referred };
  try {
    return { reference: referred, prediction: restoreGrid(predicted, referred) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    refuse(
      "other-grid",
      prediction!,
      `its voxels are not those of ${reference}: ${predicted.shape.join("×")} voxels of ` +
        `${predicted.spacingMm.map((spacing) => spacing.toFixed(3)).join("×")} mm, expected ${
          referred.shape.join("×")
        } of ` +
        `${
          referred.spacingMm.map((spacing) => spacing.toFixed(3)).join("×")
        } mm at the same place: every structure of ${id} counts as missed`,
      "Bring the prediction onto the reference's grid where it is made; nothing is resampled here.",
    );
    return { reference: referred };
  }
}
