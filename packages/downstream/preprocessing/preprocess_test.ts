import { createVolume, type Volume } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { type Preprocessing, preprocessScan } from "./preprocess.ts";

/** 4×5×6 voxels of 3×1×1 mm, stored from right to left. */
function scan(offset = 0, modality: Volume["modality"] = "MR"): Volume {
  const affine = Float64Array.of(-1, 0, 0, 5, 0, 1, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1);
  const data = Float32Array.from({ length: 120 }, (_, i) => i % 3 === 0 ? 0 : offset + i);
  return createVolume(data, [4, 5, 6], { affine, modality });
}

const PLAIN: Preprocessing = {
  orientation: "RAS+",
  spacingMm: null,
  resize: null,
  channels: [{ kind: "z-score", foreground: "nonzero" }],
};

Deno.test("preprocessScan: axes to RAS+, mean 0 and deviation 1 of what is not 0, and back bit for bit", () => {
  const given = scan();
  const { channels: [channel], chain } = preprocessScan([given], PLAIN);
  const inside = [...channel!.data].filter((_, i) => given.data[Math.floor(i / 6) * 6 + 5 - (i % 6)] !== 0);
  const mean = inside.reduce((sum, value) => sum + value, 0) / inside.length;
  const variance = inside.reduce((sum, value) => sum + (value - mean) ** 2, 0) / inside.length;
  assert.ok(Math.abs(mean) < 1e-6 && Math.abs(variance - 1) < 1e-5, `${mean}, ${variance}`);
  const labels = Uint8Array.from({ length: 120 }, (_, i) => i);
  const back = chain.invert(chain.follow(createVolume(labels, given.shape, { affine: given.affine })));
  assert.deepEqual(back.data, labels);
});

Deno.test("preprocessScan: resamples only where the spacing differs by more than a hundredth", () => {
  const kinds = (spacingMm: Preprocessing["spacingMm"]): string[] =>
    preprocessScan([scan()], { ...PLAIN, spacingMm }).chain.steps.map(({ kind }) => kind);
  assert.deepEqual(kinds([3.02, 1, 1]), ["axes"]);
  assert.deepEqual(kinds([1.5, 1, 1]), ["axes", "resample"]);
  assert.deepEqual(preprocessScan([scan()], { ...PLAIN, spacingMm: [1.5, 1, 1] }).channels[0]!.shape, [8, 5, 6]);
  assert.deepEqual(preprocessScan([scan()], { ...PLAIN, resize: [8, 8, 8] }).channels[0]!.shape, [8, 8, 8]);
});

Deno.test("preprocessScan: each channel by its own normalisation, on the first one's grid", () => {
  const how = [{ kind: "window", centerHu: 50, widthHu: 100 }, { kind: "percentiles", percentiles: [0, 100] }] as const;
  const { channels } = preprocessScan([scan(), scan(10)], { ...PLAIN, channels: how });
  assert.equal(channels.length, 2);
  assert.equal(channels[0]!.data[5], 0);
  assert.ok(Math.abs(channels[0]!.data[4]! - 0.01) < 1e-6, "voxel 1 of the scan has 1 HU and lies fifth from the left");
  assert.equal(Math.max(...channels[1]!.data), 1);
  assert.throws(
    () => preprocessScan([scan()], { ...PLAIN, channels: how }),
    /channels do not match: got 1, expected 2/,
  );
  const elsewhere = createVolume(new Float32Array(8), [2, 2, 2]);
  assert.throws(() => preprocessScan([scan(), elsewhere], { ...PLAIN, channels: how }), /another grid/);
});
