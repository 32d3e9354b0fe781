import type { Plane, SliceContext, SliceImage } from "@med3d/volume";
import fc from "fast-check";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { otsuThresholds } from "./_statistics.ts";
import { measureSlice } from "./measure_slice.ts";

const WIDTH = 96;
const HEIGHT = 80;
const SPACING: readonly [number, number] = [2, 2.5];

/** A slice painted from a function of millimetres from the centre: x to the viewer's right, y downwards. */
function paint(value: (x: number, y: number) => number, spacingMm = SPACING): SliceImage {
  const pixels = new Float32Array(WIDTH * HEIGHT);
  for (let row = 0; row < HEIGHT; row++) {
    for (let column = 0; column < WIDTH; column++) {
      const x = (column - (WIDTH - 1) / 2) * spacingMm[1];
      const y = (row - (HEIGHT - 1) / 2) * spacingMm[0];
      pixels[row * WIDTH + column] = value(x, y);
    }
  }
  return { pixels, width: WIDTH, height: HEIGHT, spacingMm };
}

function contextOf(plane: Plane, modality: SliceContext["modality"] = "CT"): SliceContext {
  return { modality, plane, index: 20, count: 41, relativePosition: 0.5 };
}

const inDisc = (x: number, y: number, [cx, cy, radius]: readonly [number, number, number]): boolean =>
  Math.hypot(x - cx, y - cy) <= radius;

/** A round body of 60 mm radius in air, with a disc of 20 mm diameter in it. */
function bodyWithDisc(disc: readonly [number, number, number], body = 40, lesion = 200): SliceImage {
  return paint((x, y) => (inDisc(x, y, disc) ? lesion : inDisc(x, y, [0, 0, 60]) ? body : -1000));
}

Deno.test("measureSlice: finds a disc of 20 mm on the patient's left, size, shape, tissue and place", () => {
  // The viewer's right is the patient's left on axial slices; up is anterior.
  const measured = measureSlice(bodyWithDisc([35, -30, 10]), contextOf("axial"));
  assert.equal(measured.regions.length, 1, "the ground tissue is no region");
  const [disc] = measured.regions;
  assert.equal(disc!.tissue, "contrast range");
  assert.equal(disc!.shape, "round");
  assert.deepEqual(disc!.place, { vertical: "anterior", horizontal: "left" });
  assert.ok(Math.abs(disc!.diameterMm - 20) < 1, `diameter ${disc!.diameterMm}`);
  assert.ok(Math.abs(disc!.areaMm2 - Math.PI * 100) < 25, `area ${disc!.areaMm2}`);
  const [focus] = measured.foci;
  assert.equal(measured.foci.length, 1);
  assert.equal(focus!.kind, "bright");
  assert.deepEqual(focus!.place, disc!.place);
  assert.ok(Math.abs(focus!.diameterMm - 20) < 4, `focus of ${focus!.diameterMm} mm`);
  assert.ok(focus!.difference > 80 && focus!.difference <= 160, `difference ${focus!.difference}`);
  assert.equal(measured.symmetry!.brighterSide, undefined, "160 HU in 3 % of the body do not outweigh air and body");
});

for (
  const [plane, disc, place] of [
    ["axial", [-35, 0, 10], { vertical: "central", horizontal: "right" }],
    ["axial", [0, 35, 10], { vertical: "posterior", horizontal: "midline" }],
    ["coronal", [-35, -30, 10], { vertical: "upper", horizontal: "right" }],
    ["coronal", [35, 30, 10], { vertical: "lower", horizontal: "left" }],
    ["sagittal", [-35, -30, 10], { vertical: "upper", horizontal: "anterior" }],
    ["sagittal", [35, 30, 10], { vertical: "lower", horizontal: "posterior" }],
    ["sagittal", [0, 0, 10], { vertical: "central", horizontal: "central" }],
  ] as const
) {
  Deno.test(`measureSlice: a disc at ${disc} on a ${plane} slice lies ${place.vertical} ${place.horizontal}`, () => {
    assert.deepEqual(measureSlice(bodyWithDisc(disc), contextOf(plane)).regions[0]!.place, place);
  });
}

Deno.test("measureSlice: body extent and share are those of the painted ellipse, air inside it belongs to it", () => {
  const ellipse = paint((x, y) => {
    if (inDisc(x, y, [20, 0, 15])) return -860; // a lung, which is inside
    return (x / 80) ** 2 + (y / 50) ** 2 <= 1 ? 30 : -1000;
  });
  const { body, fieldMm, tissues } = measureSlice(ellipse, contextOf("axial"));
  assert.deepEqual(fieldMm, [160, 240]);
  assert.ok(Math.abs(body.extentMm[0] - 100) <= 2 * SPACING[0], `${body.extentMm}`);
  assert.ok(Math.abs(body.extentMm[1] - 160) <= 2 * SPACING[1], `${body.extentMm}`);
  assert.ok(Math.abs(body.fraction - (Math.PI * 80 * 50) / (160 * 240)) < 0.005);
  assert.ok(body.hasSurroundings);
  const lung = tissues.find(({ name }) => name === "lung")!.fraction;
  assert.ok(Math.abs(lung - 225 / 4000) < 0.005, `lung ${lung}`);
});

Deno.test("measureSlice: HU fractions are exact, class borders included", () => {
  const values = [-951, -950, -401, -400, -31, -30, 129, 130, 299, 300]; // two per class but for air and bone: one
  const image: SliceImage = {
    pixels: Float32Array.from({ length: 400 }, (_, i) => {
      const [row, column] = [Math.floor(i / 20), i % 20];
      const inside = row > 4 && row < 15 && column > 4 && column < 15;
      return inside ? values[column - 5]! : row > 2 && row < 17 && column > 2 && column < 17 ? 40 : -1000;
    }),
    width: 20,
    height: 20,
    spacingMm: [1, 1],
  };
  const { tissues, body } = measureSlice(image, contextOf("axial"));
  assert.equal(body.fraction, 196 / 400);
  assert.deepEqual(
    tissues.map(({ name, fraction }) => [name, Math.round(fraction * 196)]),
    [["air", 10], ["lung", 20], ["fat", 20], ["soft tissue", 20 + 96], ["contrast range", 20], ["bone", 10]],
  );
});

Deno.test("measureSlice: shapes of a disc, a bar and a ring", () => {
  const shapeOf = (inside: (x: number, y: number) => boolean) =>
    measureSlice(
      paint((x, y) => (inside(x, y) ? 400 : inDisc(x, y, [0, 0, 75]) ? 40 : -1000)),
      contextOf("axial"),
    ).regions.find(({ tissue }) => tissue === "bone")!.shape;
  assert.equal(shapeOf((x, y) => inDisc(x, y, [0, 0, 20])), "round");
  assert.equal(shapeOf((x, y) => Math.abs(x - y) < 8 && Math.abs(x + y) < 60), "elongated");
  assert.equal(shapeOf((x, y) => inDisc(x, y, [0, 0, 40]) && !inDisc(x, y, [0, 0, 30])), "irregular");
});

Deno.test("measureSlice: a mirror image has symmetry 1; brighter sides are the patient's; sagittal slices have none", () => {
  const twin = paint((x, y) => (inDisc(Math.abs(x), y, [30, 0, 15]) ? 300 : inDisc(x, y, [0, 0, 60]) ? 40 : -1000));
  assert.deepEqual(measureSlice(twin, contextOf("axial")).symmetry, { correlation: 1 });
  const right = paint((x, y) => (inDisc(x, y, [0, 0, 60]) ? (x < 0 ? 300 : -300) : -1000));
  const { symmetry } = measureSlice(right, contextOf("coronal"));
  assert.ok(symmetry!.correlation < 0.6, `${symmetry!.correlation}`);
  assert.equal(symmetry!.brighterSide, "right");
  assert.equal(measureSlice(twin, contextOf("sagittal")).symmetry, undefined);
});

Deno.test("measureSlice: finds dark foci, and none in an even body under noise", () => {
  const dark = measureSlice(bodyWithDisc([-20, 0, 8], 100, 0), contextOf("axial"));
  assert.equal(dark.foci[0]!.kind, "dark");
  assert.equal(dark.foci[0]!.place.horizontal, "right");
  assert.ok(dark.foci[0]!.difference < -40);
  const noise = new Random("foci").normal(0, 20);
  const even = bodyWithDisc([0, 0, 0], 40, 40);
  even.pixels.forEach((value, index) => even.pixels[index] = value + (value > -500 ? noise() : 0));
  assert.deepEqual(measureSlice(even, contextOf("axial")).foci, []);
});

Deno.test("measureSlice: noise of 5, 20 and 60 HU is estimated within 15 %, none is found in a ramp", () => {
  for (const deviation of [5, 20, 60]) {
    const noise = new Random(`noise ${deviation}`).normal(0, deviation);
    const image = paint((x, y) => (inDisc(x, y, [0, 0, 70]) ? 40 + x + noise() : -1000));
    const found = measureSlice(image, contextOf("axial")).noise.deviation;
    assert.ok(Math.abs(found / deviation - 1) < 0.15, `${deviation}: ${found}`);
  }
  assert.ok(measureSlice(paint((x, y) => x + 2 * y), contextOf("axial")).noise.deviation < 1e-3);
});

Deno.test("measureSlice: MR classes are the three painted levels, surroundings are told from dark tissue", () => {
  const noise = new Random("mr").normal(0, 3);
  const image = paint((x, y) => {
    const level = inDisc(x, y, [0, 0, 20]) ? 400 : inDisc(x, y, [0, 0, 40]) ? 250 : inDisc(x, y, [0, 0, 60]) ? 120 : 0;
    return Math.abs(level + noise());
  });
  const { tissues, body } = measureSlice(image, contextOf("axial", "MR"));
  assert.ok(body.hasSurroundings);
  assert.ok(Math.abs(body.extentMm[1] - 120) <= 2 * SPACING[1]);
  const expected = [20 / 36, 12 / 36, 4 / 36];
  tissues.forEach(({ name, fraction }, index) => assert.ok(Math.abs(fraction - expected[index]!) < 0.01, name));
});

Deno.test("measureSlice: a crop without dark surroundings is all body", () => {
  const noise = new Random("crop").normal(0, 5);
  const { body } = measureSlice(paint((x) => 100 + x / 4 + noise()), contextOf("coronal", "MR"));
  assert.deepEqual(body, { extentMm: [160, 240], fraction: 1, hasSurroundings: false });
});

Deno.test("measureSlice: a constant slice, pure air and a single pixel are measured without complaint", () => {
  const air = measureSlice(paint(() => -1000), contextOf("axial"));
  assert.deepEqual([air.body.fraction, air.tissues, air.regions, air.foci, air.symmetry], [0, [], [], [], undefined]);
  for (const modality of ["CT", "MR", "unknown"] as const) {
    const constant = measureSlice(paint(() => 7), contextOf("axial", modality));
    assert.equal(constant.body.fraction, 1);
    assert.equal(constant.noise.deviation, 0);
    const pixel = { pixels: Float32Array.of(5), width: 1, height: 1, spacingMm: [1, 1] as const };
    assert.equal(measureSlice(pixel, contextOf("coronal", modality)).symmetry!.correlation, 1);
  }
});

Deno.test("measureSlice: scaling MR intensities changes nothing but values in their own unit", () => {
  const image = bodyWithDisc([30, 10, 10], 300, 700);
  const mr = { ...image, pixels: image.pixels.map((value) => Math.max(0, value)) };
  const scaled = { ...mr, pixels: mr.pixels.map((value) => value * 8) }; // a power of two: exact in float32
  const [a, b] = [mr, scaled].map((slice) => measureSlice(slice, contextOf("axial", "MR")));
  assert.deepEqual(b!.regions, a!.regions);
  assert.deepEqual(b!.tissues, a!.tissues);
  assert.deepEqual(
    b!.foci.map(({ place, diameterMm }) => [place, diameterMm]),
    a!.foci.map((f) => [f.place, f.diameterMm]),
  );
});

Deno.test("measureSlice: mirrored slices have mirrored places and equal sizes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 12, max: 45 }), fc.integer({ min: -35, max: 35 }), (x, y) => {
      const [a, b] = [x, -x].map((center) =>
        measureSlice(bodyWithDisc([center, y, 9]), contextOf("axial")).regions[0]!
      );
      assert.deepEqual([a!.place.horizontal, b!.place.horizontal], ["left", "right"]);
      assert.equal(a!.areaMm2, b!.areaMm2);
    }),
    { numRuns: 40, seed: 7 },
  );
});

Deno.test("measureSlice: malformed slices are refused with value and remedy", () => {
  const good = bodyWithDisc([0, 0, 10]);
  const context = contextOf("axial");
  assert.throws(() => measureSlice({ ...good, width: 5 }, context), /RangeError.*got 7680 pixels, expected .*80 × 5/s);
  assert.throws(() => measureSlice({ ...good, spacingMm: [0, 1] }, context), /bad spacing: got \[0,1\] mm/);
  const broken = { ...good, pixels: good.pixels.with(97, NaN) };
  assert.throws(() => measureSlice(broken, context), /got NaN in row 1, column 1/);
  assert.throws(() => measureSlice(good, { ...context, relativePosition: 1.5 }), /relativePosition.*got 1.5/);
});

Deno.test("otsuThresholds: separates three heaps, thresholds in the middle of the gaps", () => {
  const values = [0, 1, 2, 50, 51, 98, 99, 100];
  const [lower, upper] = otsuThresholds(values, 0, 100);
  assert.ok(lower > 2 && lower < 50 && upper > 51 && upper < 98, `${lower} ${upper}`);
  assert.ok(Math.abs(lower - 26) < 2 && Math.abs(upper - 75) < 2, `${lower} ${upper}`);
  assert.deepEqual(otsuThresholds([3, 3], 3, 3), [3, 3]);
});
