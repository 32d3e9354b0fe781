import { strict as assert } from "node:assert";
import { applyAffine, createVolume, GridChain, makePhantom, multiplyAffines, type Volume } from "../mod.ts";

const OBLIQUE = Float64Array.of(...[0.1, -1.1, 0.2, 30], ...[0.05, 0.1, 2.4, -20], ...[1.4, 0.2, -0.1, 7], ...[
  0,
  0,
  0,
  1,
]);

function scanOf(shape: readonly [number, number, number], value: (voxel: number) => number): Volume {
  const data = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => value(i));
  return createVolume(data, shape, { affine: OBLIQUE, modality: "MR" });
}

/** Voxels that hold a weighted sum of their world position, so that any misplacement shows. */
function worldRamp(shape: readonly [number, number, number]): Volume {
  return scanOf(shape, (i) => {
    const [z, rest] = [Math.floor(i / (shape[1] * shape[2])), i % (shape[1] * shape[2])];
    const [x, y, s] = applyAffine(OBLIQUE, [rest % shape[2], Math.floor(rest / shape[2]), z]);
    return 0.7 * x - 1.9 * y + 0.3 * s;
  });
}

Deno.test("GridChain: without resampling a prediction comes back bit for bit, and its affine is the scan's own", () => {
  const scan = scanOf([7, 9, 11], (i) => i);
  const chain = GridChain.from(scan).padOrCrop([8, 9, 10]).toCanonical().padOrCrop([12, 12, 12], {
    start: [-1, -2, 0],
  });
  assert.deepEqual(chain.steps.map(({ kind }) => kind), ["box", "axes", "box"]);
  const prediction = Uint16Array.from(chain.volume.data, (value) => value + 1);
  const back = chain.invert(prediction, { fill: 0 });
  assert.ok(back.data instanceof Uint16Array);
  assert.deepEqual([back.shape, back.affine, back.modality], [scan.shape, scan.affine, "MR"]);
  let lost = 0;
  back.data.forEach((value: number, i: number) => value === 0 ? lost++ : assert.equal(value, scan.data[i]! + 1));
  assert.equal(lost, 7 * 9, "the plane that was cropped away");
});

Deno.test("GridChain: a scan comes back through canonical, resampling and padding onto its world positions", () => {
  const scan = worldRamp([12, 14, 16]);
  for (const spacingMm of [0.8, 1.3, [2.9, 0.7, 1.9]] as (number | [number, number, number])[]) {
    const chain = GridChain.from(scan).toCanonical().resample({ spacingMm }).padOrCrop([40, 40, 40], { fill: 1e6 });
    const back = chain.invert(chain.volume, { kind: "image", interpolation: "linear" });
    assert.deepEqual([back.shape, back.affine], [scan.shape, scan.affine]);
    let interior = 0;
    for (let z = 3; z < 9; z++) {
      for (let y = 3; y < 11; y++) {
        for (let x = 3; x < 13; x++) {
          const at = (z * 14 + y) * 16 + x;
          assert.ok(Math.abs(back.data[at]! - scan.data[at]!) < 1e-4, `${back.data[at]}, expected ${scan.data[at]}`);
          interior++;
        }
      }
    }
    assert.equal(interior, 480);
  }
});

Deno.test("GridChain: finer voxels give labels back bit for bit, coarser ones nearly; follow takes labels where the scan went", () => {
  const { volume, labels } = makePhantom("chain", { kind: "mr-brain", shape: [30, 36, 32] });
  const turn = Float64Array.of(-1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1);
  const affine = multiplyAffines(turn, volume.affine);
  const scan = createVolume(volume.data, volume.shape, { affine });
  const truth = createVolume(labels.data, labels.shape, { affine });
  const fine = GridChain.from(scan).toCanonical().resize([72, 90, 96]).padOrCrop([80, 80, 100]);
  const finer = fine.follow(truth);
  assert.deepEqual([finer.shape, finer.affine], [fine.volume.shape, fine.volume.affine]);
  assert.ok(finer.data instanceof Uint8Array);
  const uncropped = GridChain.from(scan).toCanonical().resize([72, 90, 96]).padOrCrop([80, 90, 100]);
  assert.deepEqual(uncropped.invert(uncropped.follow(truth)).data, truth.data);
  const coarse = GridChain.from(scan).toCanonical().resample({ spacingMm: scan.spacingMm[0] * 1.4 });
  for (const interpolation of ["nearest", "one-hot"] as const) {
    const back = coarse.invert(coarse.follow(truth, { interpolation }), { interpolation });
    const overlap = truth.data.filter((value, i) => value > 0 && back.data[i]! > 0).length;
    const dice = 2 * overlap / (truth.data.filter((v) => v > 0).length + back.data.filter((v) => v > 0).length);
    assert.ok(dice > 0.95, `${interpolation}: Dice ${dice}`);
  }
});

Deno.test("GridChain: probabilities still add up to 1, cropped voxels are background, and the likeliest class is taken", () => {
  const scan = scanOf([10, 12, 14], (i) => i);
  const chain = GridChain.from(scan).padOrCrop([10, 9, 14]).toCanonical().resample({ spacingMm: 1.7 }).padOrCrop([
    20,
    8,
    20,
  ]);
  const classes = 3;
  const voxels = chain.volume.data.length;
  const probabilities = new Float32Array(voxels * classes);
  for (let i = 0; i < voxels; i++) {
    const weights = [1.1 + Math.sin(i * 0.7), 1.1 + Math.cos(i * 0.31), 1.1 + Math.sin(i * 1.9 + 2)];
    const total = weights.reduce((sum, w) => sum + w, 0);
    weights.forEach((w, c) => probabilities[i * classes + c] = w / total);
  }
  const options = { classes, background: 1 };
  const back = chain.invertProbabilities(probabilities, options);
  const chosen = chain.invertToLabels(probabilities, options);
  assert.ok(chosen.data instanceof Uint8Array);
  assert.deepEqual([chosen.shape, chosen.affine], [scan.shape, scan.affine]);
  assert.match(chosen.history.join("\n"), /likeliest of 3 classes/);
  const seen = new Set<number>();
  for (let i = 0; i < scan.data.length; i++) {
    const shares = back.map(({ data }) => data[i]!);
    assert.ok(Math.abs(shares.reduce((sum, p) => sum + p, 0) - 1) < 1e-6);
    assert.equal(chosen.data[i], shares.indexOf(Math.max(...shares)));
    if (i % (12 * 14) < 14) assert.deepEqual(shares, [0, 1, 0]); // the first row had been cropped away
    seen.add(chosen.data[i]!);
  }
  assert.equal(seen.size, 3);
});

Deno.test("GridChain: normalising leaves the steps, and what is on another grid is refused", () => {
  const scan = scanOf([6, 7, 8], (i) => i);
  const chain = GridChain.from(scan).toCanonical().resample({ spacingMm: 2, interpolation: "cubic" });
  const mapped = chain.map((volume) => createVolume(volume.data.map((v) => v / 2), volume.shape, volume));
  assert.equal(mapped.steps, chain.steps);
  assert.equal(mapped.volume.data[5], chain.volume.data[5]! / 2);
  assert.throws(() => chain.map(() => scan), /Cannot map the chain's volume: the volume is on another grid/);
  assert.throws(() => chain.invert(scan), /RangeError: Cannot invert the chain: the volume is on another grid/);
  assert.throws(() => chain.invert(new Uint8Array(5)), /got 5 voxels, expected/);
  assert.throws(() => chain.invert(chain.volume, { interpolation: "linear" }), /labels cannot be mixed/);
  const moved = createVolume(scan.data, scan.shape, { affine: OBLIQUE.map((v, i) => i === 3 ? v + 0.01 : v) });
  assert.throws(() => chain.follow(moved), /Cannot follow the chain: the volume is on another grid/);
  for (const classes of [0, 2.5, 2]) {
    assert.throws(
      () => chain.invertProbabilities(new Float32Array(7), { classes }),
      /values, voxels and classes disagree/,
    );
  }
});
