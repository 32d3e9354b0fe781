import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { runShader } from "../program.ts";
import { testOnBackends } from "../testing.ts";
import { type FilterGradientShaders } from "./_filter_gradient_parts.ts";
import { filterGradientShaders } from "./_filter_gradient_shader.ts";
import { chooseTile, unitsOf } from "./_filter_gradient_tile.ts";
import { type ConvolutionAttributes, convolutionGeometry } from "./_geometry.ts";
import { tiledFilterGradientShaders } from "./_tiled_filter_gradient_shader.ts";

const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, "float32", seed);

interface Case extends Omit<ConvolutionAttributes, "pad"> {
  readonly x: number[];
  readonly filter: number[];
  readonly pad: "same" | "valid" | number;
}

const CASES: readonly Case[] = [
  { x: [2, 5, 6, 20, 1], filter: [3, 3, 3, 1, 5], strides: 1, pad: "same" },
  { x: [2, 5, 7, 21, 1], filter: [3, 3, 3, 1, 8], strides: [1, 2, 2], pad: "same" },
  { x: [1, 7, 6, 19, 3], filter: [3, 2, 3, 3, 8], strides: 1, pad: 2, dilations: [2, 1, 3] },
  { x: [2, 8, 12, 36, 1], filter: [4, 4, 4, 1, 48], strides: 4, pad: "valid" }, // four cells a load on every device
  { x: [1, 9, 8, 40, 1], filter: [3, 3, 5, 1, 4], strides: [2, 1, 4], pad: "same" },
  { x: [2, 3, 5, 18, 16], filter: [3, 3, 3, 16, 32], strides: 1, pad: 1 },
];

for (const { x: xShape, filter, ...attributes } of CASES) {
  testOnBackends(
    `conv3d: filter gradients of every device's blocks are those of the tiled shader, [${xShape}] by [${filter}] ${
      JSON.stringify(attributes)
    }`,
    async ({ backend }) => {
      if (backend === "cpu") return;
      const geometry = convolutionGeometry(xShape, filter, attributes as ConvolutionAttributes);
      const { batch, outChannels, axes } = geometry;
      const x = normal(xShape, 1);
      const dy = normal([batch, ...axes.map(({ output }) => output), outChannels], 2);
      const gradient = ({ partial, total }: FilterGradientShaders): tf.Tensor => {
        const parts = runShader(partial, [x, dy]);
        return tf.engine().makeTensorFromTensorInfo(total ? runShader(total, [parts]) : parts);
      };
      const largest = async (tensor: tf.Tensor): Promise<number> => (await tf.max(tf.abs(tensor)).data())[0]!;
      const expected = gradient(tiledFilterGradientShaders(geometry));
      for (const device of ["processor", "gpu"] as const) {
        for (const mostTurns of [30_000, 20]) {
          const actual = gradient(filterGradientShaders(geometry, { device, mostTurns }));
          assert.deepEqual(actual.shape, expected.shape);
          const difference = await largest(tf.sub(actual, expected)) / await largest(expected);
          assert.ok(difference < 1e-5, `${device}, ${mostTurns} turns: ${difference}`);
        }
      }
    },
  );
}

Deno.test("conv3d: blocks of the filter gradient span depth where channels are few, and carry cells from turn to turn", () => {
  const geometry = convolutionGeometry([1, 32, 32, 32, 1], [3, 3, 3, 1, 8], { strides: 1, pad: "same" });
  const tile = chooseTile(geometry, "processor", 30_000);
  assert.deepEqual([tile.depthTaps, tile.rowTaps, tile.taps, tile.outBlock], [3, 3, 3, 8]);
  assert.deepEqual(unitsOf(geometry, tile).units.map(({ carried }) => carried), [true, true, false]);
});

Deno.test("conv3d: no invocation of the filter gradient takes more turns than wanted, however long its rows", () => {
  for (const width of [7, 128, 40_000, 100_000]) {
    for (const device of ["processor", "gpu"] as const) {
      const geometry = convolutionGeometry([1, 3, 4, width, 2], [3, 3, 3, 2, 4], { strides: 1, pad: "same" });
      const { positions, rowsPerPart } = chooseTile(geometry, device, 30_000);
      const turns = rowsPerPart * (Math.ceil(width / positions) + 1);
      assert.ok(turns <= 30_000, `${width}, ${device}: ${turns} turns`);
    }
  }
});
