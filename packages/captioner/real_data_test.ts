import {
  chooseInformativeSlices,
  extractSlice,
  readNifti,
  type SliceContext,
  type SliceImage,
  toCanonical,
} from "@med3d/volume";
import { strict as assert } from "node:assert";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fitSliceTextEncoder } from "./encoders/fit_slice_text_encoder.ts";
import { measureSlice } from "./measure/measure_slice.ts";
import { MeasuringCaptioner } from "./measuring_captioner.ts";

const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const crops = (await readdir(`${root}/hippocampus/images`).catch(() => [])).filter((name) => name.endsWith(".nii.gz"));
const torso = `${root}/totalsegmentator_case/example_ct.nii.gz`;
const hasTorso = await Deno.stat(torso).then(() => true, () => false);
if (crops.length === 0 || !hasTorso) {
  console.warn(`SKIPPED: no real scans at ${root}; set MED3D_DATA to check captions of them.`);
}

async function slicesOf(path: string, modality: "CT" | "MR"): Promise<{ image: SliceImage; context: SliceContext }[]> {
  const { volume } = toCanonical(await readNifti(path, { modality }));
  return chooseInformativeSlices(volume, { perPlane: 4 }).map(({ plane, index }) => extractSlice(volume, plane, index));
}

Deno.test({
  name: "fitSliceTextEncoder: captions of held-out hippocampus scans find their slices far above chance",
  ignore: crops.length < 40,
  fn: async () => {
    const captioner = new MeasuringCaptioner();
    const read = async (names: readonly string[]) => {
      const images: SliceImage[] = [];
      const captions: string[] = [];
      for (const name of names) {
        for (const { image, context } of await slicesOf(`${root}/hippocampus/images/${name}`, "MR")) {
          images.push(image);
          captions.push((await captioner.caption(image, context)).text);
        }
      }
      return { images, captions };
    };
    const names = crops.toSorted();
    const training = await read(names.slice(0, 28));
    const heldOut = await read(names.slice(28, 40));
    const encoder = fitSliceTextEncoder(training.images, training.captions);
    const slices = await encoder.encodeSlices(heldOut.images);
    const texts = await encoder.encodeTexts(heldOut.captions);
    const found = texts.filter((text, index) => {
      const scores = slices.map((slice) => slice.reduce((sum, value, axis) => sum + value * text[axis]!, 0));
      return scores.filter((score) => score > scores[index]!).length < 5;
    });
    const chance = 5 / slices.length;
    assert.ok(found.length / texts.length > 8 * chance, `R@5 ${found.length / texts.length}, chance ${chance}`);
  },
});

Deno.test({
  name:
    "measureSlice: axial slices of a real torso CT have a body in air, with soft tissue, fat and bone in plausible shares",
  ignore: !hasTorso,
  fn: async () => {
    const axial = (await slicesOf(torso, "CT")).filter(({ context }) => context.plane === "axial");
    assert.equal(axial.length, 4);
    for (const { image, context } of axial) {
      const { body, tissues, noise, percentiles } = measureSlice(image, context);
      const place = `${context.plane} ${context.index}`;
      const share = (name: string): number => tissues.find((tissue) => tissue.name === name)!.fraction;
      assert.ok(body.fraction > 0.2, `${place}: body ${body.fraction}`);
      assert.ok(share("soft tissue") > 0.1, `${place}: soft tissue ${share("soft tissue")}`);
      assert.ok(share("fat") > 0.02, `${place}: fat ${share("fat")}`);
      assert.ok(share("bone") < 0.3, `${place}: bone ${share("bone")}`);
      assert.ok(noise.deviation > 0 && noise.deviation < 150, `${place}: noise ${noise.deviation}`);
      assert.ok(percentiles[1] > -950 && percentiles[1] < 150, `${place}: median ${percentiles[1]}`);
    }
  },
});
