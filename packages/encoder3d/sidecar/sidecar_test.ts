import { strict as assert } from "node:assert";
import { disposeParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import {
  createEncoderFromSidecar,
  type Encoder3D,
  type EncoderName,
  makeSidecar,
  type MakeSidecarOptions,
  parseSidecar,
  type Sidecar,
  type SidecarInput,
} from "../mod.ts";
import { disposeEncoder, makeNarrow, NARROW } from "../testdata/narrow_encoders.ts";

const random = (): Random => new Random("sidecar");
const INPUT: SidecarInput = {
  orientation: "RAS+",
  spacingMm: null,
  resize: [32, 32, 32],
  channels: [{ kind: "percentiles", percentiles: [0.5, 99.5] }],
  channelsByModality: { CT: [{ kind: "window", centerHu: 40, widthHu: 400 }] },
};

function sidecarOf(name: EncoderName, options: Partial<MakeSidecarOptions> = {}): Sidecar {
  const { inChannels = 1, size, ...narrow } = NARROW[name];
  const given = { inChannels, ...narrow };
  const encoder = makeNarrow(name, given);
  const sidecar = makeSidecar(encoder, {
    name,
    arguments: given,
    inChannels,
    patchSize: size,
    input: INPUT,
    weights: { file: "encoder.safetensors", sha256: "0".repeat(64) },
    ...options,
  });
  disposeEncoder(encoder);
  return sidecar;
}

testOnBackends("makeSidecar: createEncoderFromSidecar makes every registered encoder again", () => {
  for (const name of Object.keys(NARROW) as EncoderName[]) {
    const sidecar = parseSidecar(JSON.stringify(sidecarOf(name)));
    const encoder = createEncoderFromSidecar(sidecar, { random: random() });
    const first = makeNarrow(name);
    const shapes = ({ parameters }: Encoder3D) => [...parameters].map(([key, { shape }]) => [key, shape]);
    assert.deepEqual(shapes(encoder), shapes(first), name);
    for (const key of sidecar.keys_to_in_proj) {
      const own = key.slice(sidecar.med3d!.weights!.keyPrefix.length).replace("all_modules.0", "conv");
      assert.ok(encoder.parameters.has(`${own}.weight`), `${name}: ${key}`);
    }
    assert.ok(sidecar.keys_to_in_proj.length > 0, name);
    [encoder, first].forEach(disposeEncoder);
  }
});

testOnBackends("makeSidecar: nnU-Net's U-Nets get nnssl's keys and the class's arguments", () => {
  const residual = sidecarOf("residual-unet");
  assert.equal(residual.architecture_plans.arch_class_name, "ResidualEncoderUNet");
  assert.deepEqual(residual.architecture_plans.arch_kwargs!["n_blocks_per_stage"], [1, 1]);
  assert.deepEqual(
    [residual.key_to_encoder, residual.key_to_stem, residual.keys_to_in_proj],
    ["encoder.stages", "encoder.stem", ["encoder.stem.convs.0.conv", "encoder.stem.convs.0.all_modules.0"]],
  );
  assert.equal(residual.med3d!.weights!.keyPrefix, "encoder.");
  assert.deepEqual(sidecarOf("plain-unet").key_to_stem, "encoder.stages.0");
  assert.deepEqual(sidecarOf("unetr").key_to_lpe, "vit.patch_embedding.position_embeddings");
  assert.deepEqual(sidecarOf("resnet10").key_to_encoder, "");
});

testOnBackends("createEncoderFromSidecar: reads nnssl's own adaptation plan, and takes overrides", () => {
  const { med3d: _, key_to_lpe: __, ...plan } = sidecarOf("residual-unet");
  for (const [changed, channels] of [[{}, [2, 4]], [{ features: [3, 4] }, [3, 4]]] as const) {
    const encoder = createEncoderFromSidecar(parseSidecar(plan), { random: random(), overrides: changed });
    assert.deepEqual(encoder.channels, channels);
    disposeParameters(encoder.parameters);
  }
  const preset = { arch_class_name: "ResEncL", arch_kwargs: null, arch_kwargs_requiring_import: null };
  const encoder = createEncoderFromSidecar(parseSidecar({ ...plan, architecture_plans: preset }), {
    random: random(),
    overrides: { features: [1, 1, 1, 1, 1, 1] },
  });
  assert.equal(encoder.parameters.size, [...encoder.parameters.keys()].length);
  assert.ok(encoder.parameters.has("stages.5.blocks.5.conv2.conv.weight"));
  disposeParameters(encoder.parameters);
  const primus = { ...preset, arch_class_name: "PrimusM" };
  assert.throws(
    () => createEncoderFromSidecar(parseSidecar({ ...plan, architecture_plans: primus }), { random: random() }),
    /RangeError: Cannot create an encoder from the sidecar: the network's class is not offered: got "PrimusM"/,
  );
});

testOnBackends("createEncoderFromSidecar: a user's own encoder is refused", () => {
  const own = { parameters: new Map(), channels: [48], strides: [[8, 8, 8]] as const };
  const sidecar = makeSidecar(own, { name: null, patchSize: [8, 8, 8], input: INPUT });
  assert.equal(sidecar.med3d!.weights, null);
  assert.deepEqual(sidecar.med3d!.encoder, { name: null, arguments: {}, channels: [48], strides: [[8, 8, 8]] });
  assert.throws(() => createEncoderFromSidecar(sidecar, { random: random() }), /RangeError: .*it is a user's own/);
});

testOnBackends("parseSidecar: unknown keys name the nearest known one, wrong and missing values their place", () => {
  const sidecar = sidecarOf("vit");
  const refused: readonly [unknown, RegExp][] = [
    [{ ...sidecar, key_to_stern: "x" }, /a key is unknown: got "key_to_stern".*Did you mean "key_to_stem"\?/],
    [
      { ...sidecar, med3d: { ...sidecar.med3d, input: { ...INPUT, spacing: [1, 1, 1] } } },
      /a key of med3d.input is unknown: got "spacing".*Did you mean "spacingMm"\?/,
    ],
    [
      { ...sidecar, med3d: { ...sidecar.med3d, encoder: { ...sidecar.med3d!.encoder, name: "vitt" } } },
      /med3d.encoder.name is unknown: got "vitt".*Did you mean "vit"\?/,
    ],
    [{ ...sidecar, key_to_stem: undefined }, /key_to_stem is missing/],
    [{ ...sidecar, recommended_downstream_patchsize: [1, 2] }, /recommended_downstream_patchsize.* wrong: got \[1,2\]/],
    [[], /the sidecar is wrong: got \[\]/],
    [
      { ...sidecar, med3d: { ...sidecar.med3d, weights: { file: "../x", sha256: "0".repeat(64), keyPrefix: "" } } },
      /med3d.weights.file is wrong: got "..\/x"/,
    ],
  ];
  for (const [value, message] of refused) {
    assert.throws(() => parseSidecar(value), (error) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => parseSidecar("PK"), /SyntaxError: Cannot read a sidecar: it is no JSON/);
});
