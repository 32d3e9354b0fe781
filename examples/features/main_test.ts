import { extractFeatures } from "@med3d/downstream";
import { readSafetensors } from "@med3d/nn";
import { createVolume, makePhantom, readNumpy, type Volume, writeNifti, writeNrrd } from "@med3d/volume";
import { selectBackend } from "@med3d/webgpu-kernels";
import { strict as assert } from "node:assert";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";
import { writeNpy } from "./npy.ts";
import { disposeEncoder, readEncoder } from "./read_encoder.ts";

const PROGRAM = "features/main.ts";

/** A phantom stored from superior to inferior and from right to left, with thick slices or voxels `[depth, height, width]` of other edges. */
function flippedPhantom([z, y, x]: readonly [number, number, number] = [4, 1.5, 1.5]): Volume {
  const { volume } = makePhantom("flipped", { shape: [12, 20, 24] });
  const affine = Float64Array.of(-x, 0, 0, 40, 0, y, 0, -30, 0, 0, -z, 60, 0, 0, 0, 1);
  return createVolume(volume.data, volume.shape, { affine, modality: "CT" });
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) {
    assert.ok(Math.abs(actual[i]! - expected[i]!) < 1e-5, `value ${i}: ${actual[i]} instead of ${expected[i]}`);
  }
}

/** Values of a `.npy` of rank 1, whose header is 128 bytes at most. */
function valuesOf(bytes: Uint8Array): Float32Array {
  const start = 10 + new DataView(bytes.buffer, bytes.byteOffset).getUint16(8, true);
  return new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer);
}

Deno.test("features: a pretraining run's encoder gives what extractFeatures gives, in NumPy's and safetensors' files", () =>
  withFolder(async (folder) => {
    const run = join(folder, "run");
    const trained = await runProgramFile("pretrain/main.ts", [
      ...TINY_FLAGS,
      "--steps=1",
      "--backend=cpu",
      `--out=${run}`,
    ]);
    assert.equal(trained.code, 0, trained.stderr);
    const scan = flippedPhantom();
    const [one, two, broken] = ["one.nii.gz", "two.nrrd", "broken.nii"].map((name) => join(folder, name));
    await writeNifti(scan, one!, { datatype: "float32" });
    await writeNrrd(scan, two!);
    await writeFile(broken!, new Uint8Array(400));
    const out = join(folder, "out");
    const flags = [`--weights=${run}`, "--backend=cpu", "--modality=CT", "--dense", `--out=${out}`];
    const npy = await runProgramFile(PROGRAM, [one!, two!, broken!, ...flags]);
    assert.equal(npy.code, 0, npy.stderr);
    assert.match(npy.stderr, /error \[no-features\] .*broken\.nii/);
    assert.equal(npy.stdout, await readFile(join(out, "features.jsonl"), "utf8"));
    const lines = npy.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ id }) => id), ["one", "two"]);

    await selectBackend({ backend: "cpu" });
    const stored = await readEncoder(run);
    const encoder = stored.load();
    const preprocessing = stored.preprocessingOf("CT");
    assert.equal(preprocessing.channels[0]!.kind, "window");
    assert.equal(stored.preprocessingOf("MR").channels[0]!.kind, "percentiles");
    const expected = await extractFeatures([scan], { encoder, preprocessing });
    const finest = await extractFeatures([scan], { encoder, preprocessing, level: 0 });
    disposeEncoder(encoder);
    assert.ok(new Set(expected.dense).size > expected.dense.length / 4, "the features tell cells apart");
    for (const { files, shape, affine, level } of lines) {
      assert.deepEqual(files, [`${files[0].split("_")[0]}_pooled.npy`, `${files[0].split("_")[0]}_dense.npy`]);
      assert.deepEqual([shape, level], [expected.shape, 1]);
      assertClose(affine, expected.affine);
      assertClose(valuesOf(await readFile(join(out, files[0]!))), expected.pooled);
      const plane = await readNumpy(join(out, files[1]!), { frame: 1 }); // [height, width, channels]
      assert.deepEqual(plane.shape, expected.shape.slice(1));
      assertClose(plane.data, expected.dense.subarray(plane.data.length, 2 * plane.data.length));
    }
    const single = await runProgramFile(PROGRAM, [one!, ...flags, "--format=safetensors", "--level=0"]);
    assert.equal(single.code, 0, single.stderr);
    const { tensors } = readSafetensors(await readFile(join(out, "one.safetensors")));
    assert.deepEqual(tensors.get("dense")!.shape, [16, 16, 16, 4]);
    assertClose(tensors.get("dense")!.data as Float32Array, finest.dense);
    assertClose(tensors.get("pooled")!.data as Float32Array, finest.pooled);
    assert.deepEqual(tensors.get("affine")!.data, finest.affine);

    const cases: [readonly string[], RegExp, number][] = [
      [[one!, ...flags, "--level=7"], /no such level: got 7, expected 0 to 1/, 2],
      [[one!, ...flags, "--format=csv"], /--format is unknown: got csv, expected npy or safetensors/, 2],
      [[one!, one!, ...flags], /scans share a name/, 2],
      [
        [one!, ...flags, `--weights=${folder}`],
        /holds no encoder.*Name the folder of a finished deno task pretrain/,
        2,
      ],
      [[broken!, ...flags, "--strict"], /Cannot extract features of .*broken\.nii/, 1],
      [[broken!, ...flags], /none of 1 scans could be read/, 1],
    ];
    for (const [args, message, expectedCode] of cases) {
      const { code, stderr } = await runProgramFile(PROGRAM, args);
      assert.match(stderr, message);
      assert.equal(code, expectedCode, stderr);
    }
  }));

Deno.test("features: a fine-tuned model's encoder slides its windows over the scan's own voxels", () =>
  withFolder(async (folder) => {
    const model = join(folder, "model");
    const flags = ["--phantoms=4", "--patch=16", "--features=4,8", "--steps=1", "--backend=cpu"];
    const trained = await runProgramFile("finetune/main.ts", [...flags, `--out=${model}`]);
    assert.equal(trained.code, 0, trained.stderr);
    const scan = join(folder, "scan.nii");
    const { preprocessing: { spacingMm } } = JSON.parse(await readFile(join(model, "model.json"), "utf8"));
    await writeNifti(flippedPhantom(spacingMm), scan);
    const out = join(folder, "out");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
      scan,
      `--weights=${model}`,
      "--backend=cpu",
      "--batch=4",
      `--out=${out}`,
    ]);
    assert.equal(code, 0, stderr);
    const { shape, history, files } = JSON.parse(stdout);
    assert.deepEqual((await readdir(out)).sort(), ["features.jsonl", "scan_pooled.npy"]);
    assert.deepEqual(files, ["scan_pooled.npy"]);
    assert.deepEqual(shape, [6, 10, 12, 8]);
    assert.match(history.at(-1), /level 1 by 4 windows of 16×16×16/);
    assert.ok(valuesOf(await readFile(join(out, files[0]!))).every(Number.isFinite));
  }));

Deno.test("readEncoder: running statistics of batch norms come back with the weights", () =>
  withFolder(async (folder) => {
    const options = { features: [2, 2, 4, 4], stemStride: 1, maxPool: false };
    const flags = ["--encoder=resnet10", `--encoder-options=${JSON.stringify(options)}`, "--steps=1", "--backend=cpu"];
    const trained = await runProgramFile("pretrain/main.ts", [...TINY_FLAGS, ...flags, `--out=${folder}/run`]);
    assert.equal(trained.code, 0, trained.stderr);
    await selectBackend({ backend: "cpu" });
    const encoder = (await readEncoder(join(folder, "run"))).load();
    const { tensors } = readSafetensors(await readFile(join(folder, "run", "encoder.safetensors")));
    const buffers = [...encoder.buffers!].filter(([name]) => name.endsWith("running_mean"));
    assert.ok(buffers.length > 8, `${buffers.length} norms`);
    for (const [name, buffer] of buffers) {
      const values = await buffer.data();
      assert.ok(values.some((value) => value !== 0), `${name} was learned`);
      assertClose(values, tensors.get(name)!.data as Float32Array);
    }
    disposeEncoder(encoder);
  }));

Deno.test("writeNpy: readNumpy reads the same values back; a shape that does not fit is refused", async () => {
  const data = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i));
  const bytes = writeNpy(data, [3, 4, 5]);
  assert.equal((bytes.length - 4 * 60) % 64, 0, "values begin at a multiple of 64 bytes");
  const read = await readNumpy(bytes);
  assert.deepEqual(read.shape, [3, 4, 5]);
  assert.deepEqual(read.data, data);
  assert.match(new TextDecoder().decode(writeNpy(data, [60])), /'shape': \(60,\), /);
  assert.throws(() => writeNpy(data, [3, 4]), /got \[3,4\], expected 60 values/);
});
