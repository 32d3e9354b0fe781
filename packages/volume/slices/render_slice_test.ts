import { strict as assert } from "node:assert";
import { decode } from "fast-png";
import { extractSlice, makePhantom, renderSlicePng, type SliceImage } from "../mod.ts";

const image: SliceImage = {
  pixels: Float32Array.of(-100, 0, 100, 300, 50, 25),
  width: 3,
  height: 2,
  spacingMm: [1, 1],
};

Deno.test("renderSlicePng: a window maps its ends to black and white and clips beyond", () => {
  const { width, height, channels, depth, data } = decode(
    renderSlicePng(image, { window: { center: 50, width: 100 }, maxPixels: 3 }),
  );
  assert.deepEqual([width, height, channels, depth], [3, 2, 1, 8]);
  assert.deepEqual([...data], [0, 0, 255, 255, 128, 64]);
});

Deno.test("renderSlicePng: percentiles are the default; 0 and 100 are the extremes", () => {
  const { data } = decode(renderSlicePng(image, { percentiles: [0, 100], maxPixels: 3 }));
  assert.deepEqual([...data], [0, 64, 128, 255, 96, 80]);
});

Deno.test("renderSlicePng: pixels become square, the longer side has maxPixels", () => {
  const flat: SliceImage = { ...image, spacingMm: [3, 1] }; // 6 mm high, 3 mm wide
  const { width, height, data } = decode(renderSlicePng(flat, { window: { center: 100, width: 400 }, maxPixels: 60 }));
  assert.deepEqual([width, height], [30, 60]);
  const at = (row: number, column: number): number => data[row * width + column]!;
  assert.deepEqual([at(0, 0), at(0, 29), at(59, 0), at(59, 29)], [0, 128, 255, 80]); // the corners keep their values
  assert.ok(at(30, 0) > at(15, 0) && at(44, 0) > at(30, 0), "rows in between are interpolated");
});

Deno.test("renderSlicePng: a linear ramp stays linear to a grey level", () => {
  const ramp: SliceImage = {
    pixels: Float32Array.from({ length: 8 }, (_, x) => x),
    width: 8,
    height: 1,
    spacingMm: [8, 1],
  };
  const { width, data } = decode(renderSlicePng(ramp, { window: { center: 3.5, width: 7 }, maxPixels: 64 }));
  for (let column = 4; column < 60; column++) {
    const expected = (255 * ((column + 0.5) / 8 - 0.5)) / 7;
    assert.ok(Math.abs(data[32 * width + column]! - expected) <= 0.51, `${column}`);
  }
});

Deno.test("renderSlicePng: a constant slice and pixels that are not numbers are black", () => {
  const constant = decode(renderSlicePng({ ...image, pixels: new Float32Array(6).fill(7) }, { maxPixels: 3 }));
  assert.deepEqual([...constant.data], [0, 0, 0, 0, 0, 0]);
  const holes = decode(
    renderSlicePng({ ...image, pixels: Float32Array.of(NaN, 0, 1, 1, 1, 1) }, { maxPixels: 3, percentiles: [0, 100] }),
  );
  assert.deepEqual([...holes.data], [0, 0, 255, 255, 255, 255]);
  assert.equal(decode(renderSlicePng({ ...image, pixels: new Float32Array(6).fill(NaN) })).width, 256);
});

Deno.test("renderSlicePng: a torso is black around and bright at the spine", () => {
  const { volume } = makePhantom("png", { className: "no lesion" });
  const { image } = extractSlice(volume, "axial", 24);
  const { width, height, data } = decode(renderSlicePng(image, { window: { center: 40, width: 400 } }));
  assert.equal(Math.max(width, height), 256);
  assert.equal(data[0], 0);
  let white = 0;
  for (let row = Math.floor(height / 2); row < height; row++) if (data[row * width + width / 2] === 255) white++;
  assert.ok(white > 5, `${white} white pixels behind the middle`);
});

Deno.test("renderSlicePng: bad options are refused", () => {
  assert.throws(
    () => renderSlicePng(image, { maxPixels: 0 }),
    /maxPixels is out of range: got 0, expected an integer of 1…8192/,
  );
  assert.throws(
    () => renderSlicePng(image, { window: { center: 0, width: 0 } }),
    /the window is out of range: got center 0 and width 0/,
  );
  assert.throws(() => renderSlicePng(image, { percentiles: [60, 40] }), /percentiles are out of range: got 60 and 40/);
});
