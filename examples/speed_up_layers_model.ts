/**
 * Trains a plain TensorFlow.js layers model, a 3D U-Net that segments, twice on WebGPU: as it is, and with one import more.
 *
 *     XDG_RUNTIME_DIR=/tmp deno run -A examples/speed_up_layers_model.ts [voxels per axis, 32] [steps, 4] [channels, 8]
 *
 * Prints the time of a step of both, the ratio, and the losses, which agree. An import takes effect in the whole process, so each side is a process
 * of its own. The volumes stay below 40³ voxels: from there on the stock gradients are wrong on llvmpipe, and there would be nothing to compare.
 */
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { Random } from "random";

/** What a side finds. */
interface Figures {
  readonly losses: readonly number[];
  readonly secondsPerStep: number;
}

const CLASSES = 2;
const [size, steps, channels] = [Number(Deno.args[0] ?? 32), Number(Deno.args[1] ?? 4), Number(Deno.args[2] ?? 8)];

/** The model: two convolutions a level, pooling down, nearest neighbours up, skips, softmax. Nothing here knows of med3d. */
function buildModel(): layers.LayersModel {
  let seed = 1; // TensorFlow.js takes 0 for no seed
  const convolve = (x: layers.SymbolicTensor, filters: number): layers.SymbolicTensor =>
    layers.layers.conv3d({
      filters,
      kernelSize: 3,
      padding: "same",
      activation: "relu",
      kernelInitializer: layers.initializers.heNormal({ seed: seed++ }),
    }).apply(x) as layers.SymbolicTensor;
  const block = (x: layers.SymbolicTensor, filters: number): layers.SymbolicTensor =>
    convolve(convolve(x, filters), filters);
  const reshape = (x: layers.SymbolicTensor, targetShape: number[]): layers.SymbolicTensor =>
    layers.layers.reshape({ targetShape }).apply(x) as layers.SymbolicTensor;
  // TensorFlow.js has no upSampling3d: rows of all slices first, then slices, both in two dimensions.
  const upsample = (x: layers.SymbolicTensor): layers.SymbolicTensor => {
    const [depth, height, width, filters] = x.shape.slice(1) as [number, number, number, number];
    const double = (image: layers.SymbolicTensor, size: [number, number]): layers.SymbolicTensor =>
      layers.layers.upSampling2d({ size }).apply(image) as layers.SymbolicTensor;
    const wide = double(reshape(x, [depth * height, width, filters]), [2, 2]);
    const deep = double(reshape(wide, [depth, 4 * height * width, filters]), [2, 1]);
    return reshape(deep, [2 * depth, 2 * height, 2 * width, filters]);
  };
  const input = layers.input({ shape: [size, size, size, 1] });
  const skips: layers.SymbolicTensor[] = [];
  let x = block(input, channels);
  for (const factor of [2, 4]) {
    skips.push(x);
    x = layers.layers.maxPooling3d({ poolSize: [2, 2, 2] }).apply(x) as layers.SymbolicTensor;
    x = block(x, factor * channels);
  }
  for (const factor of [2, 1]) {
    x = layers.layers.concatenate().apply([upsample(x), skips.pop()!]) as layers.SymbolicTensor;
    x = block(x, factor * channels);
  }
  const initializer = layers.initializers.glorotNormal({ seed });
  const scores = layers.layers.conv3d({ filters: CLASSES, kernelSize: 1, kernelInitializer: initializer }).apply(x);
  const voxels = reshape(scores as layers.SymbolicTensor, [size ** 3, CLASSES]);
  const output = layers.layers.activation({ activation: "softmax" }).apply(voxels) as layers.SymbolicTensor;
  const model = layers.model({ inputs: input, outputs: output });
  model.compile({ optimizer: "adam", loss: "categoricalCrossentropy" });
  return model;
}

/** A bright ball in noise, and the class of every voxel, one-hot. */
function drawBall(): { volume: tf.Tensor; labels: tf.Tensor } {
  const normal = new Random("speed up a layers model").normal(0, 0.5);
  const [values, classes] = [new Float32Array(size ** 3), new Float32Array(size ** 3 * CLASSES)];
  for (let voxel = 0; voxel < values.length; voxel++) {
    const place = [Math.floor(voxel / size ** 2), Math.floor(voxel / size) % size, voxel % size];
    const inside = Math.hypot(...place.map((coordinate) => coordinate - size / 2)) < size / 3 ? 1 : 0;
    values[voxel] = inside + normal();
    classes[voxel * CLASSES + inside] = 1;
  }
  return {
    volume: tf.tensor(values, [1, size, size, size, 1]),
    labels: tf.tensor(classes, [1, size ** 3, CLASSES]),
  };
}

/** Trains for some steps. The first one compiles and is not timed. */
async function train(): Promise<Figures> {
  await tf.setBackend("webgpu");
  const model = buildModel();
  const { volume, labels } = drawBall();
  const losses: number[] = [];
  const times: number[] = [];
  for (let step = 0; step <= steps; step++) {
    const started = performance.now();
    losses.push(await model.trainOnBatch(volume, labels) as number);
    if (step > 0) times.push((performance.now() - started) / 1000);
  }
  return { losses, secondsPerStep: times.toSorted((a, b) => a - b)[times.length >> 1]! };
}

async function trainInChild(side: string): Promise<Figures> {
  const args = ["run", "-A", "-q", import.meta.filename!, `${size}`, `${steps}`, `${channels}`, side];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) {
    throw new Error(`Cannot train the layers model ${side}: its process failed. The message above says why.`);
  }
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

const side = Deno.args[3];
if (side) {
  if (!await navigator.gpu?.requestAdapter()) {
    throw new Error(
      "Cannot compare: no WebGPU adapter was found. On Debian install mesa-vulkan-drivers and libvulkan1.",
    );
  }
  Object.assign(globalThis, { window: globalThis }); // TensorFlow.js looks for WebGPU only where there is a window
  await import("@tensorflow/tfjs-backend-webgpu");
  if (side === "with") await import("@med3d/webgpu-kernels"); // the one line that makes the difference
  console.log(JSON.stringify(await train()));
} else {
  console.log(
    `3D U-Net of ${channels}, ${2 * channels}, ${4 * channels} channels on 1×${size}³ voxels, ${steps} steps`,
  );
  const show = (name: string, { secondsPerStep, losses }: Figures): void =>
    console.log(
      `${name.padEnd(32)}${secondsPerStep.toFixed(3)} s a step, losses ${losses.map((x) => x.toFixed(5)).join(" ")}`,
    );
  const ours = await trainInChild("with");
  show(`with "@med3d/webgpu-kernels"`, ours);
  const stock = await trainInChild("without");
  show("TensorFlow.js alone", stock);
  const apart = Math.max(...ours.losses.map((loss, i) => Math.abs(loss - stock.losses[i]!) / stock.losses[i]!));
  const agree = apart < 1e-3;
  console.log(
    `${(stock.secondsPerStep / ours.secondsPerStep).toFixed(1)} times as fast; ` +
      `the losses ${agree ? "agree" : "DIFFER"}, at most ${(100 * apart).toFixed(4)} % apart`,
  );
  if (!agree) Deno.exit(1);
}
