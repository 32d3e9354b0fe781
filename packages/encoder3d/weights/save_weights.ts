import {
  joinParameters,
  type Module,
  type Parameters,
  saveStateDict,
  type StoredTensor,
  type Triple,
  writeSafetensors,
} from "@med3d/nn";
import type { Decoder3D, Encoder3D } from "../contract.ts";
import { toNnFormerStateDict } from "../nnformer/nnformer_state_dict.ts";
import type { NnFormerSettings } from "../nnformer/nnformer_options.ts";
import { toNnUNetStateDict } from "../nnunet_state_dict.ts";
import { UNetEncoder } from "../unet_encoder.ts";
import { toMonaiStateDict } from "../vit/monai_state_dict.ts";

/** Parts of a network, as they follow each other. */
export interface SavedNetwork {
  /** With its buffers; window sizes are read where it has them. */
  readonly encoder: Pick<Encoder3D, "parameters" | "buffers">;
  /** Default none. */
  readonly decoder?: Pick<Decoder3D, "parameters">;
  /** A 1×1×1 convolution to the network's output, where the decoder does not hold it. Default none. */
  readonly head?: Module;
}

/** In whose words a file is written. */
export type WeightsForm = "pytorch" | "nnunet" | "monai";

/** Options of {@linkcode saveWeights}. */
export interface SaveWeightsOptions {
  /**
   * `"pytorch"`: the names used here, each tensor once; with a decoder or head under `encoder.`, `decoder.` and `head.`.
   * `"nnunet"`: `PlainConvUNet` and `ResidualEncoderUNet` load it with `strict=True`; heads of deep supervision, which do not exist here, are zeros.
   * `"monai"`: MONAI's networks, and the published nnFormer, load it with `strict=True`.
   * Default: `"nnunet"` for nnU-Net's encoders, else `"monai"`.
   */
  readonly form?: WeightsForm;
  /** Element type of trained tensors. Default `"F32"`. */
  readonly dtype?: "F32" | "F16" | "BF16";
  /** Strings to keep in the file. Default none. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a network as a safetensors file that MONAI, nnU-Net or the published nnFormer load.
 *
 * Of a whole network every tensor is there that `load_state_dict(strict=True)` asks for; an encoder alone is a part of it, which
 * {@linkcode loadWeights} reads. In Python: `network.load_state_dict(safetensors.torch.load_file(path))`.
 *
 * @param network Its parameters stay the caller's, unchanged.
 * @returns The whole file.
 * @throws RangeError when two parts have a tensor of the same name.
 */
export async function saveWeights(
  network: SavedNetwork,
  { form, dtype = "F32", metadata = {} }: SaveWeightsOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const chosen = form ?? (network.encoder instanceof UNetEncoder ? "nnunet" : "monai");
  const state = await inForm(network, chosen);
  const stored = dtype === "F32" ? state : narrowed(state, dtype);
  return writeSafetensors(stored, metadata);
}

async function inForm(network: SavedNetwork, form: WeightsForm): Promise<ReadonlyMap<string, StoredTensor>> {
  const { encoder, decoder, head } = network;
  const [own, decoding, output] = [stateOf(encoder), decoder?.parameters ?? NOTHING, head?.parameters ?? NOTHING];
  if (form === "nnunet") {
    const parts = { encoder: own, decoder: decoding, head: output };
    return withDeepSupervision(toNnUNetStateDict(await saveCounted(joinParameters(parts))));
  }
  if (form === "pytorch") {
    return await saveCounted(decoder || head ? joinParameters({ encoder: own, decoder: decoding, head: output }) : own);
  }
  const state = await saveCounted(joinParameters(
    new Map<string, Parameters>([["", joined(own, decoding)], ["out.conv.conv", output]]),
  ));
  const { settings, windowSize } = encoder as { settings?: NnFormerSettings; windowSize?: Triple };
  return settings
    ? toNnFormerStateDict(state, { settings })
    : toMonaiStateDict(state, windowSize ? { windowSize } : {});
}

const NOTHING: Parameters = new Map();

function stateOf({ parameters, buffers = NOTHING }: SavedNetwork["encoder"]): Parameters {
  return joined(parameters, buffers);
}

/** Two parts under names of their own. */
function joined(a: Parameters, b: Parameters): Parameters {
  const twice = [...b.keys()].find((name) => a.has(name));
  if (twice !== undefined) {
    throw new RangeError(
      `Cannot save weights: two parts have a tensor of the same name: got "${twice}" twice, expected unique names. ` +
        `Save with form "pytorch", which puts a prefix in front.`,
    );
  }
  return new Map([...a, ...b]);
}

/** PyTorch counts the batches of its batch norms in 64-bit integers. */
async function saveCounted(parameters: Parameters): Promise<Map<string, StoredTensor>> {
  const state = await saveStateDict(parameters);
  for (const [name, { shape, data }] of state) {
    if (!name.endsWith("num_batches_tracked")) continue;
    const counts = BigInt64Array.from(data as Float32Array, (count) => BigInt(Math.round(count)));
    state.set(name, { dtype: "I64", shape, data: counts });
  }
  return state;
}

/** Adds the heads of deep supervision that nnU-Net's networks always have, where the one at full resolution is there. */
function withDeepSupervision(state: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const complete = new Map(state);
  for (const [name, { shape: [channels] }] of state) {
    const stage = /^decoder\.stages\.(\d+)\.convs\.0\.conv\.weight$/.exec(name)?.[1];
    const own = [...state].find(([key]) => /^decoder\.seg_layers\.\d+\.weight$/.test(key));
    if (stage === undefined || !own || state.has(`decoder.seg_layers.${stage}.weight`)) continue;
    const outputs = own[1].shape[0]!;
    const zeros = (...shape: number[]): StoredTensor => ({
      dtype: "F32",
      shape,
      data: new Float32Array(shape.reduce((size, n) => size * n, 1)),
    });
    complete.set(`decoder.seg_layers.${stage}.weight`, zeros(outputs, channels!, 1, 1, 1));
    complete.set(`decoder.seg_layers.${stage}.bias`, zeros(outputs));
  }
  return complete;
}

function narrowed(state: ReadonlyMap<string, StoredTensor>, dtype: "F16" | "BF16"): Map<string, StoredTensor> {
  return new Map([...state].map(([name, tensor]) => [name, tensor.dtype === "F32" ? { ...tensor, dtype } : tensor]));
}
