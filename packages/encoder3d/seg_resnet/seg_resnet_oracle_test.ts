import { joinParameters } from "@med3d/nn";
import { Random } from "random";
import { type ConvolutionalFacts, testAgainstTorch } from "../testdata/convolutional_oracle.ts";
import { SegResNetDecoder, type SegResNetDecoderOptions } from "./seg_resnet_decoder.ts";
import { SegResNetEncoder, type SegResNetOptions } from "./seg_resnet_encoder.ts";

type Facts = ConvolutionalFacts & Omit<SegResNetOptions & SegResNetDecoderOptions, "random">;

await testAgainstTorch<Facts>(new URL("testdata/seg_resnet.safetensors", import.meta.url), (facts, seed) => {
  const random = new Random(seed);
  const encoder = new SegResNetEncoder({ ...facts, random });
  const decoder = new SegResNetDecoder(encoder, { ...facts, random });
  return {
    parameters: joinParameters(new Map([["", new Map([...encoder.parameters, ...decoder.parameters])]])),
    outputs: (volume) => {
      const levels = encoder.encode(volume);
      return [...levels, decoder.decode(levels)];
    },
  };
});
