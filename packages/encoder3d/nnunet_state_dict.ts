/**
 * Translates a state dict of nnU-Net's `PlainConvUNet` or `ResidualEncoderUNet` into the names used here: `encoder.*`, `decoder.*` and,
 * for the head at full resolution, `head.*`. What PyTorch lists twice (`*.all_modules.*`, the encoder again under `decoder.encoder.*`) and
 * the heads for deep supervision are left out.
 *
 * @param stored Entries by nnU-Net's name; a prefix `module.` or `_orig_mod.`, from parallel or compiled models, is dropped.
 * @returns A new map over the same entries, for `loadStateDict` of
 * `joinParameters({ encoder: encoder.parameters, decoder: decoder.parameters, head: head.parameters })`.
 */
export function fromNnUNetStateDict<T>(stored: ReadonlyMap<string, T>): Map<string, T> {
  const named = new Map(
    [...stored].map(([name, entry]) => [name.replace(/^(module\.|_orig_mod\.)+/, ""), entry] as const),
  );
  const lastHead = Math.max(-1, ...[...named.keys()].map((name) => Number(SEGMENTATION_HEAD.exec(name)?.[1] ?? -1)));
  const translated = new Map<string, T>();
  for (const [name, entry] of named) {
    if (/(^|\.)all_modules\.|^decoder\.encoder\./.test(name)) continue;
    const head = SEGMENTATION_HEAD.exec(name);
    if (!head) translated.set(name, entry);
    else if (Number(head[1]) === lastHead) translated.set(`head.${head[2]}`, entry);
  }
  return translated;
}

/**
 * Translates names used here into a state dict that nnU-Net's networks load: with the duplicates that PyTorch expects, and `head.*` as the
 * segmentation head at full resolution. The heads for deep supervision do not exist here: load with `strict=False`, as nnU-Net does for
 * pretrained weights.
 *
 * @param state Entries by the names of `joinParameters({ encoder, decoder, head })`; parts may be absent.
 * @returns A new map over the same entries.
 */
export function toNnUNetStateDict<T>(state: ReadonlyMap<string, T>): Map<string, T> {
  const stages = [...state.keys()].map((name) => Number(/^decoder\.stages\.(\d+)\./.exec(name)?.[1] ?? -1));
  const lastHead = Math.max(0, ...stages);
  const translated = new Map<string, T>();
  for (const [ours, entry] of state) {
    const name = ours.replace(/^head\./, `decoder.seg_layers.${lastHead}.`);
    // Within a block PyTorch lists conv and norm once by name and once by position.
    const byPosition = name.replace(
      /\.(conv|norm)\.(weight|bias)$/,
      (_, layer: string, kind: string) => `.all_modules.${layer === "conv" ? 0 : 1}.${kind}`,
    );
    for (const key of new Set([name, byPosition])) {
      translated.set(key, entry);
      if (key.startsWith("encoder.") && stages.some((stage) => stage >= 0)) translated.set(`decoder.${key}`, entry);
    }
  }
  return translated;
}

const SEGMENTATION_HEAD = /^decoder\.seg_layers\.(\d+)\.(weight|bias)$/;
