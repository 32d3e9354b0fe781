import { joinParameters } from "@med3d/nn";
import { Random } from "random";
import { type ConvolutionalFacts, testAgainstTorch } from "../testdata/convolutional_oracle.ts";
import { MonaiUNetDecoder, type MonaiUNetDecoderOptions } from "./monai_unet_decoder.ts";
import { MonaiUNetEncoder, type MonaiUNetOptions } from "./monai_unet_encoder.ts";

type Facts = ConvolutionalFacts & Omit<MonaiUNetOptions & MonaiUNetDecoderOptions, "random">;

await testAgainstTorch<Facts>(new URL("testdata/monai_unet.safetensors", import.meta.url), (facts, seed) => {
  const random = new Random(seed);
  const encoder = new MonaiUNetEncoder({ ...facts, random });
  const decoder = new MonaiUNetDecoder(encoder, { ...facts, random });
  return {
    parameters: joinParameters(new Map([["", new Map([...encoder.parameters, ...decoder.parameters])]])),
    outputs: (volume) => {
      const levels = encoder.encode(volume);
      return [...levels, decoder.decode(levels)];
    },
  };
});
