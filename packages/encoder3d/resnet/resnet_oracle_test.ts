import { Random } from "random";
import { type ConvolutionalFacts, testAgainstTorch } from "../testdata/convolutional_oracle.ts";
import { ResNet, type ResNetDepth } from "./resnet.ts";
import type { ResNetOptions } from "./resnet_options.ts";

type Facts = ConvolutionalFacts & Omit<ResNetOptions, "random"> & { depth: ResNetDepth };

await testAgainstTorch<Facts>(new URL("testdata/resnet.safetensors", import.meta.url), (facts, seed) => {
  const encoder = new ResNet(facts.depth, { ...facts, random: new Random(seed) });
  const { parameters, buffers } = encoder;
  return { parameters, buffers, outputs: (volume, training) => encoder.encode(volume, training) };
});
