import type { SliceImage } from "@med3d/volume";
import { createHash } from "node:crypto";
import type { FrozenEncoder } from "../../contract.ts";
import { readEncoderFolder } from "./_encoder_folder.ts";
import type { EncoderKind, EncoderWindow } from "./encoder_settings.ts";
import { loadTextTower, loadVisionTower, type Tower } from "./_towers.ts";
import { loadOnnxRuntime, type OnnxRuntime } from "./onnx_runtime.ts";

/** Raised with every change of what is computed from equal files, so that stored vectors are not taken for it. */
const VERSION = 1;

/** Options of {@linkcode OnnxEncoder.load}. */
export interface OnnxEncoderOptions {
  /**
   * Intensities shown from black to white: a window in the slice's own unit (HU in CT), or percentiles of each slice.
   * Default `{ percentiles: [0.5, 99.5] }`. Part of the encoder's id.
   */
  readonly window?: EncoderWindow;
  /** Slices or texts per run of a model. Default 16. */
  readonly batchSize?: number;
  /** What runs the models. Default: onnxruntime-node, loaded when the first encoder is. */
  readonly runtime?: OnnxRuntime;
}

/**
 * CLIP, SigLIP, BiomedCLIP or a sentence encoder, frozen, from ONNX weights in a local folder.
 *
 * The folder is laid out as Hugging Face lays out ONNX weights, and as `tools/export` writes it: `config.json` (its `model_type` is clip, siglip,
 * biomedclip or bert), `preprocessor_config.json`, `tokenizer.json`, `onnx/vision_model.onnx` and `onnx/text_model.onnx`; one of the two models may be
 * missing. A sentence encoder keeps `1_Pooling/config.json` and `sentence_bert_config.json`.
 *
 * Slices are windowed to 8 bits, made square-pixelled, resized as Pillow does, cropped and normalised as the model was trained; texts are tokenised as
 * Hugging Face's tokenizers do. Nothing is fetched but, once, the npm package onnxruntime-node, and only when an encoder is loaded.
 *
 * ```ts ignore
 * import { OnnxEncoder } from "@med3d/captioner";
 *
 * await using encoder = await OnnxEncoder.load("weights/biomedclip", { window: { center: 40, width: 400 } });
 * const [vector] = await encoder.encodeTexts(["Axial CT of the upper abdomen."]);
 * console.log(encoder.id, vector!.length); // 512 numbers
 * ```
 */
export class OnnxEncoder implements FrozenEncoder, AsyncDisposable {
  /** Kind, version and the first 16 digits of the SHA-256 of the files' hashes and the window. */
  readonly id: string;
  /** What the model is. */
  readonly kind: EncoderKind;
  /** Length of every vector. */
  readonly width: number;
  /** Whether there is an image model. */
  readonly encodesSlices: boolean;
  /** Whether there is a text model. */
  readonly encodesTexts: boolean;
  readonly #folder: string;
  readonly #batchSize: number;
  readonly #vision: Tower<SliceImage> | undefined;
  readonly #text: Tower<string> | undefined;

  private constructor(
    parts: {
      readonly id: string;
      readonly kind: EncoderKind;
      readonly width: number;
      readonly folder: string;
      readonly batchSize: number;
      readonly vision: Tower<SliceImage> | undefined;
      readonly text: Tower<string> | undefined;
    },
  ) {
    this.id = parts.id;
    this.kind = parts.kind;
    this.width = parts.width;
    this.encodesSlices = parts.vision !== undefined;
    this.encodesTexts = parts.text !== undefined;
    this.#folder = parts.folder;
    this.#batchSize = parts.batchSize;
    this.#vision = parts.vision;
    this.#text = parts.text;
  }

  /**
   * Loads an encoder and tries each of its models once, so that a bad folder fails here.
   *
   * @param folder A local folder.
   * @throws Error when files are missing, models are refused or do not fit together, or onnxruntime cannot be had.
   * @throws SyntaxError when a JSON file is malformed or says what is not known here.
   * @throws RangeError when an option is out of range.
   */
  static async load(folder: string, options: OnnxEncoderOptions = {}): Promise<OnnxEncoder> {
    const { window = { percentiles: [0.5, 99.5] }, batchSize = 16 } = options;
    checkOptions(folder, window, batchSize);
    const files = await readEncoderFolder(folder);
    const runtime = options.runtime ?? await loadOnnxRuntime();
    const fingerprint = createHash("sha256").update(JSON.stringify([files.hashes, files.vision ? window : null]));
    const id = `onnx-${files.kind}-v${VERSION}/${fingerprint.digest("hex").slice(0, 16)}`;
    let vision: Tower<SliceImage> | undefined;
    let text: Tower<string> | undefined;
    try {
      vision = files.vision && await loadVisionTower(runtime, files.vision, window);
      text = files.text && await loadTextTower(runtime, files.text);
      const width = await tryTowers(folder, { vision, text });
      return new OnnxEncoder({ id, kind: files.kind, width, folder, batchSize, vision, text });
    } catch (error) {
      await Promise.all([vision?.release(), text?.release()]);
      throw error;
    }
  }

  /**
   * Encodes slices.
   *
   * @param slices Stay the caller's.
   * @returns Unit vectors of `width` numbers, one per slice, in order; the caller's.
   * @throws RangeError when a slice is malformed, has a pixel that is not finite or is a strip.
   * @throws Error when the folder has no image model or the model gives numbers that are not finite.
   */
  async encodeSlices(slices: readonly SliceImage[]): Promise<Float32Array[]> {
    return await this.#encode(slices, this.#vision, "slices");
  }

  /**
   * Encodes texts.
   *
   * @returns Unit vectors of `width` numbers, one per text, in order; the caller's. What is longer than the model takes is cut at the end.
   * @throws Error when the folder has no text model or the model gives numbers that are not finite.
   */
  async encodeTexts(texts: readonly string[]): Promise<Float32Array[]> {
    return await this.#encode(texts, this.#text, "texts");
  }

  /** Frees the models' memory; the encoder cannot be used afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#vision?.release(), this.#text?.release()]);
  }

  async #encode<Item>(items: readonly Item[], tower: Tower<Item> | undefined, what: string): Promise<Float32Array[]> {
    if (!tower) {
      throw new Error(
        `Cannot encode ${what} with ${this.#folder}: it has no model for them: got none, expected onnx/` +
          `${what === "texts" ? "text" : "vision"}_model.onnx. Export both models, or use another encoder.`,
      );
    }
    const vectors: Float32Array[] = [];
    for (let start = 0; start < items.length; start += this.#batchSize) {
      const made = await tower.encode(items.slice(start, start + this.#batchSize));
      vectors.push(...made.map((vector) => toUnit(vector, this.#folder)));
    }
    return vectors;
  }
}

function checkOptions(folder: string, window: EncoderWindow, batchSize: number): void {
  const refuse = (name: string, got: unknown, expected: string): never => {
    throw new RangeError(
      `Cannot load encoder from ${folder}: ${name} is out of range: got ${
        JSON.stringify(got)
      }, expected ${expected}. Leave it out.`,
    );
  };
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) refuse("batchSize", batchSize, "a positive integer");
  if ("percentiles" in window) {
    const [low, high] = window.percentiles;
    if (!(low >= 0 && low < high && high <= 100)) refuse("window", window, "ascending percentiles of 0…100");
  } else if (!(window.width > 0 && Number.isFinite(window.width) && Number.isFinite(window.center))) {
    refuse("window", window, "a finite center and a positive width");
  }
}

/** Encodes one slice and one text. @returns The width that both have. */
async function tryTowers(
  folder: string,
  { vision, text }: { vision: Tower<SliceImage> | undefined; text: Tower<string> | undefined },
): Promise<number> {
  const probe: SliceImage = { pixels: Float32Array.of(0, 1, 2, 3), width: 2, height: 2, spacingMm: [1, 1] };
  const vectors = [await vision?.encode([probe]), await text?.encode(["a"])].flatMap((made) => made ?? []);
  const widths = vectors.map((vector) => toUnit(vector, folder).length);
  if (new Set(widths).size !== 1) {
    throw new Error(
      `Cannot load encoder from ${folder}: its models give vectors of unequal length: got ${
        widths.join(" and ")
      }, expected ` +
        `one space. Export both models from the same weights.`,
    );
  }
  return widths[0]!;
}

/** Scales a vector to length 1, in place. */
function toUnit(vector: Float32Array, folder: string): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (!(squares > 0 && Number.isFinite(squares))) {
    throw new Error(
      `Cannot encode with ${folder}: the model gives no direction: got a vector of squared length ${squares}, expected a ` +
        `positive finite one. Check the weights.`,
    );
  }
  const scale = 1 / Math.sqrt(squares);
  for (let axis = 0; axis < vector.length; axis++) vector[axis]! *= scale;
  return vector;
}
