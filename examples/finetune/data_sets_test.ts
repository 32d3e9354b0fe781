import { readSafetensors } from "@med3d/nn";
import { createVolume, makePhantom, readNifti, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, withFolder } from "../_shared/testing/program.ts";

/** An nnU-Net data set of two channels, whose labels overlap as regions and have a part that says nothing. */
async function writeDataSet(folder: string): Promise<void> {
  await mkdir(join(folder, "imagesTr"), { recursive: true });
  await mkdir(join(folder, "labelsTr"));
  for (let i = 0; i < 5; i++) {
    const { volume, labels } = makePhantom(`case ${i}`, { kind: "mr-brain", shape: [16, 18, 20] });
    const name = `case_${i}`;
    const negative = { ...volume, data: Float32Array.from(volume.data, (value) => 100 - value) };
    await writeNifti(volume, join(folder, "imagesTr", `${name}_0000.nii.gz`));
    await writeNifti(negative, join(folder, "imagesTr", `${name}_0001.nii.gz`));
    const data = Uint8Array.from(labels.data, (value, at) => at % 97 === 0 ? 3 : value === 0 ? 0 : 1 + (value % 2));
    await writeNifti(
      createVolume(data, labels.shape, { affine: labels.affine }),
      join(folder, "labelsTr", `${name}.nii.gz`),
    );
  }
  await writeFile(
    join(folder, "dataset.json"),
    JSON.stringify({
      channel_names: { 0: "T1", 1: "T2" },
      labels: { background: 0, shell: 1, core: 2, ignore: 3 },
      numTraining: 5,
      file_ending: ".nii.gz",
    }),
  );
}

Deno.test("finetune: two channels, regions and an ignored label, from an nnU-Net data set to predictions of the painted labels", () =>
  withFolder(async (folder) => {
    const data = join(folder, "Dataset001_Test");
    await writeDataSet(data);
    const configuration = join(folder, "configuration.json");
    const regions = { whole: [1, 2], core: [2] };
    await writeFile(
      configuration,
      JSON.stringify({ data, channels: 2, regions, ignoreLabel: 3, deepSupervision: 1, loss: "dice-focal" }),
    );
    const out = join(folder, "run");
    const flags = ["--patch=16", "--features=4,8,8", "--steps=3", "--backend=cpu", `--out=${out}`];
    const { code, stdout, stderr } = await runProgramFile("finetune/main.ts", [`--config=${configuration}`, ...flags]);
    assert.equal(code, 0, stdout + stderr);
    const model = JSON.parse(await readFile(join(out, "model.json"), "utf8"));
    assert.equal(model.outChannels, 2);
    assert.equal(model.preprocessing.channels.length, 2);
    assert.deepEqual(model.regions.map(({ label }: { label: number }) => label), [1, 2]);
    const { tensors } = readSafetensors(await readFile(join(out, "model.safetensors")));
    assert.equal(tensors.get("encoder.stages.0.0.convs.0.conv.weight")!.shape[1], 2);
    assert.ok(tensors.has("auxiliary_heads.0.weight"));
    const { cases } = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
    assert.deepEqual(cases[0].classes.map(({ name }: { name: string }) => name), ["whole", "core"]);

    const predictions = join(folder, "predictions");
    const predicted = await runProgramFile("predict/main.ts", [
      data,
      `--weights=${out}`,
      "--backend=cpu",
      `--out=${predictions}`,
    ]);
    assert.equal(predicted.code, 0, predicted.stdout + predicted.stderr);
    assert.match(predicted.stdout, /^5 scans/m);
    const labels = await readNifti(join(predictions, "case_0.nii.gz"));
    assert.ok(labels.data.every((value) => value === 0 || value === 1 || value === 2));

    // One channel of pretrained weights is spread over the channels of the data.
    const single = join(folder, "single");
    const first = ["--phantoms=4", "--patch=16", "--features=4,8,8", "--steps=1", "--backend=cpu", `--out=${single}`];
    assert.equal((await runProgramFile("finetune/main.ts", first)).code, 0);
    const spread = join(folder, "spread");
    const more = [
      `--data=${data}`,
      "--channels=2",
      `--weights=${single}`,
      "--freeze=encoder",
      "--steps=1",
      "--patch=16",
      "--ignore-label=3",
    ];
    const result = await runProgramFile("finetune/main.ts", [...more, "--backend=cpu", `--out=${spread}`]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    const kernel = async (run: string): Promise<number[]> => {
      const stored = readSafetensors(await readFile(join(run, "model.safetensors"))).tensors;
      return Array.from(stored.get("encoder.stages.0.0.convs.0.conv.weight")!.data as Float32Array);
    };
    const [one, two] = [await kernel(single), await kernel(spread)];
    two.forEach((value, i) => assert.equal(value, one[Math.floor(i / 54) * 27 + (i % 27)]! / 2));
  }));
