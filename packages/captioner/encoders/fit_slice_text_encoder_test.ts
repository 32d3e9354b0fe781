import {
  chooseInformativeSlices,
  extractSlice,
  makePhantom,
  type Plane,
  type SliceContext,
  type SliceImage,
} from "@med3d/volume";
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeasuringCaptioner } from "../measuring_captioner.ts";
import { EmbeddedEncoder } from "./embedded_encoder.ts";
import { fitSliceTextEncoder } from "./fit_slice_text_encoder.ts";
import { describeImage, DESCRIPTOR_WIDTH } from "./image_descriptor.ts";

interface Pair {
  readonly image: SliceImage;
  readonly context: SliceContext;
  readonly caption: string;
  readonly volume: number;
}

async function makePairs(first: number, volumes: number, perPlane: number): Promise<Pair[]> {
  const captioner = new MeasuringCaptioner();
  const pairs: Pair[] = [];
  for (let volume = first; volume < first + volumes; volume++) {
    const scan =
      makePhantom(`pair ${volume}`, { kind: volume % 2 ? "mr-brain" : "ct-torso", shape: [32, 32, 32] }).volume;
    for (const { plane, index } of chooseInformativeSlices(scan, { perPlane, seed: String(volume) })) {
      const { image, context } = extractSlice(scan, plane, index);
      pairs.push({ image, context, caption: (await captioner.caption(image, context)).text, volume });
    }
  }
  return pairs;
}

const training = await makePairs(0, 20, 6);
const heldOut = await makePairs(500, 10, 6);
const imagesOf = (pairs: readonly Pair[]): SliceImage[] => pairs.map(({ image }) => image);
const captionsOf = (pairs: readonly Pair[]): string[] => pairs.map(({ caption }) => caption);
const encoder = fitSliceTextEncoder(imagesOf(training), captionsOf(training), { width: 48 });

const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, axis) => sum + value * b[axis]!, 0);

function assertUnit(vectors: readonly Float32Array[], width: number): void {
  for (const vector of vectors) {
    assert.equal(vector.length, width);
    assert.ok(Math.abs(cosine(vector, vector) - 1) < 1e-5, `squared length ${cosine(vector, vector)}`);
  }
}

/** Share of the first list whose own partner is among the k nearest of the second. */
function recallAt(k: number, asking: readonly Float32Array[], answering: readonly Float32Array[]): number {
  const hits = asking.filter((vector, index) => {
    const own = cosine(vector, answering[index]!);
    return answering.filter((other) => cosine(vector, other) > own).length < k;
  });
  return hits.length / asking.length;
}

Deno.test("fitSliceTextEncoder: held-out slices find their captions, and back, far above chance", async () => {
  const slices = await encoder.encodeSlices(imagesOf(heldOut));
  const texts = await encoder.encodeTexts(captionsOf(heldOut));
  assertUnit([...slices, ...texts], 48);
  const chance = 5 / heldOut.length;
  for (const recall of [recallAt(5, texts, slices), recallAt(5, slices, texts)]) {
    assert.ok(recall > 10 * chance, `R@5 ${recall}, chance ${chance}`);
  }
});

Deno.test("fitSliceTextEncoder: among other volumes' slices at the same place, the own caption is still found above chance", async () => {
  let [hits, chance, asked] = [0, 0, 0];
  for (const [kind, plane] of [[0, "axial"], [0, "coronal"], [1, "axial"], [1, "sagittal"]] as [number, Plane][]) {
    // One slice per volume, each the middle one of its plane.
    const pool = Map.groupBy(
      heldOut.filter(({ volume, context }) => volume % 2 === kind && context.plane === plane),
      ({ volume }) => volume,
    ).values().map((pairs) => pairs[3]!).toArray();
    const slices = await encoder.encodeSlices(imagesOf(pool));
    const texts = await encoder.encodeTexts(captionsOf(pool));
    hits += recallAt(1, texts, slices) * pool.length;
    chance += 1;
    asked += pool.length;
  }
  assert.ok(hits >= 2 * chance, `${hits} of ${asked}, by chance ${chance}`);
});

Deno.test("fitSliceTextEncoder: shuffled captions teach nothing that holds out", async () => {
  const keyOf = (index: number): string => createHash("sha256").update(`shuffle ${index}`).digest("hex");
  const order = training.keys().toArray().sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const shuffled = order.map((index) => training[index]!.caption);
  const misled = fitSliceTextEncoder(imagesOf(training), shuffled, { width: 48 });
  const slices = await misled.encodeSlices(imagesOf(heldOut));
  const texts = await misled.encodeTexts(captionsOf(heldOut));
  const recall = recallAt(5, texts, slices);
  assert.ok(recall < 3 * (5 / heldOut.length), `R@5 ${recall}`);
});

Deno.test("fitSliceTextEncoder: equal pairs in any order give the equal encoder", () => {
  const again = fitSliceTextEncoder(imagesOf(training), captionsOf(training), { width: 48 });
  const turned = training.toReversed();
  const reversed = fitSliceTextEncoder(imagesOf(turned), captionsOf(turned), { width: 48 });
  assert.deepEqual([again.id, reversed.id], [encoder.id, encoder.id]);
  const fewer = fitSliceTextEncoder(imagesOf(turned.slice(1)), captionsOf(turned.slice(1)), { width: 48 });
  assert.notEqual(fewer.id, encoder.id);
});

Deno.test("fitSliceTextEncoder: scaling and shifting MR intensities leaves a slice's vector as it is", async () => {
  const { image } = heldOut.find(({ volume, context }) => volume % 2 === 1 && context.plane === "axial")!;
  const scaled = { ...image, pixels: image.pixels.map((value) => 16 * value + 64) };
  const [a, b] = await encoder.encodeSlices([image, scaled]);
  assert.ok(cosine(a!, b!) > 0.9999, `${cosine(a!, b!)}`);
});

Deno.test("describeImage: the same body at another resolution is described alike", () => {
  const disc = (size: number): SliceImage => ({
    pixels: Float32Array.from({ length: size * size }, (_, index) => {
      const [row, column] = [Math.floor(index / size), index % size];
      const radius = Math.hypot((row + 0.5) / size - 0.4, (column + 0.5) / size - 0.55);
      return radius < 0.3 ? 100 + 60 * Math.sin(20 * radius) : 5;
    }),
    width: size,
    height: size,
    spacingMm: [200 / size, 200 / size],
  });
  const [coarse, fine] = [describeImage(disc(64)), describeImage(disc(192))];
  assert.equal(coarse.length, DESCRIPTOR_WIDTH);
  const difference = Math.hypot(...coarse.map((value, index) => value - fine[index]!)) / Math.hypot(...fine);
  assert.ok(difference < 0.1, `relative difference ${difference}`);
});

Deno.test("describeImage: millimetres count, not pixels: rows of twice the spacing look the same", () => {
  const squeezed: SliceImage = {
    pixels: Float32Array.from({ length: 32 * 64 }, (_, index) => {
      const [row, column] = [Math.floor(index / 64), index % 64];
      return Math.hypot((row + 0.5) * 2 - 32, column + 0.5 - 32) < 20 ? 1 : 0;
    }),
    width: 64,
    height: 32,
    spacingMm: [2, 1],
  };
  const intensities = describeImage(squeezed).slice(0, 256);
  for (let row = 0; row < 16; row++) {
    for (let column = 0; column < row; column++) {
      const [a, b] = [intensities[row * 16 + column]!, intensities[column * 16 + row]!];
      assert.ok(Math.abs(a - b) < 0.15, `cell ${row}, ${column}: ${a} and ${b}`);
    }
  }
});

Deno.test("EmbeddedEncoder: JSON and files give back the same encoder", async () => {
  const folder = await mkdtemp(join(tmpdir(), "med3d-encoder-"));
  try {
    const path = join(folder, "encoder.json");
    await encoder.save(path);
    await encoder.save(path); // over the old one
    assert.deepEqual(await readdir(folder), ["encoder.json"]);
    for (
      const copy of [await EmbeddedEncoder.load(path), EmbeddedEncoder.fromJSON(JSON.parse(JSON.stringify(encoder)))]
    ) {
      assert.equal(copy.id, encoder.id);
      assert.deepEqual(copy.correlations, encoder.correlations);
      assert.deepEqual(copy.notices, encoder.notices);
      const images = imagesOf(heldOut.slice(0, 4));
      assert.deepEqual(await copy.encodeSlices(images), await encoder.encodeSlices(images));
      const texts = captionsOf(heldOut.slice(0, 4));
      assert.deepEqual(await copy.encodeTexts(texts), await encoder.encodeTexts(texts));
    }
    assert.ok(encoder.id.includes(
      createHash("sha256")
        .update(JSON.stringify(JSON.parse(await readFile(path, "utf8")).content)).digest("hex").slice(0, 16),
    ));
    await writeFile(path, (await readFile(path, "utf8")).slice(0, -40));
    await assert.rejects(EmbeddedEncoder.load(path), { name: "SyntaxError", message: /encoder\.json: / });
    await assert.rejects(EmbeddedEncoder.load(join(folder, "none.json")), { code: "ENOENT" });
    await assert.rejects(encoder.save(join(folder, "none", "encoder.json")), { code: "ENOENT" });
  } finally {
    await rm(folder, { recursive: true });
  }
});

Deno.test("EmbeddedEncoder.fromJSON: what was altered or is malformed is refused with the cause", () => {
  // deno-lint-ignore no-explicit-any -- malformed on purpose
  const alter = (change: (stored: any) => void, rehash = true): unknown => {
    const stored = structuredClone(JSON.parse(JSON.stringify(encoder)));
    change(stored);
    if (rehash) stored.sha256 = createHash("sha256").update(JSON.stringify(stored.content)).digest("hex");
    return stored;
  };
  const cases: [unknown, RegExp][] = [
    [null, /it is malformed/],
    ["text", /it is malformed/],
    [alter((stored) => stored.version = 2), /it is malformed.*version/s],
    [alter((stored) => stored.script = "alert()"), /it is malformed.*script/s],
    [alter((stored) => stored.content.notices.push("x"), false), /its checksum is wrong: got .*, expected/],
    [alter((stored) => stored.content.vocabulary.pop()), /idf has the wrong length/],
    [alter((stored) => stored.content.idf = "!"), /it is malformed.*idf/s],
    [alter((stored) => stored.content.idf = btoa("abc")), /no whole number of float32/],
    [alter((stored) => stored.content.textOffset = btoa("\0\0\xc0\x7f".repeat(47))), /not finite/],
    [alter((stored) => stored.content.width = 40), /correlations has the wrong length: got 47, expected 39/],
  ];
  for (const [stored, message] of cases) {
    assert.throws(() => EmbeddedEncoder.fromJSON(stored), { name: "SyntaxError", message });
    assert.throws(() => EmbeddedEncoder.fromJSON(stored), /Cannot load embedded encoder: .*Fit it again/s);
  }
});

Deno.test("EmbeddedEncoder: texts without a known term become the free axis, at a right angle to everything", async () => {
  const texts = await encoder.encodeTexts(["", "zyxwv qponm", "  ", captionsOf(heldOut)[0]!]);
  const free = new Float32Array(48).fill(1, 47);
  assert.deepEqual(texts.slice(0, 3), [free, free, free]);
  assert.equal(texts[3]![47], 0);
  assert.deepEqual((await encoder.encodeSlices(imagesOf(heldOut))).map((vector) => vector[47]), heldOut.map(() => 0));
  assert.deepEqual([await encoder.encodeTexts([]), await encoder.encodeSlices([])], [[], []]);
});

Deno.test("fitSliceTextEncoder: too few pairs keep the width and say so", async () => {
  const few = training.slice(0, 6);
  const small = fitSliceTextEncoder(imagesOf(few), captionsOf(few));
  assert.equal(small.width, 64);
  assert.ok(small.correlations.length >= 1 && small.correlations.length <= 5, `${small.correlations}`);
  assert.match(small.notices.join(" "), /6 pairs tell slices and captions apart in \d directions only; \d+ of 64 axes/);
  assertUnit(await small.encodeSlices(imagesOf(heldOut)), 64);
  assertUnit(await small.encodeTexts(captionsOf(heldOut)), 64);
  const slices = await small.encodeSlices(imagesOf(few));
  assert.equal(recallAt(1, await small.encodeTexts(captionsOf(few)), slices), 1, "what it was fitted on is told apart");
  assert.deepEqual(encoder.notices, []);
});

Deno.test("fitSliceTextEncoder: one pair, equal captions, empty captions and equal slices give unit vectors and a notice", async () => {
  const images = imagesOf(training.slice(0, 8));
  const captions = captionsOf(training.slice(0, 8));
  const cases: [SliceImage[], string[]][] = [
    [images.slice(0, 1), captions.slice(0, 1)],
    [images, images.map(() => "the same for all")],
    [images, images.map(() => "")],
    [images.map(() => images[0]!), captions],
  ];
  for (const [slices, texts] of cases) {
    const fitted = fitSliceTextEncoder(slices, texts, { width: 8 });
    assert.deepEqual(fitted.correlations, []);
    assert.match(fitted.notices.join(" "), /in 0 directions only/);
    assertUnit(await fitted.encodeSlices(images), 8);
    assertUnit(await fitted.encodeTexts([...texts, "new words"]), 8);
    assert.equal(EmbeddedEncoder.fromJSON(JSON.parse(JSON.stringify(fitted))).id, fitted.id);
  }
});

Deno.test("fitSliceTextEncoder: where no term is shared, single occurrences count, and it says so", () => {
  const images = imagesOf(training.slice(0, 4));
  const fitted = fitSliceTextEncoder(images, ["alpha", "beta", "gamma", "delta"], { width: 4 });
  assert.match(fitted.notices[0]!, /No term occurs in 2 captions/);
  assert.equal(fitted.correlations.length, 3);
});

Deno.test("fitSliceTextEncoder: bad input is refused with value and remedy", async () => {
  const [image] = imagesOf(training);
  assert.throws(() => fitSliceTextEncoder([], []), /got 0 slices and 0 captions, expected equally many, at least one/);
  assert.throws(() => fitSliceTextEncoder([image!], []), /got 1 slices and 0 captions/);
  for (
    const [options, message] of [
      [{ width: 1 }, /width is out of range: got 1/],
      [{ textRank: 0 }, /textRank is out of range: got 0/],
      [{ imageRank: 1.5 }, /imageRank is out of range: got 1.5/],
      [{ minDocuments: 0 }, /minDocuments is out of range: got 0/],
      [{ maxTerms: -1 }, /maxTerms is out of range: got -1/],
      [{ regularisation: -1 }, /regularisation is out of range: got -1/],
      [{ correlationPower: NaN }, /correlationPower is out of range: got NaN/],
    ] as const
  ) {
    assert.throws(() => fitSliceTextEncoder([image!], ["x"], options), { name: "RangeError", message });
  }
  const broken = { ...image!, pixels: image!.pixels.with(3, NaN) };
  assert.throws(() => fitSliceTextEncoder([broken], ["x"]), /a pixel is not finite/);
  await assert.rejects(encoder.encodeSlices([broken]), /a pixel is not finite/);
});
