import type { StoredTensor, Triple } from "@med3d/nn";
import { relativePositions } from "../swin_unetr/relative_positions.ts";

/** Options of {@linkcode toMonaiStateDict}. */
export interface MonaiStateDictOptions {
  /** Cells of the windows, for networks with a Swin transformer. */
  readonly windowSize?: Triple;
}

/**
 * Leaves out of a state dict of MONAI's `ViT`, `UNETR` or `SwinUNETR` what is not trained: norms and layers for cross attention, which nothing
 * passes there, and the tables of relative positions. All other names are the same here.
 *
 * @param stored Entries by MONAI's name; a prefix `module.` or `_orig_mod.`, from parallel or compiled models, is dropped.
 * @returns A new map over the same entries, for `loadStateDict`.
 */
export function fromMonaiStateDict<T>(stored: ReadonlyMap<string, T>): Map<string, T> {
  const trained = new Map<string, T>();
  for (const [name, entry] of stored) {
    if (/\.(norm_cross_attn|cross_attn)\.|\.relative_position_index$/.test(name)) continue;
    trained.set(name.replace(/^(module\.|_orig_mod\.)+/, ""), entry);
  }
  return trained;
}

/**
 * Adds to a state dict what MONAI lists besides the trained parameters, so that its `ViT`, `UNETR` and `SwinUNETR` load it with `strict=True`:
 * the norms for cross attention, as they start, and the tables of relative positions.
 *
 * @param state Entries by the names used here, from `saveStateDict`.
 * @returns A new map over the same entries and the added ones.
 * @throws RangeError when there is window attention and no window size.
 */
export function toMonaiStateDict(
  state: ReadonlyMap<string, StoredTensor>,
  options: MonaiStateDictOptions = {},
): Map<string, StoredTensor> {
  const complete = new Map(state);
  for (const [name, entry] of state) {
    const norm = /^(.*blocks\.\d+\.)norm2\.(weight|bias)$/.exec(name);
    if (norm && state.has(`${norm[1]}attn.out_proj.weight`)) {
      const data = new Float32Array(entry.data.length).fill(norm[2] === "weight" ? 1 : 0);
      complete.set(`${norm[1]}norm_cross_attn.${norm[2]}`, { dtype: "F32", shape: entry.shape, data });
    }
    const table = /^(.*\.attn\.)relative_position_bias_table$/.exec(name);
    if (table) complete.set(`${table[1]}relative_position_index`, indexTable(options.windowSize));
  }
  return complete;
}

function indexTable(windowSize: Triple | undefined): StoredTensor {
  if (!windowSize) {
    throw new RangeError(
      `Cannot make a state dict for MONAI: there is window attention and no window size: got undefined, expected three numbers. ` +
        `Pass { windowSize: encoder.windowSize }.`,
    );
  }
  const tokens = windowSize.reduce((product, n) => product * n, 1);
  const data = BigInt64Array.from(relativePositions(windowSize, tokens), BigInt);
  return { dtype: "I64", shape: [tokens, tokens], data };
}
