import type { StoredTensor } from "@med3d/nn";
import { product } from "../_cost.ts";
import { volumePositions } from "./_volume_windows.ts";
import { fromMonaiStateDict } from "../vit/monai_state_dict.ts";
import type { NnFormerEncoder } from "./nnformer_encoder.ts";

/**
 * Leaves the tables of offsets, which are not trained, out of a state dict of the published nnFormer. All other names are the same here.
 *
 * @param stored Entries by the published name; a prefix `module.` or `_orig_mod.`, from parallel or compiled models, is dropped. Encoder, decoder
 * and output layers stand in one file: load them into the joined parameters, or the encoder alone with `strict: false`.
 * @returns A new map over the same entries, for `loadStateDict`.
 */
export function fromNnFormerStateDict<T>(stored: ReadonlyMap<string, T>): Map<string, T> {
  return fromMonaiStateDict(stored);
}

/**
 * Adds the tables of offsets to a state dict, so that the published nnFormer loads it with `strict=True`.
 *
 * @param state Entries by the names used here, from `saveStateDict`, of the encoder, the decoder or both.
 * @param encoder Only its settings are read, for the windows.
 * @returns A new map over the same entries and the added ones.
 */
export function toNnFormerStateDict(
  state: ReadonlyMap<string, StoredTensor>,
  encoder: Pick<NnFormerEncoder, "settings">,
): Map<string, StoredTensor> {
  const complete = new Map(state);
  for (const name of state.keys()) {
    const table = /^(.*(?:model_down|decoder)\.layers\.(\d+)\.blocks\.\d+\.attn\.)relative_position_bias_table$/.exec(
      name,
    );
    const stage = table && encoder.settings.stages[Number(table[2])];
    if (!table || !stage) continue;
    const { cells } = stage.window;
    const data = BigInt64Array.from(volumePositions(cells, cells), BigInt);
    const tokens = product(cells);
    complete.set(`${table[1]}relative_position_index`, { dtype: "I64", shape: [tokens, tokens], data });
  }
  return complete;
}
