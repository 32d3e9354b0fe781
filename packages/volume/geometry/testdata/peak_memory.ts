/** Prints how much memory a step holds at most, volume included, as a multiple of the float32 voxels of whichever is larger. */
import { readFileSync } from "node:fs";
import { createVolume, type Interpolation, resampleVolume, toCanonical, type Volume } from "../../mod.ts";

const [step, interpolation, to] = Deno.args as [string, Interpolation, string];
const edge = 224;

function run(volume: Volume): Volume {
  if (step === "reorder") return toCanonical(volume).volume;
  return resampleVolume(volume, { spacingMm: Number(to), interpolation });
}

function peakBytes(): number {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]);
}

function made(size: number): Volume {
  const data = new Float32Array(size ** 3);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31) % 2000;
  const affine = Float64Array.of(0, 0, 1, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1);
  return createVolume(data, [size, size, size], { affine });
}

run(made(12)); // code is compiled and loaded
const before = peakBytes();
const volume = made(edge);
const result = run(volume);
console.log((peakBytes() - before) / (4 * Math.max(volume.data.length, result.data.length)));
