/**
 * Saves every registered network as PyTorch is to load it, with an input and what it gives, so that PyTorch can check the round trip:
 *
 *     deno run -A packages/encoder3d/weights/testdata/save_networks.ts FOLDER
 *     python tools/oracles/encoder3d_weights.py FOLDER
 */
import { readFile, writeFile } from "node:fs/promises";
import { writeSafetensors } from "@med3d/nn";
import { selectBackend } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import { loadWeights, makeSidecar, saveWeights } from "../../mod.ts";
import { CASES, completed, encoderOf, outputOf, ownParameters } from "./networks.ts";

const folder = Deno.args[0]!;
await selectBackend({ backend: "cpu" });

/** `[b, d, h, w, c]` as PyTorch has it. */
async function toTorch(x: tf.Tensor5D): Promise<{ dtype: "F32"; shape: number[]; data: Float32Array }> {
  const y = tf.transpose(x, [0, 4, 1, 2, 3]);
  return { dtype: "F32", shape: y.shape, data: new Float32Array(await y.data()) };
}

async function save(name: string): Promise<void> {
  const settings = CASES[name]!;
  const network = completed(encoderOf(settings, name));
  const random = new Random(name);
  for (const [key, parameter] of ownParameters(network)) {
    const values = await parameter.data();
    const counter = key.endsWith("num_batches_tracked");
    const shaken = Float32Array.from(values, (value) => counter ? 7 : value + 0.1 * Math.abs(random.normal()()));
    tf.tidy(() => parameter.assign(tf.tensor(shaken, parameter.shape)));
  }
  const inChannels = (settings.options["inChannels"] ?? 1) as number;
  const shape = [1, ...settings.size, inChannels] as [number, number, number, number, number];
  const volume = tf.tensor5d(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, random.normal()), shape);
  const output = outputOf(network, volume);
  await writeFile(`${folder}/${name}.safetensors`, await saveWeights(network));
  const io = new Map([["input", await toTorch(volume)], ["output", await toTorch(output)]]);
  await writeFile(`${folder}/${name}.io.safetensors`, writeSafetensors(io));
  const sidecar = makeSidecar(network.encoder, {
    name: settings.encoder,
    arguments: settings.options,
    inChannels,
    patchSize: settings.size,
    input: { orientation: "RAS+", spacingMm: null, resize: null, channels: [{ kind: "z-score", foreground: "all" }] },
    decoderConvsPerStage: 1,
  });
  await writeFile(`${folder}/${name}.json`, JSON.stringify(sidecar));
}

/** Loads what PyTorch saved again, where there is such: the way back. */
async function loadBack(name: string): Promise<void> {
  const bytes = await readFile(`${folder}/${name}.torch.safetensors`).catch(() => undefined);
  if (!bytes) return;
  const settings = CASES[name]!;
  const network = completed(encoderOf(settings, "back"));
  const report = loadWeights(network.encoder, bytes);
  console.log(`${name}: ${report.matched.length} tensors of the encoder come back from PyTorch's own file`);
}

for (const name of Object.keys(CASES)) await (Deno.args[1] === "back" ? loadBack(name) : save(name));
