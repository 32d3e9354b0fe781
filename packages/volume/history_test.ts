import { strict as assert } from "node:assert";
import {
  augmentSample,
  augmentVolume,
  createVolume,
  deriveVolume,
  encodeNifti,
  GridChain,
  hideMasked,
  makePhantom,
  maskBlocks,
  NNUNET_3D,
  normaliseIntensity,
  normalisePercentile,
  normaliseZScore,
  padOrCrop,
  readNifti,
  replaceNonFinite,
  resampleToGrid,
  resampleVolume,
  resizeVolume,
  restoreGrid,
  samplePatches,
  toCanonical,
  type Volume,
  windowCt,
} from "./mod.ts";

/** A scan in LPI order, whose voxels all transforms change. */
const scan = ((): Volume => {
  const data = Float32Array.from({ length: 6 * 7 * 8 }, (_, i) => (i * 37) % 101 - 50);
  const affine = Float64Array.of(-2, 0, 0, 9, 0, -2, 0, 8, 0, 0, -3, 7, 0, 0, 0, 1);
  return createVolume(data, [6, 7, 8], { affine, modality: "CT" });
})();

const withNaN = deriveVolume(scan, { data: Float32Array.from(scan.data, (v, i) => i === 5 ? NaN : v) }, "with a NaN");

/** Every function that returns another volume than it was given, with what its line must tell. */
const transforms: readonly [string, Volume, (volume: Volume) => Volume, RegExp][] = [
  ["toCanonical", scan, (v) => toCanonical(v).volume, /LPI to RAS\+/],
  ["restoreGrid", scan, (v) => restoreGrid(v, toCanonical(v).volume), /restored to RAS/],
  ["resampleVolume", scan, (v) => resampleVolume(v, { spacingMm: 1.7 }), /1\.7×1\.7×1\.7 mm, linear/],
  ["resizeVolume", scan, (v) => resizeVolume(v, [3, 4, 5]), /resized to 3×4×5/],
  ["resampleToGrid", scan, (v) => resampleToGrid(v, createVolume(new Uint8Array(8), [2, 2, 2])), /grid of 2×2×2/],
  ["padOrCrop", scan, (v) => padOrCrop(v, [9, 3, 8]), /from 6×7×8 to 9×3×8 .* fill -50/],
  ["windowCt", scan, (v) => windowCt(v), /center 40 HU, width 400 HU/],
  ["normaliseIntensity", scan, (v) => normaliseIntensity(v), /CT window/],
  ["normalisePercentile", scan, (v) => normalisePercentile(v), /percentiles 0\.5 to 99\.5/],
  ["normaliseZScore", scan, (v) => normaliseZScore(v), /z-score by mean/],
  [
    "normaliseZScore of NaN",
    withNaN,
    (v) => normaliseZScore(v, { nonFinite: "replace" }),
    /1 non-finite voxels replaced/,
  ],
  ["replaceNonFinite", withNaN, (v) => replaceNonFinite(v), /1 non-finite voxels replaced/],
  ["augmentVolume", scan, (v) => augmentVolume(v, "7"), /augmented: content rotated/],
  ["augmentVolume flip", scan, (v) => augmentVolume(v, "7", { flipProbability: [0, 0, 1] }), /flipped along width/],
  [
    "augmentVolume intensity",
    scan,
    (v) => augmentVolume(v, "7", { rotationDegrees: 0, scaleRange: [1, 1] }),
    /contrast/,
  ],
  ["augmentVolume labels", scan, (v) => augmentVolume({ image: v, labels: v }, "7").labels, /content rotated/],
  [
    "augmentSample",
    scan,
    (v) =>
      augmentSample({ channels: [v] }, "7", {
        recipe: { ...NNUNET_3D, noise: { probability: 1, deviation: [1, 1] } },
      }).channels[0]!,
    /augmented: noise of deviation 1\.0/,
  ],
  [
    "samplePatches",
    scan,
    (v) => samplePatches(v, v, { patchSize: [3, 4, 9], count: 1, seed: "7" })[0]!.channels[0]!,
    /from 6×7×8 to 3×4×9 .* fill -50/,
  ],
  ["GridChain.follow", scan, (v) => GridChain.from(v).toCanonical().follow(v), /taken the way of its scan/],
  ["GridChain.invert", scan, (v) => {
    const chain = GridChain.from(v).toCanonical().resample({ spacingMm: 1.7 });
    return chain.invert(chain.volume, { kind: "image" });
  }, /resampled back to 6×7×8 voxels, linear interpolation.*\n.*restored to LPI/],
  ["hideMasked", scan, (v) => hideMasked(v, maskBlocks(v.shape)), /\d+ of 336 voxels hidden/],
];

for (const [name, input, transform, told] of transforms) {
  Deno.test(`${name}: what it did to the voxels stands in the history, and its input stays as it was`, () => {
    const before = { ...input, data: input.data.slice(), affine: input.affine.slice(), history: [...input.history] };
    const output = transform(input);
    assert.deepEqual(input, before);
    assert.notDeepEqual(output.data, input.data, "this test must see a change");
    assert.deepEqual(output.history.slice(0, input.history.length), input.history);
    const added = output.history.slice(input.history.length);
    assert.ok(added.length >= 1, "a silent change");
    assert.match(added.join("\n"), told);
  });
}

Deno.test("every way of making a volume begins its history", async () => {
  const read = await readNifti(await encodeNifti(scan));
  for (const made of [scan, read, makePhantom("0", { shape: [8, 8, 8] }).volume, makePhantom("0").labels]) {
    assert.ok(made.history.length >= 1 && made.history.every((line) => line.length > 10), `${made.history}`);
  }
});
