import { fromMonaiStateDict, fromNnUNetStateDict, parseSidecar, type Sidecar } from "@med3d/encoder3d";
import { loadStateDict, type Parameters, readSafetensors, type StoredTensor } from "@med3d/nn";
import type { ChannelNormalisation } from "@med3d/downstream";
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";
import { RUN_FILES } from "../pretraining/run_folder.ts";
import { MODEL_FILES, readModel } from "../inference/model_description.ts";
import type { Network } from "../inference/create_network.ts";

/** Weights to start from. */
export interface Pretrained {
  /** Folder that they came from. */
  readonly folder: string;
  /** Registry name of the encoder. */
  readonly architecture: string;
  /** Options that the encoder was made with. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** How intensities were brought into range, by modality. */
  readonly normalisationOf: (modality: "CT" | "MR" | "unknown") => ChannelNormalisation;
  /** Tensors by the names that a network here gives them. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * Reads what a pretraining or fine-tuning run left: the encoder, and the decoder where there is one.
 *
 * @throws UsageError when the folder holds neither, or files do not belong together.
 */
export async function readPretrained(folder: string): Promise<Pretrained> {
  const exists = (name: string): Promise<boolean> => stat(join(folder, name)).then(() => true, () => false);
  if (await exists(MODEL_FILES.description)) {
    const { description, bytes } = await readModel(folder);
    const { preprocessing: { channels }, architecture, arguments: options } = description;
    return {
      folder,
      architecture,
      arguments: options,
      normalisationOf: () => channels[0]!,
      tensors: readSafetensors(bytes).tensors,
    };
  }
  if (!await exists(RUN_FILES.sidecar)) {
    throw new UsageError(
      `Cannot start from ${folder}: it holds neither ${RUN_FILES.sidecar} nor ${MODEL_FILES.description}. Name the folder of a finished run, ` +
        `or --weights none.`,
    );
  }
  const { med3d } = readSidecar(folder, await readFile(join(folder, RUN_FILES.sidecar), "utf8"));
  if (!med3d?.weights || med3d.encoder.name === null) {
    throw new UsageError(
      `Cannot start from ${folder}: ${RUN_FILES.sidecar} describes no encoder of the registry. Pretrain one that deno task pretrain knows.`,
    );
  }
  const { file, sha256, keyPrefix } = med3d.weights;
  const bytes = new Uint8Array(await readFile(join(folder, file)));
  if (createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new UsageError(
      `Cannot start from ${folder}: ${file} is not what ${RUN_FILES.sidecar} was written with. Copy both again.`,
    );
  }
  const stored = fromMonaiStateDict(fromNnUNetStateDict(readSafetensors(bytes).tensors));
  const encoder = [...stored].map(([name, tensor]) => [`encoder.${name.slice(keyPrefix.length)}`, tensor] as const);
  const whole = await exists(RUN_FILES.model)
    ? [...readSafetensors(new Uint8Array(await readFile(join(folder, RUN_FILES.model)))).tensors]
    : [];
  return {
    folder,
    architecture: med3d.encoder.name,
    arguments: med3d.encoder.arguments,
    normalisationOf: (modality) => {
      const { channels, channelsByModality = {} } = med3d.input;
      return ((modality !== "unknown" && channelsByModality[modality]) || channels)[0]!;
    },
    tensors: new Map([...encoder, ...whole.filter(([name]) => name.startsWith("decoder."))]),
  };
}

function readSidecar(folder: string, text: string): Sidecar {
  try {
    return parseSidecar(text);
  } catch (error) {
    throw new UsageError(`Cannot start from ${folder}: ${RUN_FILES.sidecar}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Loads what fits: the whole encoder must, the decoder where names and shapes agree; heads stay as drawn. Where the network has more input
 * channels, the first convolution's single channel is spread over them.
 *
 * @returns One line saying what was loaded.
 * @throws UsageError when the encoder does not fit.
 */
export function loadPretrained(network: Network, { tensors, folder }: Pretrained, channels: number): string {
  const wanted = new Map([...tensors].filter(([name]) => /^(encoder|decoder|buffers)\./.test(name)));
  for (const [name, tensor] of wanted) {
    if (channels > 1 && name.startsWith("encoder.")) {
      wanted.set(name, spread(tensor, network.parameters, { name, channels }));
    }
  }
  const report = loadStateDict(network.parameters, wanted, { strict: false });
  const statistics = [...wanted].map(([name, tensor]) => [name.replace(/^buffers\./, ""), tensor] as const);
  loadStateDict(network.buffers, new Map(statistics), { strict: false }); // those of the encoder's batch norms
  const lacking = [...report.missing, ...report.mismatched.map(({ name }) => name)].filter((name) =>
    name.startsWith("encoder.")
  );
  if (lacking.length > 0) {
    throw new UsageError(
      `Cannot start from ${folder}: ${lacking.length} parameters of the encoder do not fit, ${
        lacking[0]
      } among them. Leave --encoder and ` +
        `--features out.`,
    );
  }
  const count = (part: string): number => report.matched.filter((name) => name.startsWith(part)).length;
  return `started from ${folder}: ${count("encoder.")} tensors of the encoder, ${count("decoder.")} of the decoder`;
}

/** Repeats a kernel of one input channel over several, divided by their number, where the network has that many there. */
function spread(
  tensor: StoredTensor,
  parameters: Parameters,
  { name, channels }: { name: string; channels: number },
): StoredTensor {
  const parameter = parameters.get(name);
  const [out, one, ...kernel] = tensor.shape;
  if (!parameter || parameter.shape.length !== 5 || one !== 1 || parameter.shape[3] !== channels) return tensor;
  const cells = kernel.reduce((product, size) => product * size, 1);
  const values = new Float32Array(out! * channels * cells);
  for (let i = 0; i < values.length; i++) {
    const [filter, cell] = [Math.floor(i / (channels * cells)), i % cells];
    values[i] = Number(tensor.data[filter * cells + cell]) / channels;
  }
  return { dtype: "F32", shape: [out!, channels, ...kernel], data: values };
}
