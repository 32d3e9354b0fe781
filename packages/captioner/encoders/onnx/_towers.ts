import type { EncoderFolder, Pooling } from "./_encoder_folder.ts";
import type { OnnxRuntime, OnnxSession, OnnxTensor } from "./onnx_runtime.ts";
import { toPicture, writeChannels } from "./_picture.ts";
import type { EncoderWindow } from "./encoder_settings.ts";
import type { SliceImage } from "@med3d/volume";

/** Encodes a batch of things into vectors that are not of unit length yet. */
export interface Tower<Item> {
  encode(items: readonly Item[]): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/** Outputs that hold one vector per item, best first. */
const IMAGE_OUTPUTS = ["image_embeds", "pooler_output"];
const TEXT_OUTPUTS = ["text_embeds", "sentence_embedding"];

/** Loads the image model of a folder. */
export async function loadVisionTower(
  runtime: OnnxRuntime,
  { path, picture }: NonNullable<EncoderFolder["vision"]>,
  window: EncoderWindow,
): Promise<Tower<SliceImage>> {
  const { session, output } = await openSession(runtime, path, { inputs: ["pixel_values"], outputs: IMAGE_OUTPUTS });
  return {
    encode: async (slices) => {
      const pictures = slices.map((slice) => toPicture(slice, picture, window));
      const { width, height } = pictures[0]!;
      const values = new Float32Array(3 * width * height * pictures.length);
      pictures.forEach((made, index) => {
        const from = index * 3 * width * height;
        writeChannels(made, picture, values.subarray(from, from + 3 * width * height));
      });
      const pixels = new runtime.Tensor("float32", values, [pictures.length, 3, height, width]);
      const outputs = await session.run({ pixel_values: pixels });
      return rowsOf(outputs[output]!, slices.length, path);
    },
    release: () => session.release(),
  };
}

/** Loads the text model of a folder. */
export async function loadTextTower(
  runtime: OnnxRuntime,
  { path, tokeniser, padId, fillsUp, pooling }: NonNullable<EncoderFolder["text"]>,
): Promise<Tower<string>> {
  const { session, output } = await openSession(runtime, path, {
    inputs: ["input_ids", "attention_mask", "token_type_ids"],
    outputs: [...TEXT_OUTPUTS, ...(pooling ? ["last_hidden_state", "token_embeddings"] : ["pooler_output"])],
  });
  const fixed = session.inputMetadata?.[session.inputNames.indexOf("input_ids")]?.shape?.[1];
  const fixedLength = typeof fixed === "number" && fixed > 0 ? fixed : fillsUp ? tokeniser.maxTokens! : undefined;
  if (fixedLength !== undefined && (tokeniser.maxTokens ?? Infinity) > fixedLength) {
    await session.release();
    throw new Error(
      `Cannot load encoder: ${path} takes fewer tokens than the folder says: got ${fixedLength}, expected at least ` +
        `${tokeniser.maxTokens}. Mend max_position_embeddings in config.json.`,
    );
  }
  return {
    encode: async (texts) => {
      const ids = texts.map((text) => tokeniser.encode(text));
      const longest = ids.reduce((most, { length }) => Math.max(most, length), 1);
      const length = fixedLength ?? longest;
      const at = (index: number): number | undefined => ids[Math.floor(index / length)]![index % length];
      const count = texts.length * length;
      const mask = Uint8Array.from({ length: count }, (_, index) => Number(at(index) !== undefined));
      const values: Readonly<Record<string, (index: number) => number>> = {
        input_ids: (index) => at(index) ?? padId,
        attention_mask: (index) => mask[index]!,
        token_type_ids: () => 0,
      };
      const inputs = Object.fromEntries(session.inputNames.map((name, place) => {
        const type = session.inputMetadata?.[place]?.type === "int32" ? "int32" : "int64";
        const data = type === "int32"
          ? Int32Array.from({ length: count }, (_, index) => values[name]!(index))
          : BigInt64Array.from({ length: count }, (_, index) => BigInt(values[name]!(index)));
        return [name, new runtime.Tensor(type, data, [texts.length, length])];
      }));
      const tensor = (await session.run(inputs))[output]!;
      if (tensor.dims.length === 3 && pooling) return pool(tensor, { mask, length, pooling });
      return rowsOf(tensor, texts.length, path);
    },
    release: () => session.release(),
  };
}

/** Loads a model. `inputs` are those that may be there, the first one must be; `outputs` those that will do, best first. */
async function openSession(
  runtime: OnnxRuntime,
  path: string,
  { inputs, outputs }: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
): Promise<{ session: OnnxSession; output: string }> {
  let session: OnnxSession;
  try {
    session = await runtime.InferenceSession.create(path, { logSeverityLevel: 3 });
  } catch (cause) {
    throw new Error(
      `Cannot load encoder: onnxruntime refuses ${path}: got ${
        (cause as Error).message
      }, expected a sound ONNX model. ` +
        `Export the encoder anew.`,
      { cause },
    );
  }
  const { inputNames, outputNames } = session;
  const output = outputs.find((name) => outputNames.includes(name));
  const takes = inputNames.includes(inputs[0]!) && inputNames.every((name) => inputs.includes(name));
  if (takes && output !== undefined) return { session, output };
  await session.release();
  const wrong = takes
    ? `gives other outputs: got ${outputNames.join(", ")}, expected one of ${outputs.join(", ")}`
    : `takes other inputs: got ${inputNames.join(", ")}, expected ${inputs.join(", ")} or fewer`;
  throw new Error(`Cannot load encoder: ${path} ${wrong}. Export the encoder with tools/export.`);
}

/** One vector per item, checked. */
function rowsOf({ data, dims }: OnnxTensor, count: number, path: string): Float32Array[] {
  if (!(data instanceof Float32Array) || dims.length !== 2 || dims[0] !== count) {
    throw new Error(
      `Cannot encode with ${path}: the output has another type or shape: got [${dims}], expected float32 [${count}, width]. ` +
        `Export the encoder with tools/export.`,
    );
  }
  const width = dims[1]!;
  return Array.from({ length: count }, (_, row) => data.slice(row * width, (row + 1) * width));
}

/** Makes one vector per text of `[texts, length, width]`. */
function pool(
  { data, dims }: OnnxTensor,
  { mask, length, pooling }: { mask: Uint8Array; length: number; pooling: Pooling },
): Float32Array[] {
  const values = data as Float32Array;
  const width = dims[2]!;
  return Array.from({ length: dims[0]! }, (_, text) => {
    const vector = new Float32Array(width);
    if (pooling === "first") return values.slice(text * length * width, (text * length + 1) * width);
    const sums = new Float64Array(width);
    for (let token = text * length; token < (text + 1) * length; token++) {
      if (mask[token] === 0) continue;
      for (let axis = 0; axis < width; axis++) sums[axis]! += values[token * width + axis]!;
    }
    vector.set(sums); // the mean's length does not matter, every vector is scaled to 1
    return vector;
  });
}
