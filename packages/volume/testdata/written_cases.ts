// Volumes that the writer's tests write and nibabel reads back (tools/oracles/volume_nifti.py):
// deno run -A packages/volume/testdata/written_cases.ts FOLDER
import { createVolume, type Volume, type VoxelArray, writeNifti, type WriteNiftiOptions } from "../mod.ts";

/** A volume, the name of the file it is written to, and how. */
export interface WrittenCase {
  readonly name: string;
  readonly volume: Volume;
  readonly options: WriteNiftiOptions;
}

const shape = [2, 3, 4] as const;
const oblique = Float64Array.of(
  ...[1.2 * 0.8, -2 * 0.6, 0, -31.5],
  ...[1.2 * 0.6, 2 * 0.8, 0, 12.25],
  ...[0, 0, 3.5, 99],
  ...[0, 0, 0, 1],
);
const flipped = oblique.map((value, i) => i % 4 === 2 ? -value : value);
const sheared = oblique.map((value, i) => i === 1 ? value + 0.9 : value);

/** Turned by 150° about (−1, −2, −3), so that the quaternion's largest component comes out negative at first. */
const turned = turnedAffine([-1, -2, -3], 150);

function turnedAffine(axis: readonly [number, number, number], degrees: number): Float64Array {
  const length = Math.hypot(...axis);
  const [x, y, z] = axis.map((value) => value / length) as [number, number, number];
  const [c, s] = [Math.cos(degrees * Math.PI / 180), Math.sin(degrees * Math.PI / 180)];
  const t = 1 - c;
  return Float64Array.of(
    ...[t * x * x + c, t * x * y - s * z, t * x * z + s * y, 1],
    ...[t * x * y + s * z, t * y * y + c, t * y * z - s * x, 2],
    ...[t * x * z - s * y, t * y * z + s * x, t * z * z + c, 3],
    ...[0, 0, 0, 1],
  );
}

function ramp<T extends VoxelArray>(data: T, first: number): T {
  return data.map((_, i) => first + i) as T;
}

/** Every case, in a fixed order. */
export function writtenCases(): WrittenCase[] {
  const volumes: readonly [string, VoxelArray][] = [
    ["int8", ramp(new Int8Array(24), -12)],
    ["uint8", ramp(new Uint8Array(24), 232)],
    ["int16", ramp(new Int16Array(24), -32768)],
    ["uint16", ramp(new Uint16Array(24), 65512)],
    ["int32", ramp(new Int32Array(24), -2147483648)],
    ["uint32", ramp(new Uint32Array(24), 4294967272)],
    ["float32", ramp(new Float32Array(24), -11.7)],
    ["float64", ramp(new Float64Array(24), 1 / 3)],
  ];
  const cases = volumes.flatMap(([name, data], i): WrittenCase[] =>
    ([1, 2] as const).map((version) => ({
      name: `${name}_v${version}.nii`,
      volume: createVolume(data, shape, { affine: i % 2 === 0 ? oblique : flipped }),
      options: { version },
    }))
  );
  const wide = createVolume(Float64Array.from({ length: 24 }, (_, i) => i === 0 ? 2 ** 53 : i), shape);
  const small = createVolume(ramp(new Uint8Array(24), 0), shape, { affine: sheared });
  return [
    ...cases,
    { name: "int64.nii", volume: wide, options: { datatype: "int64" } },
    { name: "uint64.nii", volume: wide, options: { datatype: "uint64" } },
    { name: "sheared.nii", volume: small, options: { description: "a sheared affine, größer" } },
    { name: "turned.nii", volume: createVolume(small.data, shape, { affine: turned }), options: { version: 2 } },
    { name: "widened.nii", volume: small, options: { datatype: "float32" } },
    { name: "compressed.nii.gz", volume: small, options: {} },

  ];
}

if (import.meta.main) {
  for (const { name, volume, options } of writtenCases()) await writeNifti(volume, `${Deno.args[0]}/${name}`, options);
}
