import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { createParameter, disposeParameters, readSafetensors, type StoredTensor, writeSafetensors } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { type Encoder3D, type EncoderName, loadWeights, saveWeights } from "../mod.ts";
import { disposeEncoder, makeNarrow, NARROW } from "../testdata/narrow_encoders.ts";

const tensor = (shape: number[], values: (i: number) => number): StoredTensor => ({
  dtype: "F32",
  shape,
  data: Float32Array.from({ length: shape.reduce((size, n) => size * n, 1) }, (_, i) => values(i)),
});
const fileOf = (tensors: Record<string, StoredTensor>): Uint8Array =>
  writeSafetensors(new Map(Object.entries(tensors)));

/** Levels for a volume whose channels are all alike. */
async function encodeAlike(encoder: Encoder3D, channels: number, size: readonly number[]): Promise<number[][]> {
  const random = new Random("alike");
  const [d, h, w] = size as [number, number, number];
  const one = tf.tensor5d(Float32Array.from({ length: d * h * w }, random.normal()), [1, d, h, w, 1]);
  const levels = encoder.encode(tf.tile(one, [1, 1, 1, 1, channels]));
  return await Promise.all(levels.map(async (level) => Array.from(await level.data())));
}

testOnBackends(
  "loadWeights: with other input channels every encoder gives the same for channels that are alike",
  async ({ tolerance }) => {
    // One of each way to read a volume; those of the others are the same layers.
    for (const label of ["plain-unet", "monai-unet", "resnet10", "nnformer", "unetr", "vit", "perceptron"]) {
      const name = label === "perceptron" ? "vit" : label as EncoderName;
      // As many features as input channels would leave out the projection beside a block.
      const wider = name === "unetr" ? { features: 4, imageSize: 16 } : {};
      const more = label === "perceptron" ? { patchProjection: "perceptron" } : wider;
      const pairs = name === "vit" ? [[1, 3], [2, 3], [3, 1]] as const : [[1, 3]] as const;
      for (const [from, to] of pairs) {
        const source = makeNarrow(name, { ...more, inChannels: from, seed: "source" });
        const target = makeNarrow(name, { ...more, inChannels: to, seed: "target" });
        const report = loadWeights(target, await saveWeights({ encoder: source }));
        assert.equal(report.share, 1);
        assert.ok(report.adapted.length > 0, label);
        for (const { how } of report.adapted) assert.equal(how, `${from} to ${to} input channels`);
        const size = name === "unetr" ? [16, 16, 16] : NARROW[name].size;
        const [given, adapted] = [await encodeAlike(source, from, size), await encodeAlike(target, to, size)];
        given.forEach((level, i) => {
          const scale = level.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
          const worst = level.reduce((most, value, k) => Math.max(most, Math.abs(value - adapted[i]![k]!)), 0);
          assert.ok(worst <= 10 * tolerance * scale, `${label} ${from} to ${to}, level ${i}: ${worst} of ${scale}`);
        });
        [source, target].forEach(disposeEncoder);
      }
    }
  },
);

testOnBackends("loadWeights: input channels are dealt out in turn", async () => {
  const target = makeNarrow("plain-unet", { inChannels: 3, features: [1], convsPerStage: 1 });
  const name = "stages.0.0.convs.0.conv.weight";
  const { tensors } = readSafetensors(await saveWeights({ encoder: target }, { form: "pytorch" }));
  const file = (channels: number) =>
    writeSafetensors(new Map([...tensors, [name, tensor([1, channels, 3, 3, 3], (i) => 10 ** Math.floor(i / 27))]]));
  const channels = async (): Promise<number[]> => {
    const values = await target.parameters.get(name)!.data(); // [kd, kh, kw, in, out]
    return [...values.slice(0, 3)];
  };
  loadWeights(target, file(2));
  assert.deepEqual(await channels(), [0.5, 10, 0.5]);
  loadWeights(target, file(4));
  assert.deepEqual(await channels(), [1001, 10, 100]);
  assert.throws(() => loadWeights(target, file(2), { adapt: false }), /mismatched +stages.0.0.convs.0.conv.weight/);
  // Without an encoder nothing says which layer reads the volume.
  assert.equal(loadWeights(target.parameters, file(2), { partial: true }).mismatched.length, 1);
  assert.equal(loadWeights(target.parameters, file(2), { inChannels: 3 }).adapted.length, 1);
  disposeEncoder(target);
});

testOnBackends("loadWeights: tables of positions are resized trilinearly to another image and patch size", async () => {
  const key = "patch_embedding.position_embeddings";
  const settings = { imageSize: [4, 4, 16], patchSize: 4, hiddenSize: 2, heads: 1 };
  const target = makeNarrow("vit", settings); // a grid of [1, 1, 4]
  const { tensors } = readSafetensors(await saveWeights({ encoder: target }));
  const file = writeSafetensors(new Map([...tensors, [key, tensor([1, 2, 2], (i) => [0, 10, 1, 20][i]!)]]));
  const report = loadWeights(target, file, { sourceGrid: [1, 1, 2] });
  assert.equal(report.adapted[0]!.how, "grid of [1,1,2] to [1,1,4] tokens");
  assert.deepEqual([...await target.parameters.get(key)!.data()], [0, 10, 0.25, 12.5, 0.75, 17.5, 1, 20]);
  assert.throws(() => loadWeights(target, file), /mismatched +patch_embedding.position_embeddings/); // two tokens are no cube
  disposeEncoder(target);

  const cube = createParameter(new Float32Array(8), [1, 8, 1]);
  const stored = fileOf({ position_embeddings: tensor([1, 64, 1], (i) => Math.floor(i / 16)) });
  loadWeights(new Map([["position_embeddings", cube]]), stored);
  assert.deepEqual([...await cube.data()], [0.5, 0.5, 0.5, 0.5, 2.5, 2.5, 2.5, 2.5]);
  disposeParameters(new Map([["cube", cube]]));

  const [small, large] = [makeNarrow("unetr"), makeNarrow("unetr", { imageSize: [32, 16, 32], seed: "large" })];
  const { adapted } = loadWeights(large, await saveWeights({ encoder: small }), { sourceGrid: [1, 1, 2] });
  assert.deepEqual(adapted.map(({ name, how }) => [name, how]), [
    ["vit.patch_embedding.position_embeddings", "grid of [1,1,2] to [2,1,2] tokens"],
  ]);
  [small, large].forEach(disposeEncoder);
});

testOnBackends(
  "loadWeights: tables of offsets go to other windows; what depends on the offset alone stays",
  async () => {
    const source = makeNarrow("swin-unetr", { windowSize: 3, seed: "source" });
    const key = "swinViT.layers1.0.blocks.0.attn.relative_position_bias_table";
    const table = source.parameters.get(key)!; // 5³ offsets, one head
    const slope = (edge: number) =>
      Float32Array.from({ length: edge ** 3 }, (_, i) => Math.floor(i / edge ** 2) - (edge - 1) / 2);
    tf.tidy(() => table.assign(tf.tensor(slope(5), table.shape)));
    const target = makeNarrow("swin-unetr", { windowSize: [2, 3, 4], seed: "target" });
    const report = loadWeights(target, await saveWeights({ encoder: source }));
    assert.deepEqual(new Set(report.adapted.map(({ how }) => how)), new Set(["windows of [3,3,3] to [2,3,4] cells"]));
    const got = await target.parameters.get(key)!.data(); // [3, 5, 7] offsets
    assert.equal(got.length, 105);
    // Three planes over five: centres at 1/3, 2 and 11/3.
    got.forEach((value, i) =>
      assert.ok(Math.abs(value - [-5 / 3, 0, 5 / 3][Math.floor(i / 35)]!) < 1e-6, `${i}: ${value}`)
    );
    [source, target].forEach(disposeEncoder);

    const [small, large] = [makeNarrow("nnformer"), makeNarrow("nnformer", { windows: [4, 2], seed: "large" })];
    const loaded = loadWeights(large, await saveWeights({ encoder: small }));
    assert.equal(loaded.share, 1);
    assert.deepEqual(loaded.adapted.map(({ name, how }) => [name, how]), [
      ["model_down.layers.0.blocks.0.attn.relative_position_bias_table", "windows of [2,2,2] to [4,4,4] cells"],
    ]);
    [small, large].forEach(disposeEncoder);
  },
);

testOnBackends("loadWeights: the published self-supervised weights of Swin UNETR's encoder", async () => {
  const source = makeNarrow("swin-unetr", { seed: "source" });
  const { tensors } = readSafetensors(await saveWeights({ encoder: source }));
  const published = [...tensors].filter(([name]) => name.startsWith("swinViT.")).map(([name, stored]) =>
    [name.replace("swinViT.", "module.").replace(/mlp\.linear/, "mlp.fc"), stored] as const
  );
  const target = makeNarrow("swin-unetr", { seed: "target" });
  const report = loadWeights(target, writeSafetensors(new Map(published)), { partial: true });
  assert.deepEqual([report.prefixStripped, report.prefixAdded, report.unexpected], ["", "swinViT.", []]);
  assert.equal(
    report.matched.length,
    [...source.parameters.keys()].filter((name) => name.startsWith("swinViT")).length,
  );
  [source, target].forEach(disposeEncoder);
});
