import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { countParameters, disposeParameters, readSafetensors, saveStateDict } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { describeEncoder, fromNnFormerStateDict, toNnFormerStateDict } from "../mod.ts";
import { type ConvolutionalFacts, testAgainstTorch } from "../testdata/convolutional_oracle.ts";
import { networkOf, type NetworkOptions } from "./testdata/oracle_network.ts";

type Facts = ConvolutionalFacts & NetworkOptions & { readonly operations: number; readonly spared: number };

const fixture = new URL("testdata/nnformer.safetensors", import.meta.url);

await testAgainstTorch<Facts>(fixture, (facts, seed) => {
  const { encoder, decoder, parameters } = networkOf(facts, seed);
  return {
    parameters,
    outputs: (volume) => {
      const levels = encoder.encode(volume);
      return [...levels, ...decoder.decodeLevels(levels)];
    },
  };
});

testOnBackends("nnFormer: multiply-adds are those that PyTorch counts", async () => {
  const cases: Record<string, Facts> = JSON.parse(readSafetensors(await readFile(fixture)).metadata["cases"]!);
  for (const [name, facts] of Object.entries(cases)) {
    const { encoder, decoder, parameters } = networkOf(facts, name);
    const { multiplyAdds } = describeEncoder(encoder, facts.size, { followedBy: [decoder] });
    assert.equal(2 * (multiplyAdds + facts.spared), facts.operations, name);
    disposeParameters(parameters);
  }
});

interface Published {
  readonly options: NetworkOptions;
  readonly parameters: number;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

testOnBackends(
  "nnFormer: at the published sizes names, shapes and counts are the published ones",
  async ({ backend }) => {
    if (backend !== "cpu") return; // counts and names, which no backend changes; the weights are large
    const url = new URL("testdata/nnformer_full.json", import.meta.url);
    const published: Record<string, Published> = JSON.parse(await readFile(url, "utf8"));
    assert.deepEqual(Object.keys(published), ["tumour", "acdc"]);
    for (const [name, { options, parameters: count, shapes }] of Object.entries(published)) {
      const { encoder, parameters } = networkOf(options, name);
      assert.equal(countParameters(parameters), count, name);
      const saved = await saveStateDict(parameters);
      const complete = toNnFormerStateDict(saved, encoder);
      assert.deepEqual(Object.fromEntries([...complete].map(([key, { shape }]) => [key, [...shape]])), shapes, name);
      assert.deepEqual([...fromNnFormerStateDict(complete).keys()], [...saved.keys()]);
      disposeParameters(parameters);
    }
  },
);
