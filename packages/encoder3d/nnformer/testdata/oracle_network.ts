import { joinParameters, type Parameters, type Triple } from "@med3d/nn";
import { Random } from "random";
import { NnFormerDecoder, type NnFormerDecoderOptions, NnFormerEncoder, type NnFormerOptions } from "../../mod.ts";

/** Options of a case of tools/oracles/encoder3d_nnformer.py. */
export type NetworkOptions =
  & Omit<NnFormerOptions, "random">
  & Pick<NnFormerDecoderOptions, "outChannels" | "deepSupervision">
  & { readonly size: Triple; readonly decoderHeads: readonly number[] };

/** Encoder, decoder, and the parameters of both under the published names. */
export interface OracleNetwork {
  readonly encoder: NnFormerEncoder;
  readonly decoder: NnFormerDecoder;
  readonly parameters: Parameters;
}

/** Makes the network of a case. */
export function networkOf(options: NetworkOptions, seed: string): OracleNetwork {
  const random = new Random(seed);
  const encoder = new NnFormerEncoder({ ...options, imageSize: options.size, random });
  const decoder = new NnFormerDecoder(encoder, { ...options, heads: options.decoderHeads, random });
  const parameters: Parameters = joinParameters(
    new Map([["", new Map([...encoder.parameters, ...decoder.parameters])]]),
  );
  return { encoder, decoder, parameters };
}
