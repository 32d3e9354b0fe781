import {
  createEncoder,
  type Decoder3D,
  type Encoder3D,
  type EncoderName,
  type EncoderOptionsByName,
  MonaiUNetDecoder,
  NnFormerDecoder,
  ReconstructionHead,
  SegResNetDecoder,
  UNetDecoder,
  UnetrDecoder,
} from "@med3d/encoder3d";
import { joinParameters, type Parameters } from "@med3d/nn";
import type * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";

/** A network to time. */
export interface NetworkToTime {
  readonly parameters: Parameters;
  /** Logits of two classes where the network has a decoder of its own, else the deepest level. */
  apply(volume: tf.Tensor5D, training: boolean): tf.Tensor5D;
}

type Options<N extends EncoderName> = Omit<EncoderOptionsByName[N], "random">;

const FEATURES = [8, 16, 32, 64];
const TOKENS = { hiddenSize: 96, mlpSize: 384, heads: 4 };

/** Narrow options of every registered encoder, for volumes of `edge`³ voxels; tools/oracles/encoder3d_timing.py reads them as they are. */
export const ENCODER_OPTIONS: { readonly [N in EncoderName]: (edge: number) => Options<N> } = {
  "plain-unet": () => ({ features: FEATURES }),
  "residual-unet": () => ({ features: FEATURES, blocksPerStage: [1, 2, 2, 2] }),
  "monai-unet": () => ({ features: FEATURES, strides: [2, 2, 2], residualUnits: 2 }),
  "seg-resnet": () => ({ initFilters: 8, blocksDown: [1, 2, 2, 4] }),
  "resnet10": () => ({ features: FEATURES }),
  "resnet18": () => ({ features: FEATURES }),
  "resnet34": () => ({ features: FEATURES }),
  "resnet50": () => ({ features: FEATURES }),
  "vit": (edge) => ({ imageSize: edge, ...TOKENS }),
  "unetr": (edge) => ({ imageSize: edge, features: 8, ...TOKENS }),
  "swin-unetr": () => ({ features: 12, heads: [3, 6, 12, 24] }),
  "nnformer": (edge) => ({ imageSize: edge, features: 24, heads: [3, 6, 12, 24], dropPath: 0 }),
};

/** Makes the network that is timed under an encoder's name: with its own decoder, where it has one. */
export function makeNetworkToTime(name: EncoderName, edge: number): NetworkToTime {
  const random = new Random(`bench ${name}`);
  const outChannels = 2;
  const make = <N extends EncoderName>(name: N): ReturnType<typeof createEncoder<N>> =>
    createEncoder(name, { ...ENCODER_OPTIONS[name](edge), random } as EncoderOptionsByName[N]);
  const headed = (encoder: Encoder3D, decoder: UNetDecoder | UnetrDecoder): NetworkToTime =>
    join(encoder, decoder, new ReconstructionHead(decoder.outChannels, outChannels, { random }));
  switch (name) {
    case "plain-unet":
    case "residual-unet": {
      const encoder = make(name);
      return headed(encoder, new UNetDecoder(encoder, { convsPerStage: name === "plain-unet" ? 2 : 1, random }));
    }
    case "unetr":
    case "swin-unetr": {
      const encoder = make(name);
      return headed(encoder, new UnetrDecoder(encoder, { random }));
    }
    case "monai-unet": {
      const encoder = make(name);
      return join(encoder, new MonaiUNetDecoder(encoder, { outChannels, random }));
    }
    case "seg-resnet": {
      const encoder = make(name);
      return join(encoder, new SegResNetDecoder(encoder, { outChannels, random }));
    }
    case "nnformer": {
      const encoder = make(name);
      return join(encoder, new NnFormerDecoder(encoder, { outChannels, random }));
    }
    default:
      return join(make(name));
  }
}

function join(encoder: Encoder3D, decoder?: Decoder3D, head?: ReconstructionHead): NetworkToTime {
  const none: Parameters = new Map();
  return {
    parameters: joinParameters({
      encoder: encoder.parameters,
      decoder: decoder?.parameters ?? none,
      head: head?.parameters ?? none,
    }),
    apply: (volume, training) => {
      const levels = encoder.encode(volume, training);
      const output = decoder?.decode(levels, training) ?? levels.at(-1)!;
      return head?.apply(output) ?? output;
    },
  };
}
