import type { ScanFeatures } from "@med3d/downstream";
import { type StoredTensor, writeSafetensors } from "@med3d/nn";
import { join } from "node:path";
import { safeName } from "../_shared/inference/write_prediction.ts";
import { writeWhole } from "../_shared/pretraining/run_folder.ts";
import { writeNpy } from "./npy.ts";

/** How and where features are written. */
export interface WriteFeaturesOptions {
  /** Folder, there already. */
  readonly out: string;
  /** Kind of files. */
  readonly format: "npy" | "safetensors";
  /** Whether each cell's features are written too. */
  readonly dense: boolean;
}

/**
 * Writes a scan's features: `ID_pooled.npy` and `ID_dense.npy`, or `ID.safetensors` with `pooled`, `dense` and the 4×4 `affine`.
 *
 * @returns Names of the files in the folder.
 */
export async function writeFeatures(
  id: string,
  { pooled, dense, shape, affine, history }: ScanFeatures,
  { out, format, dense: wantsDense }: WriteFeaturesOptions,
): Promise<string[]> {
  const arrays = new Map<string, { data: Float32Array; shape: readonly number[] }>([
    ["pooled", { data: pooled, shape: [pooled.length] }],
    ...wantsDense ? [["dense", { data: dense, shape }] as const] : [],
  ]);
  const files = new Map<string, Uint8Array>();
  if (format === "npy") {
    for (const [name, { data, shape }] of arrays) files.set(`${safeName(id)}_${name}.npy`, writeNpy(data, shape));
  } else {
    const tensors = [...arrays].map(([name, { data, shape }]) => [name, { dtype: "F32", shape, data }] as const);
    const metadata = { axes: "depth, height, width, channels", history: JSON.stringify(history) };
    const bytes = writeSafetensors(
      new Map<string, StoredTensor>([...tensors, ["affine", { dtype: "F64", shape: [4, 4], data: affine }]]),
      metadata,
    );
    files.set(`${safeName(id)}.safetensors`, bytes);
  }
  for (const [name, bytes] of files) await writeWhole(join(out, name), bytes);
  return [...files.keys()];
}
