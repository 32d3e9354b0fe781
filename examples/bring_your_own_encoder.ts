/**
 * Pretrains a small vision transformer written here, from the `Encoder3D` contract alone: four members, no inheritance.
 *
 *     deno run -A examples/bring_your_own_encoder.ts [steps] [folder]
 */
import type { Encoder3D } from "@med3d/encoder3d";
import {
  Conv3d,
  createParameter,
  joinParameters,
  LayerNorm,
  Mlp,
  MultiHeadAttention,
  type Parameters,
} from "@med3d/nn";
import { selectBackend } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import { runProgram } from "./_shared/command.ts";
import { parseConfiguration } from "./_shared/pretraining/configuration.ts";
import { pretrain } from "./_shared/pretraining/run.ts";

const PATCH = 8; // voxels per token and axis
const GRID = 4; // tokens per axis: inputs are 32 voxels wide
const WIDTH = 48;

interface Block {
  readonly attentionNorm: LayerNorm;
  readonly attention: MultiHeadAttention;
  readonly mlpNorm: LayerNorm;
  readonly mlp: Mlp;
}

/** A pre-norm vision transformer on 8³-voxel tokens. */
class SmallVit implements Encoder3D {
  readonly channels: readonly number[] = [WIDTH];
  readonly strides: Encoder3D["strides"] = [[PATCH, PATCH, PATCH]];
  readonly parameters: Parameters;
  readonly #embed: Conv3d;
  readonly #position: tf.Variable;
  readonly #blocks: readonly Block[];

  constructor(random: Random) {
    this.#embed = new Conv3d(1, WIDTH, { kernelSize: PATCH, stride: PATCH, padding: 0, random });
    const draw = random.normal(0, 0.02);
    this.#position = createParameter(Float32Array.from({ length: GRID ** 3 * WIDTH }, draw), [1, GRID ** 3, WIDTH]);
    this.#blocks = Array.from({ length: 2 }, () => ({
      attentionNorm: new LayerNorm(WIDTH),
      attention: new MultiHeadAttention(WIDTH, 4, { random }),
      mlpNorm: new LayerNorm(WIDTH),
      mlp: new Mlp(WIDTH, 4 * WIDTH, { random }),
    }));
    this.parameters = joinParameters({
      embed: this.#embed.parameters,
      "": new Map([["position", this.#position]]),
      ...Object.fromEntries(
        this.#blocks.flatMap((block, index) =>
          Object.entries(block).map(([name, layer]) => [`blocks.${index}.${name}`, layer.parameters])
        ),
      ),
    });
  }

  encode(volume: tf.Tensor5D): tf.Tensor5D[] {
    const grid = this.#embed.apply(volume);
    let tokens = tf.add(tf.reshape(grid, [-1, GRID ** 3, WIDTH]), this.#position) as tf.Tensor3D;
    for (const { attentionNorm, attention, mlpNorm, mlp } of this.#blocks) {
      const normed = attentionNorm.apply(tokens);
      tokens = tf.add(tokens, attention.apply(normed, normed, normed));
      tokens = tf.add(tokens, mlp.apply(mlpNorm.apply(tokens)));
    }
    return [tf.reshape(tokens, grid.shape)];
  }
}

if (import.meta.main) {
  Deno.exit(
    await runProgram(async () => {
      const { name: backend } = await selectBackend();
      const configuration = parseConfiguration(
        { out: Deno.args[1] ?? null, backend, patch: [32, 32, 32], phantoms: 12, steps: Number(Deno.args[0] ?? 100) },
        "the example",
      );
      await pretrain(configuration, { parts: { encoder: new SmallVit(new Random("vit")) } });
    }),
  );
}
