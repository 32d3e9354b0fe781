/**
 * Compares networks of packages/encoder3d with the random configurations that tools/oracles/encoder3d_fuzz.py wrote: weights are loaded strictly,
 * outputs agree within 1e-4 and gradients within 1e-3 of the largest value (or three times PyTorch's own rounding), and the weights are saved for
 * the way back. nnU-Net's networks are made from an entry of plans. Exits with 1 where something differs.
 *
 *     deno run -A tools/oracles/encoder3d_fuzz.ts FOLDER [cpu | webgpu]
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import {
  countParameters,
  disposeParameters,
  joinParameters,
  type Parameters,
  readSafetensors,
  type StoredTensor,
  type Triple,
} from "@med3d/nn";
import {
  type Encoder3D,
  encoderFromPlans,
  type EncoderName,
  fromMonaiStateDict,
  fromNnFormerStateDict,
  fromNnUNetStateDict,
  loadWeights,
  NnFormerDecoder,
  saveWeights,
  UNetEncoder,
} from "@med3d/encoder3d";
import { selectBackend } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import { completed, encoderOf, type WholeNetwork } from "../../packages/encoder3d/weights/testdata/networks.ts";

interface Case {
  readonly name: EncoderName;
  readonly options: Readonly<Record<string, unknown>> & { readonly inChannels: number };
  readonly decoder: Readonly<Record<string, unknown>>;
  readonly architecture?: unknown;
  readonly size: Triple;
  /** Whether PyTorch's decoder stops short of the volume's grid, where ours goes on. */
  readonly encoderOnly: boolean;
  readonly training: boolean;
  readonly parameters: number;
  /** PyTorch's own errors in single precision. */
  readonly float32: Readonly<Record<string, number>>;
  /** Least magnitude that gradients of parameters are measured by. */
  readonly floor: number;
}

const [folder, backend = "cpu"] = Deno.args;
await selectBackend({ backend: backend as "cpu" | "webgpu" });
const compared: Record<string, number> = {};
let different = 0;
const names = (await readdir(folder!)).filter((name) => name.endsWith(".json")).sort();
for (const file of names) {
  const id = file.slice(0, -".json".length);
  const found: Case = JSON.parse(await readFile(`${folder}/${file}`, "utf8"));
  const faults = await compare(id, found).catch((error: Error) => [error.message]);
  if (faults.length === 0) compared[found.name] = (compared[found.name] ?? 0) + 1;
  else {
    different++;
    console.log(
      `${id}: ${faults.slice(0, 4).join("; ")}\n  ${
        JSON.stringify({ ...found, float32: undefined, architecture: undefined })
      }`,
    );
  }
}
console.log(`${backend}: as in PyTorch ${JSON.stringify(compared)}; ${different} of ${names.length} differ`);
Deno.exit(different > 0 ? 1 : 0);

function encoderOfCase({ name, options, architecture, size }: Case): Encoder3D {
  if (!architecture) return encoderOf({ encoder: name, options, size }, "fuzz");
  const configuration = { patch_size: size, spacing: [1, 1, 1], batch_size: 2, architecture };
  const plans = JSON.stringify({ configurations: { "3d_fullres": configuration } });
  return encoderFromPlans(plans, "3d_fullres", { inChannels: options.inChannels, random: new Random("fuzz") });
}

/** Everything that differs. */
async function compare(id: string, facts: Case): Promise<string[]> {
  const made = encoderOfCase(facts);
  const network: WholeNetwork = facts.encoderOnly ? { encoder: made } : completed(made, facts.decoder);
  const { encoder, decoder, head } = network;
  const bytes = await readFile(`${folder}/${id}.safetensors`);
  const nnunet = encoder instanceof UNetEncoder;
  loadWeights(encoder, bytes);
  if (decoder && decoder.parameters.size > 0) {
    loadWeights(decoder, bytes, nnunet ? { prefix: "decoder." } : { prefix: "" });
  }
  if (head) {
    loadWeights(head, bytes, {
      prefix: nnunet ? `decoder.seg_layers.${encoder.channels.length - 2}.` : "out.conv.conv.",
    });
  }
  if (!facts.encoderOnly) await writeFile(`${folder}/${id}.saved.safetensors`, await saveWeights(network));
  const { tensors } = readSafetensors(await readFile(`${folder}/${id}.io.safetensors`));
  const parameters = trainedOf(network);
  const faults: string[] = [];
  if (countParameters(parameters) !== facts.parameters) {
    faults.push(`parameters: ${countParameters(parameters)}, ${facts.parameters}`);
  }

  const input = tf.variable(fromTorch(tensors.get("input")!));
  const upstreams = [...tensors].filter(([key]) => key.startsWith("upstream/")).map(([, stored]) => fromTorch(stored));
  let outputs: tf.Tensor5D[] = [];
  const { grads } = tf.variableGrads(() => {
    const levels = encoder.encode(input as tf.Tensor as tf.Tensor5D, facts.training);
    const decoded = decoder instanceof NnFormerDecoder
      ? decoder.decodeLevels(levels)
      : decoder && [decoder.decode(levels)];
    outputs = (decoded ? decoded.map((map) => head ? head.apply(map) : map) : levels).map((output) => tf.keep(output));
    return tf.addN(outputs.map((output, i) => tf.sum(tf.mul(output, upstreams[i]!)))) as tf.Scalar;
  });
  const check = async (what: string, own: tf.Tensor, { stored, limit, floor = 1e-6 }: Check): Promise<void> => {
    const [got, wanted] = [await own.data<"float32">(), stored.data as Float32Array];
    const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), floor);
    const error = got.length === wanted.length
      ? wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0) / scale
      : NaN;
    if (!(error <= Math.max(limit, 3 * (facts.float32[what] ?? 0)))) {
      faults.push(`${what}: ${error}, [${own.shape}] [${stored.shape}]`);
    }
  };
  for (const [i, output] of outputs.entries()) {
    await check(`output/${i}`, toTorch(output), { stored: tensors.get(`output/${i}`)!, limit: 1e-4 });
  }
  await check("grad_input", toTorch(grads[input.name]!), { stored: tensors.get("grad_input")!, limit: 1e-3 });
  const gradients = new Map(
    [...tensors].flatMap(([key, t]) => key.startsWith("grad/") ? [[key.slice(5), t] as const] : []),
  );
  const wanted = namesHere(encoder, gradients);
  for (const name of wanted.keys()) if (!parameters.has(name)) faults.push(`${name} is not here`);
  for (const [name, parameter] of parameters) {
    const own = grads[parameter.name];
    const stored = wanted.get(name);
    if (!own || !stored) faults.push(`${name} has no gradient`);
    else {
      const onDisk = own.rank === 5 ? tf.transpose(own, [4, 3, 0, 1, 2]) : own;
      await check(`grad/${name}`, onDisk, { stored, limit: 1e-3, floor: facts.floor });
    }
  }
  disposeParameters(parameters);
  disposeParameters(encoder.buffers ?? new Map());
  tf.dispose([input, outputs, upstreams, Object.values(grads)]);
  return faults;
}

interface Check {
  readonly stored: StoredTensor;
  readonly limit: number;
  readonly floor?: number;
}

/** Parameters under the names of PyTorch, each once. */
function trainedOf({ encoder, decoder, head }: WholeNetwork): Parameters {
  const nothing: Parameters = new Map();
  const [own, decoding, output] = [encoder.parameters, decoder?.parameters ?? nothing, head?.parameters ?? nothing];
  if (encoder instanceof UNetEncoder) return joinParameters({ encoder: own, decoder: decoding, head: output });
  return joinParameters(new Map<string, Parameters>([["", new Map([...own, ...decoding])], ["out.conv.conv", output]]));
}

function namesHere(
  encoder: Encoder3D,
  gradients: ReadonlyMap<string, StoredTensor>,
): ReadonlyMap<string, StoredTensor> {
  if (encoder instanceof UNetEncoder) return fromNnUNetStateDict(gradients);
  return "settings" in encoder ? fromNnFormerStateDict(gradients) : fromMonaiStateDict(gradients);
}

function fromTorch({ shape, data }: StoredTensor): tf.Tensor5D {
  return tf.tidy(() =>
    tf.transpose(tf.tensor<tf.Rank>(data as Float32Array, [...shape]), [0, 2, 3, 4, 1]) as tf.Tensor5D
  );
}

function toTorch(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, [0, 4, 1, 2, 3]);
}
