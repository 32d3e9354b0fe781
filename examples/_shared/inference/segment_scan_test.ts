import { createVolume, orientationOf, toCanonical, type Volume } from "@med3d/volume";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { type SegmentDescription, segmentScan } from "./segment_scan.ts";

type Triple = [number, number, number];

const SHAPE: Triple = [6, 8, 10];
const SPACING_MM: Triple = [2.5, 1, 1.5];
const LEFT = 3;
const RIGHT = 200;

/** Classes whose channel is known, values that are not channel numbers, and intensities left as they are: CT from 0 to 100 HU as 0 to 1. */
const DESCRIPTION: SegmentDescription = {
  classes: [{ name: "background", value: 0 }, { name: "left", value: LEFT }, { name: "right", value: RIGHT }],
  regions: null,
  outChannels: 3,
  patch: [6, 8, 10],
  mirrorAxes: [],
  preprocessing: {
    orientation: "RAS+",
    spacingMm: null,
    resize: null,
    channels: [{ kind: "window", centerHu: 50, widthHu: 100 }],
  },
};

/** All ways to permute and flip three axes. */
const AXES: { order: Triple; flips: Triple }[] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
  .flatMap((order) =>
    Array.from(
      { length: 8 },
      (_, bits) => ({ order: order as Triple, flips: [bits & 1, (bits >> 1) & 1, bits >> 2] as Triple }),
    )
  );

/** A scan in RAS+ order: a block of 90 HU in the left half of the patient, one of 70 HU at another place in the right half. */
function patient(): { scan: Volume; truth: Volume } {
  const [depth, height, width] = SHAPE;
  const scan = new Int16Array(depth * height * width);
  const truth = new Uint8Array(scan.length);
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = (z * height + y) * width + x;
        const isLeft = x >= 1 && x <= 3 && y <= 2 && z >= 3;
        const isRight = x >= 6 && y >= 4 && y <= 6 && z <= 3;
        scan[i] = isLeft ? 90 : isRight ? 70 : 5 + (i % 7);
        truth[i] = isLeft ? LEFT : isRight ? RIGHT : 0;
      }
    }
  }
  const affine = Float64Array.of(
    SPACING_MM[2],
    0,
    0,
    -7,
    0,
    SPACING_MM[1],
    0,
    11,
    0,
    0,
    SPACING_MM[0],
    -30,
    0,
    0,
    0,
    1,
  );
  const onGrid = (data: Int16Array | Uint8Array): Volume => createVolume(data, SHAPE, { affine, modality: "CT" });
  return { scan: onGrid(scan), truth: onGrid(truth) };
}

/** The same voxels in the same places of the world, stored in another order of axes. */
function stored(volume: Volume, { order, flips }: (typeof AXES)[number]): Volume {
  const shape = order.map((axis) => volume.shape[axis]!) as Triple;
  const data = volume.data.slice();
  const index = (place: Triple): Triple => {
    const old: Triple = [0, 0, 0];
    order.forEach((axis, i) => old[axis] = flips[i] ? shape[i]! - 1 - place[i]! : place[i]!);
    return old;
  };
  let to = 0;
  for (let a = 0; a < shape[0]; a++) {
    for (let b = 0; b < shape[1]; b++) {
      for (let c = 0; c < shape[2]; c++) {
        const [z, y, x] = index([a, b, c]);
        data[to++] = volume.data[(z * volume.shape[1] + y) * volume.shape[2] + x]!;
      }
    }
  }
  const world = ([z, y, x]: Triple): Triple =>
    [0, 1, 2].map((row) => {
      const [i, j, k, t] = volume.affine.slice(4 * row, 4 * row + 4);
      return i! * x + j! * y + k! * z + t!;
    }) as Triple;
  const origin = world(index([0, 0, 0]));
  const columns = ([[0, 0, 1], [0, 1, 0], [1, 0, 0]] as Triple[]).map((step) =>
    world(index(step)).map((value, row) => value - origin[row]!)
  );
  const affine = Float64Array.from(
    [0, 1, 2].flatMap((row) => [...columns.map((column) => column[row]!), origin[row]!]).concat(0, 0, 0, 1),
  );
  return createVolume(data, shape, { affine, modality: "CT" });
}

/** Tells sides by where they lie in what the network is shown: bright voxels are "left" in the first half of the width, else "right". */
function sideNetwork(seen: (input: tf.Tensor5D) => void = () => {}): { apply(x: tf.Tensor5D): tf.Tensor5D } {
  return {
    apply: (x) => {
      seen(x);
      const width = x.shape[3];
      const side = tf.reshape(tf.tensor1d(Array.from({ length: width }, (_, i) => i < width / 2 ? 9 : -9)), [
        1,
        1,
        1,
        width,
        1,
      ]);
      const bright = tf.mul(tf.sub(x, 0.5), 40); // above 0 from 50 HU on
      return tf.concat([tf.mul(bright, 0), tf.add(bright, side), tf.sub(bright, side)], 4) as tf.Tensor5D;
    },
  };
}

testOnBackends(
  "segmentScan: in all 48 axis orders labels land on the right voxels, left stays left, and the network sees RAS+",
  async () => {
    const { scan, truth } = patient();
    const canonical = Float32Array.from(scan.data, (value) => value / 100);
    const orders = new Set<string>();
    for (const axes of AXES) {
      const given = stored(scan, axes);
      orders.add(orientationOf(given.affine));
      assert.deepEqual([...toCanonical(given).volume.data], [...scan.data], "the test stores what it means to");
      let shown: Promise<Float32Array> | undefined;
      const network = sideNetwork((input) => shown = input.clone().data<"float32">());
      const { labels } = await segmentScan([given], { network, description: DESCRIPTION });
      assert.deepEqual(labels.shape, given.shape);
      assert.deepEqual([...labels.affine], [...given.affine]);
      assert.deepEqual([...labels.data], [...stored(truth, axes).data], orientationOf(given.affine));
      (await shown!).forEach((value, i) => assert.ok(Math.abs(value - canonical[i]!) < 1e-6));
    }
    assert.equal(orders.size, 48);
  },
);

testOnBackends(
  "segmentScan: thick slices are resampled and come back onto the scan's own voxels, in every axis order",
  async () => {
    const { scan, truth } = patient();
    const preprocessing = { ...DESCRIPTION.preprocessing, spacingMm: [1.25, 1, 1.5] as const };
    const description = { ...DESCRIPTION, preprocessing, patch: [12, 8, 10] as [number, number, number] };
    for (const axes of AXES.filter((_, i) => i % 5 === 0)) {
      const given = stored(scan, axes);
      const { labels, probabilities } = await segmentScan([given], { network: sideNetwork(), description }, {
        probabilities: true,
      });
      const expected = Array.from<number>(stored(truth, axes).data);
      assert.deepEqual(labels.shape, given.shape);
      const wrong = expected.reduce((count, value, i) => count + (value === labels.data[i] ? 0 : 1), 0);
      assert.equal(wrong, 0, `${wrong} voxels of ${orientationOf(given.affine)}`);
      assert.deepEqual([...probabilities.keys()], ["background", "left", "right"]);
      const sums = [...probabilities.values()].reduce(
        (sum, { data }) => sum.map((value, i) => value + data[i]!),
        new Array<number>(expected.length).fill(0),
      );
      assert.ok(sums.every((sum) => Math.abs(sum - 1) < 1e-4));
      const left = probabilities.get("left")!.data;
      expected.forEach((value, i) => assert.equal(left[i]! > 0.5, value === LEFT));
    }
  },
);
