import { chooseInformativeSlices, extractSlice, makePhantom, type SliceContext, type SliceImage } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { measureSlice } from "./measure/measure_slice.ts";
import { MeasuringCaptioner } from "./measuring_captioner.ts";
import { describeMeasurements } from "./words/describe_measurements.ts";

function phantomSlices(seed: string, kind: "ct-torso" | "mr-brain"): { image: SliceImage; context: SliceContext }[] {
  const { volume } = makePhantom(seed, { kind, shape: [48, 48, 48] });
  return chooseInformativeSlices(volume, { perPlane: 6 }).map(({ plane, index }) => extractSlice(volume, plane, index));
}

const textOf = async (
  { image, context }: { image: SliceImage; context: SliceContext },
  captioner = new MeasuringCaptioner(),
): Promise<string> => (await captioner.caption(image, context)).text;

Deno.test("MeasuringCaptioner: equal slices get equal captions; provenance is complete", async () => {
  const [slice] = phantomSlices("a", "ct-torso");
  const captioner = new MeasuringCaptioner();
  const caption = await captioner.caption(slice!.image, slice!.context);
  assert.equal(caption.captionerId, captioner.id);
  assert.deepEqual(caption.parameters, { seed: "0", maxRegions: 3, maxFoci: 2 });
  assert.equal(new Date(caption.createdAt).toISOString(), caption.createdAt);
  const copy = { ...slice!.image, pixels: slice!.image.pixels.slice() };
  assert.equal(await textOf({ image: copy, context: slice!.context }), caption.text);
});

Deno.test("MeasuringCaptioner: the id tells settings apart", () => {
  const ids = [{}, { seed: "1" }, { maxRegions: 2 }, { maxFoci: 1 }].map((options) =>
    new MeasuringCaptioner(options).id
  );
  assert.equal(new Set(ids).size, 4);
  assert.equal(new MeasuringCaptioner().id, new MeasuringCaptioner({ seed: "0" }).id);
  assert.match(ids[0]!, /^measuring-captioner-v\d+\?/);
});

Deno.test("MeasuringCaptioner: captions of different volumes at the same place differ", () => {
  for (const kind of ["ct-torso", "mr-brain"] as const) {
    const texts: string[] = [];
    for (let seed = 0; seed < 12; seed++) {
      const { volume } = makePhantom(`same place ${seed}`, { kind, shape: [32, 32, 32] });
      const { image, context } = extractSlice(volume, "axial", 16);
      // One wording for all, so that what differs is what was measured.
      texts.push(describeMeasurements(measureSlice(image, context), { seed: "one" }));
    }
    assert.equal(new Set(texts).size, 12, kind);
  }
});

Deno.test("MeasuringCaptioner: wording varies between slices and with the seed", async () => {
  const slices = phantomSlices("b", "ct-torso");
  const openings = await Promise.all(
    slices.map(async (slice) => (await textOf(slice)).split(" ").slice(0, 3).join(" ")),
  );
  assert.ok(new Set(openings).size >= 6, openings.join("; "));
  const bySeed = await Promise.all(
    ["0", "1", "2", "3"].map((seed) => textOf(slices[0]!, new MeasuringCaptioner({ seed }))),
  );
  assert.ok(new Set(bySeed).size >= 3);
});

Deno.test("MeasuringCaptioner: captions are whole sentences that name modality and plane", async () => {
  for (const kind of ["ct-torso", "mr-brain"] as const) {
    for (const slice of phantomSlices("c", kind)) {
      const text = await textOf(slice);
      assert.match(text, kind === "ct-torso" ? /\bCT\b/ : /\bMR\b/);
      assert.match(text.toLowerCase(), new RegExp(`\\b${slice.context.plane}\\b`));
      assert.doesNotMatch(text, /undefined|NaN|Infinity|\[object|\s\s|\.\.|-0 |\ba [aeiou]|\ban [^aeiou]/);
      assert.match(text, /^[A-Z].*\.$/);
      assert.ok(text.length > 150 && text.length < 1500, `${text.length}: ${text}`);
    }
  }
});

Deno.test("describeMeasurements: says the measured truth of a constructed slice under any seed", () => {
  const pixels = new Float32Array(100 * 100).fill(-1000);
  for (let row = 20; row < 80; row++) {
    for (let column = 10; column < 90; column++) {
      // The disc lies on the viewer's right and up: anterior left of the patient.
      pixels[row * 100 + column] = Math.hypot(row - 32, column - 68) <= 10 ? 500 : 40;
    }
  }
  const image = { pixels, width: 100, height: 100, spacingMm: [1, 1] as const };
  const context: SliceContext = { modality: "CT", plane: "axial", index: 8, count: 10, relativePosition: 0.85 };
  const measured = measureSlice(image, context);
  for (let seed = 0; seed < 50; seed++) {
    const text = describeMeasurements(measured, { seed: String(seed) });
    assert.match(text, /in the upper third/);
    assert.match(text, /85 % from the bottom/);
    assert.match(text, /60 mm anteroposterior and 80 mm transverse/);
    assert.match(text, /rounded bone-dense structure (in the left anterior part measuring|of) 20 × 20 mm/);
    assert.match(text, /95 % soft tissue/);
    assert.match(text, /7 % bone/);
  }
});

Deno.test("describeMeasurements: pure air and settings of zero are described too", () => {
  const context: SliceContext = { modality: "CT", plane: "coronal", index: 0, count: 9, relativePosition: 1 / 18 };
  const air = { pixels: new Float32Array(64).fill(-1000), width: 8, height: 8, spacingMm: [1, 1] as const };
  const text = describeMeasurements(measureSlice(air, context), { seed: "x" });
  assert.match(text, /posterior surface.*(only air|no tissue)/i);
  const [slice] = phantomSlices("d", "ct-torso");
  const bare = describeMeasurements(measureSlice(slice!.image, slice!.context), {
    seed: "x",
    maxRegions: 0,
    maxFoci: 0,
  });
  assert.doesNotMatch(bare, /×/);
});

Deno.test("MeasuringCaptioner: bad settings and slices are refused", async () => {
  assert.throws(() => new MeasuringCaptioner({ maxRegions: -1 }), /maxRegions is out of range: got -1/);
  assert.throws(() => new MeasuringCaptioner({ maxFoci: 0.5 }), /maxFoci is out of range: got 0.5/);
  const [slice] = phantomSlices("e", "ct-torso");
  assert.throws(
    () => describeMeasurements(measureSlice(slice!.image, slice!.context), { seed: "", maxFoci: NaN }),
    /maxFoci is out of range: got NaN/,
  );
  const image = { ...slice!.image, pixels: slice!.image.pixels.with(0, Infinity) };
  await assert.rejects(textOf({ ...slice!, image }), RangeError);
});

Deno.test("MeasuringCaptioner: what it says of phantoms is what their label maps, which it never sees, hold", async () => {
  for (const seed of ["truth 1", "truth 2", "truth 3"]) {
    const { volume, labels, labelNames, className } = makePhantom(seed, { kind: "ct-torso" });
    const lungs = new Set(Object.keys(labelNames).map(Number).filter((label) => labelNames[label]!.endsWith("lung")));
    assert.equal(lungs.size, 2);
    for (const index of [12, 20, 28, 36]) {
      const { image, context } = extractSlice(volume, "axial", index);
      const truth = extractSlice(labels, "axial", index).image;
      const body = truth.pixels.reduce((count, label) => count + (label > 0 ? 1 : 0), 0) / truth.pixels.length;
      const measured = measureSlice(image, context);
      assert.ok(
        Math.abs(measured.body.fraction - body) < 0.06,
        `${seed} ${index}: ${measured.body.fraction} of ${body}`,
      );
      const rows = new Set<number>();
      const columns = new Set<number>();
      let lung = 0;
      truth.pixels.forEach((label, at) => {
        if (label === 0) return;
        rows.add(Math.floor(at / truth.width));
        columns.add(at % truth.width);
        if (lungs.has(label)) lung += 1 / (body * truth.pixels.length);
      });
      const extent = [rows.size * truth.spacingMm[0], columns.size * truth.spacingMm[1]];
      measured.body.extentMm.forEach((mm, axis) =>
        assert.ok(
          Math.abs(mm - extent[axis]!) <= 2.5 * truth.spacingMm[axis]!,
          `${seed} ${index}: ${mm} of ${extent[axis]} mm`,
        )
      );
      const { text } = await new MeasuringCaptioner().caption(image, context);
      assert.ok(text.includes(`${5 * Math.round(20 * context.relativePosition)} %`), text);
      assert.ok(!text.toLowerCase().includes(className.toLowerCase()), text);
      const said = measured.tissues.find(({ name }) => /lung/.test(name))!.fraction;
      assert.ok(Math.abs(said - lung) < 0.1, `${seed} ${index}: lung ${said} of ${lung}`);
    }
  }
});
