import { decode } from "fast-png";
import { strict as assert } from "node:assert";
import { createVolume, renderPlanesPng } from "../mod.ts";

const affine = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1);

Deno.test("renderPlanesPng: three planes at one scale in millimetres, wide as asked", () => {
  const volume = createVolume(Float32Array.from({ length: 5 * 30 * 40 }, (_, i) => i % 40), [5, 30, 40], { affine });
  const { width, height, channels } = decode(renderPlanesPng(volume, { maxPixels: 228 })); // 40 + 40 + 30 mm in 220 pixels
  assert.deepEqual([width, height, channels], [228, 60, 3]); // the axial slice is the tallest: 30 mm at 2 pixels each
});

Deno.test("renderPlanesPng: goes through the voxel asked for, each plane as a radiologist sees it", () => {
  const volume = createVolume(new Uint8Array(4 * 4 * 4), [4, 4, 4]);
  volume.data[(3 * 4 + 2) * 4 + 0] = 255; // superior, anterior of the middle, on the patient's left
  const { width, data } = decode(renderPlanesPng(volume, { maxPixels: 20, at: [3, 2, 0], percentiles: [0, 100] }));
  const grey = (row: number, column: number): number => data[(row * width + column) * 3]!;
  const bright = Array.from({ length: 4 * width }, (_, i) => [Math.floor(i / width), i % width] as const)
    .filter(([row, column]) => grey(row, column) > 0);
  assert.deepEqual(bright, [[0, 11], [0, 17], [1, 3]]); // coronal, sagittal, axial; the patient's left on the viewer's right
});

Deno.test("renderPlanesPng: labels get colours of their own where most of them are, never a mixture", () => {
  const volume = createVolume(new Uint8Array(8 * 8 * 8), [8, 8, 8]);
  for (const [y, x] of [[1, 1], [1, 2], [2, 1], [5, 6]] as const) volume.data[(6 * 8 + y) * 8 + x] = y === 5 ? 2 : 1;
  const { data } = decode(renderPlanesPng(volume, { labels: true, maxPixels: 512 }));
  const colours = new Set<string>();
  for (let at = 0; at < data.length; at += 3) colours.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
  assert.equal(colours.size, 3);
  assert.ok(colours.has("0,0,0"));
  assert.ok(
    decode(renderPlanesPng(createVolume(new Uint8Array(8), [2, 2, 2]), { labels: true })).width > 0,
    "none at all",
  );
});

Deno.test("renderPlanesPng: bad options and volumes are refused; NaN and flat volumes are black", () => {
  const volume = createVolume(new Float32Array(8).fill(NaN), [2, 2, 2]);
  assert.ok(decode(renderPlanesPng(volume, { maxPixels: 32 })).data.every((value) => value === 0));
  for (const maxPixels of [0, 15, 1.5, 9000]) assert.throws(() => renderPlanesPng(volume, { maxPixels }), RangeError);
  assert.throws(() => renderPlanesPng(volume, { at: [2, 0, 0] }), /index lies outside/);
  assert.throws(() => renderPlanesPng(volume, { percentiles: [5, 5] }), /percentiles are out of range/);
  const flipped = createVolume(new Uint8Array(8), [2, 2, 2], {
    affine: Float64Array.of(-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
  });
  assert.throws(() => renderPlanesPng(flipped), /not canonical/);
});
