import { strict as assert } from "node:assert";
import {
  applyAffine,
  chooseInformativeSlices,
  extractSlice,
  hashSlice,
  makePhantom,
  orientationOf,
  type Phantom,
  PHANTOM_CLASSES,
  PHANTOM_KINDS,
  type PhantomKind,
  type Triple,
} from "../mod.ts";

/** Voxels of a label, with their place in RAS+ millimetres and their intensity. */
function voxelsOf({ volume, labels, labelNames }: Phantom, name: string): { places: Triple[]; values: number[] } {
  const label = Number(Object.entries(labelNames).find(([, known]) => known === name)![0]);
  const [, height, width] = labels.shape;
  const places: Triple[] = [];
  const values: number[] = [];
  labels.data.forEach((value: number, voxel: number) => {
    if (value !== label) return;
    places.push(
      applyAffine(labels.affine, [
        voxel % width,
        Math.floor(voxel / width) % height,
        Math.floor(voxel / (width * height)),
      ]),
    );
    values.push(volume.data[voxel]!);
  });
  return { places, values };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const middle = (places: readonly Triple[]): number[] =>
  [0, 1, 2].map((axis) => places.reduce((sum, place) => sum + place[axis]!, 0) / places.length);
const seeds = Array.from({ length: 10 }, (_, n) => `person ${n}`);
const torsos = seeds.map((seed) => makePhantom(seed, { kind: "ct-torso" }));
const brains = seeds.map((seed) => makePhantom(seed, { kind: "mr-brain" }));
const sound = seeds.map((seed) => makePhantom(seed, { className: "no lesion", shape: [60, 60, 60] }));

Deno.test("makePhantom: equal seeds give equal phantoms, other seeds others", () => {
  for (const kind of PHANTOM_KINDS) {
    const make = (seed: string): Phantom => makePhantom(seed, { kind, shape: [16, 17, 18] });
    assert.deepEqual(make("a"), make("a"));
    assert.notDeepEqual(make("a").volume.data, make("b").volume.data);
    assert.notDeepEqual(make("a").volume.spacingMm, make("b").volume.spacingMm);
  }
});

Deno.test("makePhantom: volume and label map share a canonical grid of the shape asked for, with a history", () => {
  for (const { volume, labels, labelNames } of [...torsos, ...brains]) {
    assert.deepEqual([volume.shape, labels.shape], [[48, 48, 48], [48, 48, 48]]);
    assert.equal(orientationOf(volume.affine), "RAS");
    assert.deepEqual(labels.affine, volume.affine);
    assert.deepEqual(applyAffine(volume.affine, [23.5, 23.5, 23.5]), [0, 0, 0]);
    assert.ok(volume.spacingMm.every((spacing) => spacing > 2.5 && spacing < 10), `${volume.spacingMm}`);
    assert.ok(
      labels.data instanceof Uint8Array &&
        new Set(labels.data).isSubsetOf(new Set(Object.keys(labelNames).map(Number))),
    );
    assert.ok(volume.data.every((value) => Number.isFinite(value)));
    assert.match(volume.history.join(), /^made as an? (CT|MR)-like .* phantom/);
  }
  assert.ok(torsos.every(({ volume }) => volume.data instanceof Int16Array && volume.modality === "CT"));
  assert.ok(brains.every(({ volume }) => volume.data instanceof Float32Array && volume.modality === "MR"));
});

Deno.test("makePhantom: the shape changes the sampling, not the person or the field of view", () => {
  for (const kind of PHANTOM_KINDS) {
    const coarse = makePhantom("same", { kind, shape: [24, 24, 24] });
    const fine = makePhantom("same", { kind, shape: [48, 36, 24] });
    assert.equal(coarse.className, fine.className);
    assert.deepEqual(
      coarse.parameters["skullMm"] ?? coarse.parameters["fatMm"],
      fine.parameters["skullMm"] ?? fine.parameters["fatMm"],
    );
    coarse.volume.spacingMm.forEach((spacing, axis) =>
      assert.ok(Math.abs(24 * spacing - fine.volume.shape[axis]! * fine.volume.spacingMm[axis]!) < 1e-9)
    );
    const body = (phantom: Phantom): number =>
      phantom.labels.data.filter((label) => label > 0).length / phantom.labels.data.length;
    assert.ok(Math.abs(body(coarse) - body(fine)) < 0.02, `${body(coarse)} and ${body(fine)}`);
  }
});

Deno.test("makePhantom: in a torso right is right: liver and gallbladder at positive x, spleen and stomach at negative", () => {
  for (const phantom of torsos) {
    const at = (name: string): number[] => middle(voxelsOf(phantom, name).places);
    const spine = at("bone")[0]!;
    for (const name of ["liver", "right lung", "right kidney", "gallbladder", "vena cava"]) {
      assert.ok(!(at(name)[0]! <= spine), name);
    }
    for (const name of ["spleen", "stomach", "left lung", "left kidney", "aorta"]) {
      assert.ok(!(at(name)[0]! >= spine), name);
    }
    assert.ok(at("liver")[0]! > 20, "the liver is far on the right");
    assert.ok(!(at("heart")[0]! >= spine + 5), "the heart is left of the middle");
  }
});

Deno.test("makePhantom: in a torso the spine is behind, lungs are above the liver, kidneys are behind and below it", () => {
  for (const phantom of sound) {
    const at = (name: string): number[] => middle(voxelsOf(phantom, name).places);
    const liver = at("liver");
    assert.ok(at("right lung")[2]! > liver[2]! + 50 && at("heart")[2]! > liver[2]! + 40);
    assert.ok(!(at("right kidney")[1]! > liver[1]! - 20) && !(at("right kidney")[2]! > liver[2]!));
    assert.ok(at("aorta")[1]! < at("heart")[1]!);
    const [, spineY] = middle(voxelsOf(phantom, "bone").places.filter(([x]) => Math.abs(x) < 15));
    assert.ok(spineY! < at("aorta")[1]!);
  }
});

Deno.test("makePhantom: every tissue of a torso has plausible HU and size", () => {
  const ranges: Record<string, [low: number, high: number, minMl: number, maxMl: number]> = {
    "fat and skin": [-125, -70, 1000, 40000],
    "right lung": [-900, -740, 300, 4000],
    "left lung": [-900, -740, 300, 4000],
    "heart": [20, 280, 100, 1500],
    "liver": [0, 125, 500, 3000],
    "spleen": [35, 130, 30, 900],
    "right kidney": [10, 195, 40, 350],
    "aorta": [30, 280, 40, 450],
    "bone": [90, 600, 300, 4000],
  };
  for (const phantom of sound) {
    const [dz, dy, dx] = phantom.volume.spacingMm;
    for (const [name, [low, high, minMl, maxMl]] of Object.entries(ranges)) {
      const { values } = voxelsOf(phantom, name);
      const ml = (values.length * dx * dy * dz) / 1000;
      assert.ok(ml > minMl && ml < maxMl, `${name} has ${ml} ml`);
      assert.ok(median(values) > low && median(values) < high, `${name} has ${median(values)} HU`);
    }
    const air = phantom.volume.data.filter((_value: number, voxel: number) => phantom.labels.data[voxel] === 0);
    assert.ok(Math.abs(median([...air]) + 1000) < 15, `air has ${median([...air])} HU`);
    assert.ok(phantom.volume.data.every((value) => value >= -1024 && value < 1200));
  }
});

Deno.test("makePhantom: a head has its tissues in order of brightness, cerebellum behind and below, eyes in front", () => {
  const order: Record<string, string[]> = {
    T1: ["ventricle", "grey matter", "white matter"],
    T2: ["white matter", "grey matter", "ventricle"],
    FLAIR: ["ventricle", "white matter", "grey matter"],
  };
  const seen = new Set<string>();
  for (let n = 0; n < 12; n++) {
    const phantom = makePhantom(`head ${n}`, {
      kind: "mr-brain",
      className: "enlarged ventricles",
      shape: [56, 56, 56],
    });
    const contrast = String(phantom.parameters["contrast"]);
    seen.add(contrast);
    const levels = order[contrast]!.map((name) => median(voxelsOf(phantom, name).values));
    assert.deepEqual(levels, levels.toSorted((a, b) => a - b), `${contrast}: ${levels}`);
    const at = (name: string): number[] => middle(voxelsOf(phantom, name).places);
    const white = at("white matter");
    assert.ok(at("cerebellum")[1]! < white[1]! - 25 && at("cerebellum")[2]! < white[2]! - 25);
    const eyes = voxelsOf(phantom, "eye").places;
    if (eyes.length > 0) assert.ok(middle(eyes)[1]! > white[1]! + 50);
    const share = voxelsOf(phantom, "background").values.length / phantom.volume.data.length;
    assert.ok(share > 0.2 && share < 0.8, `${share} is background`);
  }
  assert.deepEqual(seen, new Set(["T1", "T2", "FLAIR"]));
});

Deno.test("makePhantom: findings are where their class says, and only there", () => {
  const lesions = (
    kind: PhantomKind,
    className: string,
    seed: string,
  ): { phantom: Phantom; places: Triple[]; values: number[] } => {
    const phantom = makePhantom(seed, { kind, className });
    assert.equal(phantom.className, className);
    return { phantom, ...voxelsOf(phantom, kind === "ct-torso" ? "lesion or fluid" : "lesion") };
  };
  for (let n = 0; n < 3; n++) {
    assert.equal(lesions("ct-torso", "no lesion", `${n}`).places.length, 0);
    for (const className of ["no lesion", "atrophy", "enlarged ventricles"]) {
      assert.equal(lesions("mr-brain", className, `${n}`).places.length, 0);
    }
    const liver = lesions("ct-torso", "liver lesion", `${n}`);
    assert.ok(liver.places.length > 3 && median(liver.values) < 60);
    assert.ok(middle(liver.places)[0]! > 0);
    const nodule = lesions("ct-torso", "lung nodule", `${n}`);
    assert.ok(Math.sign(middle(nodule.places)[0]!) === nodule.phantom.parameters["lesionSide"]);
    assert.ok(median(nodule.values) > -350, `${median(nodule.values)}`); // small ones are mixed with lung
    const fluid = lesions("ct-torso", "pleural effusion", `${n}`);
    assert.ok(
      middle(fluid.places)[1]! < middle(voxelsOf(fluid.phantom, "heart").places)[1]!,
      "fluid sinks to the back",
    );
    const tumour = lesions("mr-brain", "tumour", `${n}`);
    assert.ok(
      tumour.places.length > 20 && Math.sign(middle(tumour.places)[0]!) === tumour.phantom.parameters["lesionSide"],
    );
    assert.ok(lesions("mr-brain", "white matter foci", `${n}`).places.length > 3);
  }
});

Deno.test("makePhantom: ventricles and atrophy show in the label map as the parameters say", () => {
  const share = (className: string, name: string): number => {
    const phantoms = [0, 1, 2, 3].map((n) => makePhantom(`size ${n}`, { kind: "mr-brain", className }));
    return phantoms.reduce(
      (sum, phantom) => sum + voxelsOf(phantom, name).values.length / voxelsOf(phantom, "white matter").values.length,
      0,
    );
  };
  assert.ok(share("enlarged ventricles", "ventricle") > 2 * share("no lesion", "ventricle"));
  assert.ok(share("atrophy", "cerebrospinal fluid") > 1.5 * share("no lesion", "cerebrospinal fluid"));
});

Deno.test("makePhantom: seeds reach every class and vary what is seen", () => {
  for (const kind of PHANTOM_KINDS) {
    const phantoms = Array.from({ length: 60 }, (_, n) => makePhantom(`many ${n}`, { kind, shape: [8, 8, 8] }));
    assert.deepEqual(new Set(phantoms.map(({ className }) => className)), new Set(PHANTOM_CLASSES[kind]));
    const fields = phantoms.map(({ volume }) => volume.spacingMm[0]);
    assert.ok(Math.max(...fields) / Math.min(...fields) > 1.2);
  }
  const fat = torsos.map(({ parameters }) => Number(parameters["fatMm"]));
  assert.ok(Math.max(...fat) > 2 * Math.min(...fat));
  const hashes = torsos.flatMap(({ volume }) =>
    chooseInformativeSlices(volume).map(({ plane, index }) => hashSlice(extractSlice(volume, plane, index).image))
  );
  assert.equal(new Set(hashes).size, hashes.length);
});

Deno.test("makePhantom: noise is of the size told and does not repeat itself along rows", () => {
  const { volume, labels, parameters } = makePhantom("noise", { kind: "mr-brain" });
  const air = [...volume.data].filter((_, voxel) => labels.data[voxel] === 0 && voxel < 48 ** 3 / 4);
  const scale = Math.sqrt(air.reduce((sum, value) => sum + value * value, 0) / air.length / 2); // Rayleigh
  assert.ok(scale > 0);
  assert.ok(Number(parameters["noiseShare"]) >= 0.01 && Number(parameters["noiseShare"]) <= 0.05);
  const rows = new Set<string>();
  for (let row = 0; row < 48 * 48; row++) rows.add([...volume.data.subarray(row * 48, row * 48 + 4)].join());
  assert.equal(rows.size, 48 * 48);
});

Deno.test("makePhantom: bad options are refused", () => {
  assert.throws(
    () => makePhantom("a", { kind: "pet" as PhantomKind }),
    /RangeError: Cannot make a phantom: unknown kind: got "pet", expected ct-torso or mr-brain/,
  );
  assert.throws(
    () => makePhantom("a", { shape: [7, 48, 48] }),
    /bad shape: got \[7,48,48\], expected three integers of 8…512/,
  );
  assert.throws(() => makePhantom("a", { shape: [48.5, 48, 48] }), /bad shape/);
  assert.throws(
    () => makePhantom("a", { className: "tumour" }),
    /unknown class: got "tumour", expected one of "no lesion", "liver lesion"/,
  );
});
