import { renderSlicePng } from "@med3d/volume";
import { decode } from "fast-png";
import { strict as assert } from "node:assert";
import { sliceOf } from "../testdata/slices.ts";
import { renderForModel } from "./render_for_model.ts";

const { image, context } = sliceOf("render"); // 40 mm high, 36 mm wide

Deno.test("renderForModel: a CT in its window and an MR by percentiles are what the volume package renders", () => {
  const soft = renderForModel(image, context, { maxPixels: 80 });
  assert.deepEqual(soft.png, renderSlicePng(image, { window: { center: 40, width: 400 }, maxPixels: 80 }));
  assert.deepEqual([soft.width, soft.height, soft.window], [72, 80, "CT soft-tissue window -160 to 240 HU"]);
  const lung = renderForModel(image, context, { maxPixels: 80, ctWindow: "lung" });
  assert.equal(lung.window, "CT lung window -1350 to 150 HU");
  const mr = renderForModel(image, { ...context, modality: "MR" }, { maxPixels: 80, ctWindow: "lung" });
  assert.deepEqual(mr.png, renderSlicePng(image, { maxPixels: 80 }));
  assert.equal(mr.window, "MR 0.5th to 99.5th percentile");
});

Deno.test("renderForModel: a montage has soft tissue, lung and bone side by side", () => {
  const montage = renderForModel(image, context, { maxPixels: 40, ctWindow: "montage" });
  const { width, height, data } = decode(montage.png);
  assert.deepEqual([width, height], [3 * 36 + 2 * 4, 40]);
  assert.match(montage.window, /^CT soft-tissue window .*, CT lung window .*, CT bone window -500 to 1300 HU$/);
  for (const [index, ctWindow] of (["soft-tissue", "lung", "bone"] as const).entries()) {
    const tile = decode(renderForModel(image, context, { maxPixels: 40, ctWindow }).png);
    for (let row = 0; row < 40; row++) {
      const start = row * width + index * 40;
      assert.deepEqual([...data.subarray(start, start + 36)], [...tile.data.subarray(row * 36, (row + 1) * 36)]);
    }
  }
});

Deno.test("renderForModel: the legend stands below the slice, which is left as it is, and differs by plane and position", () => {
  const plain = decode(renderForModel(image, context, { maxPixels: 200 }).png);
  const strips = ([["axial", 11], ["coronal", 11], ["axial", 30]] as const).map(([plane, index]) => {
    const { png } = renderForModel(image, { ...context, plane, index }, { maxPixels: 200, legend: true });
    const { width, height, data } = decode(png);
    assert.deepEqual([width, height], [plain.width, plain.height + 24]);
    assert.deepEqual(data.subarray(0, plain.data.length), plain.data);
    const strip = data.subarray(plain.data.length);
    const white = strip.filter((value) => value === 255).length;
    assert.ok(white > 200 && white < strip.length / 4, `${white}`);
    return strip.join();
  });
  assert.equal(new Set(strips).size, 3);
});

Deno.test("renderForModel: sizes out of range are refused", () => {
  for (const maxPixels of [31, 2049, 40.5, NaN]) {
    assert.throws(
      () => renderForModel(image, context, { maxPixels }),
      /maxPixels is out of range: got .*, expected an integer of 32…2048/,
    );
  }
});
