import { strict as assert } from "node:assert";
import { createVolume, type Interpolation, resampleToGrid, resampleVolume, resizeVolume, type Volume } from "../mod.ts";

type Shape = [number, number, number];

interface Oracle {
  readonly zoomed: { shape: Shape; cubic: number[] }[];
  readonly clipped: { shape: Shape; cubic: number[] }[];
  readonly smoothed: { shape: Shape; order: 1 | 3; values: number[] }[];
  readonly thick: { axis: number; shape: Shape; cubic: number[] }[];
  readonly oblique: number[][];
  readonly labels: { shape: Shape; values: number[]; voted: { shape: Shape; values: number[] }[] };
}

interface Image {
  readonly shape: Shape;
  readonly affine: number[];
  readonly image: number[];
  readonly regridded: { shape: Shape; affine: number[] }[];
}

const oracle: Oracle = JSON.parse(await Deno.readTextFile(new URL("./testdata/spline.json", import.meta.url)));
const image: Image = JSON.parse(await Deno.readTextFile(new URL("../testdata/resample.json", import.meta.url)));
const volume = createVolume(Float64Array.from(image.image), image.shape, { affine: Float64Array.from(image.affine) });
const single = createVolume(Float32Array.from(image.image), image.shape, { affine: Float64Array.from(image.affine) });
const CUBIC = { interpolation: "cubic", acrossSlices: "same", clip: false } as const;

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i]! - expected[i]!) <= tolerance, `${actual[i]} at ${i}, expected ${expected[i]}`);
  }
}

/** A volume whose voxels are `edgesMm` long. */
function withSpacing(from: Volume, [depth, height, width]: readonly [number, number, number]): Volume {
  const affine = Float64Array.of(width, 0, 0, 0, 0, height, 0, 0, 0, 0, depth, 0, 0, 0, 0, 1);
  return createVolume(from.data, from.shape, { affine });
}

Deno.test("resizeVolume: cubic equals scipy.ndimage.zoom of order 3 in grid mode, in both precisions", () => {
  for (const { shape, cubic } of oracle.zoomed) {
    assertClose(resizeVolume(volume, shape, CUBIC).data, cubic, 1e-6); // SciPy pads by 12 voxels, we by infinitely many
    assertClose(resizeVolume(single, shape, CUBIC).data, cubic, 3e-6);
  }
});

Deno.test("resizeVolume: cubic keeps the volume's range as skimage.transform.resize does", () => {
  for (const { shape, cubic } of oracle.clipped) {
    const { data } = resizeVolume(volume, shape, { interpolation: "cubic", acrossSlices: "same" });
    assertClose(data, cubic, 1e-6);
  }
  const range = [Math.min(...volume.data), Math.max(...volume.data)] as const;
  const isInside = (v: number) => v >= range[0] && v <= range[1];
  assert.ok(!resizeVolume(volume, [11, 13, 15], CUBIC).data.every(isInside), "this test must see an overshoot");
});

Deno.test("resizeVolume: antialias smooths as skimage.transform.resize does, and only axes that are reduced", () => {
  for (const { shape, order, values } of oracle.smoothed) {
    const interpolation: Interpolation = order === 1 ? "linear" : "cubic";
    const smooth = resizeVolume(volume, shape, { ...CUBIC, interpolation, antialias: true });
    assertClose(smooth.data, values, 1e-6);
    assert.match(smooth.history.at(-1)!, /smoothed before the reduction/);
  }
  const grown = resizeVolume(volume, [7, 8, 9], { ...CUBIC, antialias: true });
  assert.deepEqual(grown.data, resizeVolume(volume, [7, 8, 9], CUBIC).data);
  assert.doesNotMatch(grown.history.at(-1)!, /smoothed/);
  const labels = createVolume(Uint8Array.from({ length: 210 }, (_, i) => i % 3), volume.shape);
  const voted = { kind: "label", interpolation: "one-hot" } as const;
  const few = resizeVolume(labels, [2, 3, 3], { ...voted, antialias: true });
  assert.deepEqual(few, resizeVolume(labels, [2, 3, 3], voted), "labels are not smoothed");
});

Deno.test("resizeVolume: thick slices are followed by the spline in plane and taken nearest across, as nnU-Net does", () => {
  for (const { axis, shape, cubic } of oracle.thick) {
    const scan = withSpacing(volume, [1, 1, 1].with(axis, 3.5) as Shape);
    const resized = resizeVolume(scan, shape, { interpolation: "cubic", clip: false });
    assertClose(resized.data, cubic, 1e-6);
    const isTold = resized.history.at(-1)!.includes(
      `in plane and nearest across ${["depth", "height", "width"][axis]}`,
    );
    assert.equal(isTold, shape[axis] !== volume.shape[axis]);
  }
});

Deno.test("resampleVolume: slices are thick above the ratio alone, before or after, and along one axis only", () => {
  const isAcross = (from: Shape, to: Shape, options = {}) => {
    const resampled = resampleVolume(withSpacing(volume, from), { spacingMm: to, interpolation: "cubic", ...options });
    return /nearest across/.test(resampled.history.at(-1)!);
  };
  assert.equal(isAcross([3, 1, 1], [2, 1, 1]), false);
  assert.equal(isAcross([3.01, 1, 1], [2, 1, 1]), true);
  assert.equal(isAcross([3, 1, 1], [4, 1, 1]), true, "thick afterwards");
  assert.equal(isAcross([0.24, 1.25, 1.25], [1, 1, 1]), false, "two axes are longest");
  assert.equal(isAcross([3.01, 1, 1], [2, 1, 1], { acrossSlices: "same" }), false);
  assert.equal(isAcross([3.01, 1, 1], [2, 1, 1], { thickRatio: 4 }), false);
  assert.equal(isAcross([3.01, 1, 1], [2, 1, 1], { interpolation: "linear" }), false);
  assert.equal(isAcross([3.01, 1, 1], [2, 1, 1], { interpolation: "linear", acrossSlices: "nearest" }), true);
});

Deno.test("resampleToGrid: cubic equals scipy.ndimage.map_coordinates of order 3 on oblique grids", () => {
  oracle.oblique.forEach((expected, i) => {
    const { shape, affine } = image.regridded[i]!;
    const reference = { shape, affine: Float64Array.from(affine) };
    assertClose(resampleToGrid(volume, reference, CUBIC).data, expected, 1e-6);
  });
});

Deno.test("resampleToGrid: along parallel axes, in whatever order and direction, equals the way for oblique grids", () => {
  const turned = [ // width, height and depth of the reference run along these axes of the volume
    [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    [[0, 0, -1], [0, -1, 0], [-1, 0, 0]],
  ];
  const bytes = createVolume(Uint8Array.from(volume.data, (v) => Math.floor(4 * v) & 3), volume.shape);
  for (const columns of turned) {
    for (const step of [0.61, 1, 1.7]) {
      const affine = new Float64Array(16);
      columns.forEach((column, c) => column.forEach((value, r) => affine[r * 4 + c] = value * step));
      affine.set([3.1], 3);
      affine.set([2.2], 7);
      affine.set([1.9], 11);
      affine[15] = 1;
      const tilted = affine.map((value, i) => i === 1 ? value + 4e-7 : value); // too little to see, too much to be parallel
      const shape: Shape = [9, 8, 7];
      const plain = withSpacing(volume, [1, 1, 1]);
      for (const interpolation of ["linear", "cubic"] as const) {
        const options = { ...CUBIC, interpolation, fill: -9 };
        const straight = resampleToGrid(plain, { shape, affine }, options);
        assertClose(straight.data, resampleToGrid(plain, { shape, affine: tilted }, options).data, 5e-5);
        assert.ok(straight.data.includes(-9), "part of it lies outside");
      }
      for (const interpolation of ["nearest", "one-hot"] as const) {
        const options = { kind: "label", interpolation, fill: 9 } as const;
        const straight = resampleToGrid(bytes, { shape, affine }, options);
        const other = resampleToGrid(bytes, { shape, affine: tilted }, options);
        const differing = straight.data.filter((value, i) => value !== other.data[i]).length;
        assert.ok(differing <= 6, `${differing} differ`); // a tie may fall either way
        assert.ok(straight.data instanceof Uint8Array);
      }
    }
  }
});

Deno.test("resizeVolume: one-hot labels equal the vote of labels interpolated one by one, ties going to the lower", () => {
  const { shape, values, voted } = oracle.labels;
  const labels = createVolume(Uint8Array.from(values), shape);
  for (const { shape: to, values: expected } of voted) {
    const { data } = resizeVolume(labels, to, { kind: "label", interpolation: "one-hot" });
    assert.ok(data instanceof Uint8Array);
    assert.deepEqual([...data], expected);
  }
  const scan = withSpacing(createVolume(Uint8Array.of(1, 2), [2, 1, 1]), [4, 1, 1]);
  const across = (options: { acrossSlices?: "same" }) =>
    resizeVolume(scan, [6, 2, 2], { kind: "label", interpolation: "one-hot", ...options }).history.at(-1)!;
  assert.match(
    across({}),
    /one-hot interpolation in plane and nearest across depth/,
    "where images are taken nearest too",
  );
  assert.doesNotMatch(across({ acrossSlices: "same" }), /nearest/);
  const pair = createVolume(Int16Array.of(7, -2), [1, 1, 2]);
  assert.deepEqual([...resizeVolume(pair, [1, 1, 1], { kind: "label", interpolation: "one-hot" }).data], [-2]);
  assert.throws(
    () => resizeVolume(pair, [1, 1, 1], { interpolation: "one-hot" }),
    /one-hot interpolation is for labels/,
  );
  assert.throws(() => resizeVolume(pair, [1, 1, 1], { thickRatio: 0 }), /bad thickRatio: got 0/);
});

Deno.test("resizeVolume: every order of passes gives what one axis after the other gives", () => {
  const [depth, height, width] = volume.shape;
  for (const shape of [[3, 13, 14], [3, 4, 5], [12, 4, 5], [9, 11, 5], [3, 6, 7], [9, 6, 7], [5, 9, 7]] as Shape[]) {
    const atOnce = resizeVolume(volume, shape, CUBIC);
    let stepwise = resizeVolume(volume, [depth, height, shape[2]], CUBIC);
    stepwise = resizeVolume(stepwise, [depth, shape[1], shape[2]], CUBIC);
    assertClose(atOnce.data, resizeVolume(stepwise, shape, CUBIC).data, 1e-12);
  }
  assert.deepEqual([depth, height, width], [5, 6, 7]);
});

Deno.test("resizeVolume: cubic reproduces a cubic polynomial's straight part, and constants everywhere", () => {
  const ramp = createVolume(Float64Array.from({ length: 60 }, (_, x) => 3 * x - 2), [1, 1, 60]);
  const fine = resizeVolume(ramp, [1, 1, 120], CUBIC).data;
  for (let x = 40; x < 80; x++) assert.ok(Math.abs(fine[x]! - (3 * ((x + 0.5) / 2 - 0.5) - 2)) < 1e-9);
  const flat = createVolume(new Float32Array(343).fill(7), [7, 7, 7]);
  assert.ok(resizeVolume(flat, [9, 4, 30], CUBIC).data.every((value) => value === 7));
});
