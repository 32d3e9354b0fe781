import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import {
  disposeParameters,
  joinParameters,
  type Parameters,
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import {
  type Encoder3D,
  type EncoderName,
  formatWeightsReport,
  loadWeights,
  PlainUNet,
  ReconstructionHead,
  saveWeights,
  UNetDecoder,
} from "../mod.ts";
import { disposeEncoder, makeNarrow, NARROW } from "../testdata/narrow_encoders.ts";

const NAMES = Object.keys(NARROW) as EncoderName[];
const tensorsOf = ({ parameters, buffers }: Encoder3D): Parameters => new Map([...parameters, ...(buffers ?? [])]);

/** The file with other names. */
function renamed(bytes: Uint8Array, rename: (name: string) => string | undefined): Uint8Array {
  const entries = [...readSafetensors(bytes).tensors].flatMap(([name, tensor]): [string, StoredTensor][] => {
    const other = rename(name);
    return other === undefined ? [] : [[other, tensor]];
  });
  return writeSafetensors(new Map(entries));
}

async function assertEqualParameters(a: Parameters, b: Parameters): Promise<void> {
  assert.deepEqual([...a.keys()], [...b.keys()]);
  for (const [name, parameter] of a) assert.deepEqual(await parameter.data(), await b.get(name)!.data(), name);
}

/** Draws every tensor anew, so that nothing equals what a new encoder starts with. */
function shake(parameters: Parameters, seed: string): void {
  const random = new Random(seed);
  for (const parameter of parameters.values()) {
    const values = Float32Array.from({ length: parameter.size }, random.normal(0.5, 0.2));
    tf.tidy(() => parameter.assign(tf.tensor(values, parameter.shape)));
  }
}

testOnBackends("saveWeights, loadWeights: every registered encoder comes back exactly, in every form", async () => {
  for (const name of NAMES) {
    const source = makeNarrow(name, { seed: "source" });
    shake(source.parameters, name);
    const forms = name.includes("-unet") && name !== "monai-unet" ? ["nnunet", "pytorch"] : ["monai", "pytorch"];
    for (const form of forms as ("nnunet" | "monai" | "pytorch")[]) {
      const target = makeNarrow(name, { seed: "target" });
      const report = loadWeights(target, await saveWeights({ encoder: source }, { form }));
      assert.equal(report.share, 1);
      assert.equal(report.matched.length, tensorsOf(source).size);
      assert.deepEqual([report.adapted, report.missing, report.mismatched, report.unexpected], [[], [], [], []], name);
      await assertEqualParameters(tensorsOf(source), tensorsOf(target));
      disposeEncoder(target);
    }
    disposeEncoder(source);
  }
});

testOnBackends("loadWeights: one prefix more or less is found, another has to be given", async () => {
  const source = makeNarrow("residual-unet", { seed: "source" });
  shake(source.parameters, "prefix");
  const plain = await saveWeights({ encoder: source }, { form: "pytorch" });
  const cases: readonly [string, string, string][] = [
    ["module.", "", ""],
    ["_orig_mod.module.", "", ""],
    ["encoder.", "encoder.", ""],
    ["network.backbone.", "network.backbone.", ""],
    ["module.encoder.", "encoder.", ""],
  ];
  for (const [front, stripped] of cases) {
    const target = makeNarrow("residual-unet", { seed: "target" });
    const report = loadWeights(target, renamed(plain, (name) => front + name));
    assert.deepEqual([report.prefixStripped, report.prefixAdded], [stripped, ""], front);
    await assertEqualParameters(source.parameters, target.parameters);
    disposeEncoder(target);
  }
  const joined = new Map([...source.parameters].map(([name, parameter]) => [`encoder.${name}`, parameter] as const));
  assert.equal(loadWeights(joined, plain).prefixAdded, "encoder.");
  const both = loadWeights(joined, renamed(plain, (name) => `backbone.${name}`));
  assert.deepEqual([both.prefixStripped, both.prefixAdded], ["backbone.", "encoder."]);

  const teacher = [...readSafetensors(plain).tensors].flatMap(([name, tensor]): [string, StoredTensor][] => [
    [`teacher.${name}`, tensor],
    [`student.${name}`, { ...tensor, data: new Float32Array(tensor.data.length) }],
  ]);
  const bytes = writeSafetensors(new Map(teacher));
  const target = makeNarrow("residual-unet", { seed: "target" });
  assert.throws(() => loadWeights(target, bytes), /RangeError: .*several prefixes fit.*"teacher.".*Pass the one/);
  const report = loadWeights(target, bytes, { prefix: "teacher." });
  assert.equal(report.unexpected.length, source.parameters.size);
  await assertEqualParameters(source.parameters, target.parameters);
  assert.throws(
    () => loadWeights(target, bytes, { prefix: "ema." }),
    /RangeError: .*nothing has the prefix: got "ema."/,
  );
  [source, target].forEach(disposeEncoder);
});

testOnBackends("loadWeights: an encoder takes its part of a whole nnU-Net", async () => {
  const random = new Random("whole");
  const encoder = new PlainUNet({ features: [2, 3, 4], random });
  const decoder = new UNetDecoder(encoder, { random });
  const head = new ReconstructionHead(decoder.outChannels, 2, { random });
  shake(encoder.parameters, "whole");
  const bytes = renamed(await saveWeights({ encoder, decoder, head }), (name) => `module.${name}`);
  const keys = [...readSafetensors(bytes).tensors.keys()];
  for (const stage of [0, 1]) assert.ok(keys.includes(`module.decoder.seg_layers.${stage}.weight`));
  const target = new PlainUNet({ features: [2, 3, 4], random: new Random("target") });
  const report = loadWeights(target, bytes);
  assert.deepEqual([report.prefixStripped, report.missing], ["encoder.", []]);
  assert.ok(report.unexpected.some(({ storedName }) => storedName === "module.decoder.transpconvs.0.weight"));
  assert.ok(report.ignored.includes("module.encoder.stages.0.0.convs.0.all_modules.0.weight"));
  await assertEqualParameters(encoder.parameters, target.parameters);

  const whole = (seed: string) => {
    const random = new Random(seed);
    const encoder = new PlainUNet({ features: [2, 3, 4], random });
    const decoder = new UNetDecoder(encoder, { random });
    const head = new ReconstructionHead(decoder.outChannels, 2, { random });
    return joinParameters({ encoder: encoder.parameters, decoder: decoder.parameters, head: head.parameters });
  };
  const [all, source] = [
    whole("all"),
    joinParameters({ encoder: encoder.parameters, decoder: decoder.parameters, head: head.parameters }),
  ];
  assert.equal(loadWeights(all, bytes).share, 1);
  await assertEqualParameters(source, all);
  disposeParameters(all);

  const other = new ReconstructionHead(decoder.outChannels, 2, { random: new Random("other") });
  loadWeights(other, bytes, { prefix: "module.decoder.seg_layers.1." });
  await assertEqualParameters(head.parameters, other.parameters);
  for (const { parameters } of [encoder, decoder, head, target, other]) disposeParameters(parameters);
});

testOnBackends("loadWeights: refuses what is too little, names the nearest, and then has changed nothing", async () => {
  const source = makeNarrow("plain-unet", { seed: "source" });
  const target = makeNarrow("plain-unet", { seed: "target" });
  const untouched = makeNarrow("plain-unet", { seed: "target" });
  const bytes = renamed(
    await saveWeights({ encoder: source }, { form: "pytorch" }),
    (name) => name.replace("stages.1.0.convs.1.conv", "stages.1.0.convs.1.cnov"),
  );
  assert.throws(
    () => loadWeights(target, bytes),
    /RangeError: Cannot load weights: .*got 14 of its tensors, expected all.*\n(.*\n)*missing .*stages\.1\.0\.convs\.1\.conv\.weight .*nearest: stages\.1\.0\.convs\.1\.cnov\.weight/,
  );
  await assertEqualParameters(target.parameters, untouched.parameters);
  assert.throws(() => loadWeights(target, bytes, { minimumMatched: 0.9 }), /expected at least 90 %/);
  assert.throws(() => loadWeights(target, bytes, { minimumMatched: 2 }), /minimumMatched is out of range: got 2/);
  const report = loadWeights(target, bytes, { minimumMatched: 0.85 });
  assert.equal(report.share, 14 / 16);
  assert.deepEqual(report.missing.map(({ name }) => name), [
    "stages.1.0.convs.1.conv.weight",
    "stages.1.0.convs.1.conv.bias",
  ]);
  const table = formatWeightsReport(report);
  assert.match(table, /^loaded 14 of 16 tensors \(87\.5 %\): 14 matched, 0 adapted, 2 missing/);
  assert.match(table, /missing +stages\.1\.0\.convs\.1\.conv\.weight +\[4, 4, 3, 3, 3\]/);
  assert.match(formatWeightsReport(report, { rows: 1 }), /… and 2 more$/);
  const nothing = writeSafetensors(new Map());
  assert.throws(() => loadWeights(target, nothing, { partial: true }), /got 0 of its tensors, expected at least one/);
  assert.throws(() => loadWeights(target, new Uint8Array(3)), /SyntaxError: Cannot read safetensors/);
  [source, target, untouched].forEach(disposeEncoder);
});

testOnBackends("loadWeights: half and bfloat16 files are widened, integers are refused", async () => {
  const source = makeNarrow("vit", { seed: "source" });
  for (const [dtype, step] of [["F16", 2 ** -11], ["BF16", 2 ** -8]] as const) {
    const target = makeNarrow("vit", { seed: "target" });
    const bytes = await saveWeights({ encoder: source }, { dtype });
    loadWeights(target, bytes);
    for (const [name, parameter] of source.parameters) {
      const got = await target.parameters.get(name)!.data();
      (await parameter.data()).forEach((value, i) =>
        assert.ok(Math.abs(got[i]! - value) <= step * Math.abs(value) + 1e-7)
      );
    }
    disposeEncoder(target);
  }
  const [first] = source.parameters.keys();
  const bytes = renamed(await saveWeights({ encoder: source }), (name) => name);
  const { tensors } = readSafetensors(bytes);
  const { shape, data } = tensors.get(first!)!;
  const whole = new Map([...tensors, [first!, { dtype: "I32", shape, data: Int32Array.from(data as Float32Array) }]]);
  const report = loadWeights(source, writeSafetensors(whole as typeof tensors), { partial: true });
  assert.deepEqual(report.mismatched.map(({ name, dtype }) => [name, dtype]), [[first, "I32"]]);
  disposeEncoder(source);
});
