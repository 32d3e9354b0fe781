import type { Encoder3D } from "@med3d/encoder3d";
import type { Module, Parameters } from "@med3d/nn";

/** A network whose first part is an encoder, its parameters named `encoder.*`. */
export interface NetworkWithEncoder extends Module {
  /** The encoder. */
  readonly encoder: Encoder3D;
}

/**
 * Groups an encoder's parameters by layer, from the input on: names that agree up to their first number are one layer (`stages.0.*`,
 * `blocks.3.*`), up to the first dot where there is no number; of MONAI's nested U-Nets, up to the number behind the innermost `submodule`.
 *
 * @returns Names as the encoder has them, layer by layer.
 */
export function layersOf(encoder: Encoder3D): string[][] {
  const layers = new Map<string, string[]>();
  for (const name of encoder.parameters.keys()) {
    const layer = name.match(/^.*submodule\.\d*|^\D*\d+|^[^.]*/)![0];
    const names = layers.get(layer);
    if (names) names.push(name);
    else layers.set(layer, [name]);
  }
  return [...layers.values()];
}

/**
 * Works out the learning rate of each parameter relative to the head's: decay^k, k layers of the encoder away from what follows it, whose own are 1
 * (layer-wise decay, Clark et al. 2020).
 *
 * @param network Its encoder counts by {@linkcode layersOf}.
 * @param decay In (0, 1]; 1 gives every parameter 1.
 * @returns A factor by parameter name.
 * @throws RangeError when the decay is out of range.
 */
export function layerwiseScales(network: NetworkWithEncoder, decay: number): Map<string, number> {
  if (!(decay > 0 && decay <= 1)) {
    throw new RangeError(
      `Cannot scale learning rates: the decay is out of range: got ${decay}, expected above 0, at most 1.`,
    );
  }
  const scales = new Map([...network.parameters.keys()].map((name) => [name, 1]));
  const layers = layersOf(network.encoder);
  layers.forEach((names, layer) => {
    for (const name of names) scales.set(`encoder.${name}`, decay ** (layers.length - layer));
  });
  return scales;
}

/** What is trained: everything, everything but the first layers of the encoder, but the encoder, or but the head. */
export type Freezing = "none" | "encoder" | "probe" | number;

/**
 * Chooses the parameters that are trained.
 *
 * @param network Whose.
 * @param freezing `"none"` trains all, a number leaves as many first layers of the encoder as they are ({@linkcode layersOf}), `"encoder"` all of
 * it, `"probe"` everything but the head (a linear probe).
 * @returns The trained parameters under the network's names, in its order.
 * @throws RangeError when the number is no count of layers, or nothing is left to train.
 */
export function trainedParameters(network: NetworkWithEncoder, freezing: Freezing): Parameters {
  const layers = layersOf(network.encoder);
  if (typeof freezing === "number" && !(Number.isInteger(freezing) && freezing >= 0 && freezing <= layers.length)) {
    throw new RangeError(
      `Cannot freeze layers: their number is out of range: got ${freezing}, expected an integer of 0…${layers.length}.`,
    );
  }
  const count = freezing === "none" ? 0 : typeof freezing === "number" ? freezing : layers.length;
  const frozen = new Set(layers.slice(0, count).flat().map((name) => `encoder.${name}`));
  const kept = [...network.parameters].filter(([name]) =>
    freezing === "probe" ? /^(head|attention|auxiliary_heads)\./.test(name) : !frozen.has(name)
  );
  if (kept.length > 0) return new Map(kept);
  throw new RangeError(`Cannot freeze layers: nothing is left to train: got "${freezing}". Freeze less.`);
}
