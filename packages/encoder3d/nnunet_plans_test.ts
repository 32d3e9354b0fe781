import { strict as assert } from "node:assert";
import { disposeParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { encoderFromPlans, PlainUNet, readNnUNetPlans, ResidualEncoderUNet } from "./mod.ts";

const random = (): Random => new Random("plans");

/** nnU-Net 2.0 to 2.3: names of their own for everything. */
const OLD = {
  dataset_name: "Dataset004_Hippocampus",
  plans_name: "nnUNetPlans",
  configurations: {
    "2d": {
      patch_size: [56, 40],
      spacing: [1, 1],
      UNet_class_name: "PlainConvUNet",
      UNet_base_num_features: 32,
      n_conv_per_stage_encoder: [2, 2],
      n_conv_per_stage_decoder: [2],
      pool_op_kernel_sizes: [[1, 1], [2, 2]],
      conv_kernel_sizes: [[3, 3], [3, 3]],
      unet_max_num_features: 512,
    },
    "3d_fullres": {
      data_identifier: "nnUNetPlans_3d_fullres",
      preprocessor_name: "DefaultPreprocessor",
      batch_size: 9,
      patch_size: [40, 56, 40],
      spacing: [1, 0.8, 0.8],
      normalization_schemes: ["ZScoreNormalization"],
      UNet_class_name: "PlainConvUNet",
      UNet_base_num_features: 2,
      n_conv_per_stage_encoder: [2, 1, 3],
      n_conv_per_stage_decoder: [2, 1],
      num_pool_per_axis: [1, 2, 2],
      pool_op_kernel_sizes: [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
      conv_kernel_sizes: [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
      unet_max_num_features: 6,
      batch_dice: false,
    },
    "3d_cascade_fullres": { inherits_from: "3d_fullres", previous_stage: "3d_lowres" },
    "3d_residual": { inherits_from: "3d_fullres", UNet_class_name: "ResidualEncoderUNet" },
  },
};

const ARCH_KWARGS: Readonly<Record<string, unknown>> = {
  n_stages: 3,
  features_per_stage: [2, 4, 6],
  conv_op: "torch.nn.modules.conv.Conv3d",
  kernel_sizes: [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
  strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
  n_blocks_per_stage: [1, 3, 2],
  n_conv_per_stage_decoder: [1, 1],
  conv_bias: true,
  norm_op: "torch.nn.modules.instancenorm.InstanceNorm3d",
  norm_op_kwargs: { eps: 1e-5, affine: true },
  dropout_op: null,
  dropout_op_kwargs: null,
  nonlin: "torch.nn.LeakyReLU",
  nonlin_kwargs: { inplace: true },
};

/** nnU-Net from 2.4 on. */
function newPlans(changed: Record<string, unknown> = {}, className = "ResidualEncoderUNet") {
  return {
    dataset_name: "Dataset220_KiTS2023",
    plans_name: "nnUNetResEncUNetLPlans",
    configurations: {
      "3d_lowres": { inherits_from: "3d_fullres", spacing: [2, 2, 2] },
      "3d_fullres": {
        batch_size: 2,
        patch_size: [160, 224, 192],
        spacing: [1, 0.78125, 0.78125],
        architecture: {
          network_class_name: `dynamic_network_architectures.architectures.unet.${className}`,
          arch_kwargs: { ...ARCH_KWARGS, ...changed },
          _kw_requires_import: ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
      },
    },
  };
}

testOnBackends("encoderFromPlans: makes the plain U-Net of the old form, and a configuration that inherits it", () => {
  for (const configuration of ["3d_fullres", "3d_cascade_fullres"]) {
    const encoder = encoderFromPlans(JSON.stringify(OLD), configuration, { inChannels: 2, random: random() });
    assert.ok(encoder instanceof PlainUNet);
    assert.deepEqual(encoder.channels, [2, 4, 6]);
    assert.deepEqual(encoder.strides, [[1, 1, 1], [1, 2, 2], [2, 4, 4]]);
    assert.equal(encoder.inChannels, 2);
    const shape = (name: string) => encoder.parameters.get(name)?.shape;
    assert.deepEqual(shape("stages.0.0.convs.0.conv.weight"), [1, 3, 3, 2, 2]);
    assert.deepEqual(shape("stages.2.0.convs.2.conv.bias"), [6]);
    assert.equal(shape("stages.1.0.convs.1.conv.weight"), undefined);
    disposeParameters(encoder.parameters);
  }
  const { patchSize, spacingMm, batchSize, decoder } = readNnUNetPlans(OLD, "3d_fullres");
  assert.deepEqual([patchSize, spacingMm, batchSize], [[40, 56, 40], [1, 0.8, 0.8], 9]);
  assert.deepEqual(decoder, { convsPerStage: [2, 1], convBias: true });
});

testOnBackends("encoderFromPlans: makes the residual U-Net of both forms", () => {
  const old = encoderFromPlans(OLD, "3d_residual", { random: random() });
  const made = encoderFromPlans(newPlans(), "3d_fullres", { random: random() });
  for (const [encoder, blocks] of [[old, [2, 1, 3]], [made, [1, 3, 2]]] as const) {
    assert.ok(encoder instanceof ResidualEncoderUNet);
    assert.deepEqual(encoder.channels, [2, 4, 6]);
    blocks.forEach((count, stage) => {
      const has = (block: number) => encoder.parameters.has(`stages.${stage}.blocks.${block}.conv1.conv.bias`);
      assert.deepEqual([has(count - 1), has(count)], [true, false]);
    });
    disposeParameters(encoder.parameters);
  }
  assert.deepEqual(readNnUNetPlans(newPlans(), "3d_lowres").spacingMm, [2, 2, 2]);
});

testOnBackends("encoderFromPlans: one number stands for all stages; convolutions without a bias", () => {
  const plans = newPlans({ features_per_stage: 3, kernel_sizes: 3, n_blocks_per_stage: 1, conv_bias: false });
  const encoder = encoderFromPlans(plans, "3d_fullres", { random: random() });
  assert.deepEqual(encoder.channels, [3, 3, 3]);
  assert.ok(!encoder.parameters.has("stages.0.blocks.0.conv1.conv.bias"));
  disposeParameters(encoder.parameters);
});

Deno.test("readNnUNetPlans: what is not offered is refused by name", () => {
  const refused: readonly [Record<string, unknown>, RegExp][] = [
    [{ conv_op: "torch.nn.modules.conv.Conv2d" }, /conv_op is not offered here: got "torch.nn.modules.conv.Conv2d"/],
    [{ norm_op: "torch.nn.BatchNorm3d" }, /norm_op is not offered here: got "torch.nn.BatchNorm3d"/],
    [{ norm_op_kwargs: { eps: 1e-3, affine: true } }, /norm_op_kwargs is not offered here: got \{"eps":0.001/],
    [{ norm_op_kwargs: {} }, /norm_op_kwargs is not offered here: got \{\}/],
    [{ dropout_op: "torch.nn.Dropout3d" }, /dropout_op is not offered here/],
    [{ nonlin: "torch.nn.ReLU" }, /nonlin is not offered here: got "torch.nn.ReLU"/],
    [{ nonlin_kwargs: { negative_slope: 0.1 } }, /nonlin_kwargs is not offered here: got \{"negative_slope":0.1\}/],
    [
      { block: "dynamic_network_architectures.building_blocks.residual.BottleneckD" },
      /block is not offered here: got .*BottleneckD", expected BasicBlockD/,
    ],
    [{ stem_channels: 16 }, /stem_channels is not offered here: got 16/],
    [{ n_block_per_stage: 2 }, /no such argument: got n_block_per_stage.*Did you mean "n_blocks_per_stage"\?/],
    [{ strides: [1, 2] }, /strides is wrong: got \[1,2\], expected 3 entries/],
    [{ norm_op: undefined }, /norm_op is missing/],
  ];
  for (const [changed, message] of refused) {
    assert.throws(() => readNnUNetPlans(JSON.stringify(newPlans(changed)), "3d_fullres"), (error) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => readNnUNetPlans(newPlans({}, "Primus"), "3d_fullres"), /class is not offered: got .*Primus"/);
});

Deno.test("readNnUNetPlans: an unknown configuration, one of two dimensions, a circle and no JSON are refused", () => {
  assert.throws(() => readNnUNetPlans(OLD, "3d_fulres"), /RangeError: .*got "3d_fulres".*mean "3d_fullres"\?/);
  assert.throws(() => readNnUNetPlans(OLD, "2d"), /patch_size is not that of a 3D network: got \[56,40\]/);
  const circle = { configurations: { a: { inherits_from: "b" }, b: { inherits_from: "a" } } };
  assert.throws(() => readNnUNetPlans(circle, "a"), /RangeError: .*inherits_from is wrong: got "a"/);
  assert.throws(() => readNnUNetPlans("PK\u0003", "3d_fullres"), /SyntaxError: .*they are no JSON/);
  assert.throws(() => readNnUNetPlans({}, "3d_fullres"), /configurations is missing/);
  const { conv_kernel_sizes: _, ...without } = OLD.configurations["3d_fullres"];
  const plans = { configurations: { "3d_fullres": without } };
  assert.throws(() => readNnUNetPlans(plans, "3d_fullres"), /conv_kernel_sizes is missing/);
});
