import type { SliceImage } from "@med3d/volume";
import { open, readFile, rename, rm } from "node:fs/promises";
import type { FrozenEncoder } from "../contract.ts";
import { tokeniseCaption } from "../text/tokenise_caption.ts";
import { type EncoderState, packEncoder, type StoredEncoder, unpackEncoder } from "./_stored_encoder.ts";
import { describeImage, DESCRIPTOR_WIDTH } from "./image_descriptor.ts";
import { type SparseRow, tfidfEncoder } from "./tfidf.ts";

/**
 * Encoders of slices and texts into one space, fitted by {@linkcode fitSliceTextEncoder} and frozen.
 *
 * Linear maps of an image descriptor and of a TF-IDF vector onto canonical directions, scaled to length 1. The last axis is kept
 * free: what the encoder knows nothing about (a text without a known term; anything, where captions told no slices apart) becomes the unit vector
 * of that axis, at a right angle to everything else.
 */
export class EmbeddedEncoder implements FrozenEncoder {
  /** Name, version and the first 16 digits of the content's SHA-256. */
  readonly id: string;
  /** Length of every vector. */
  readonly width: number;
  /** Canonical correlations of the axes in use on the pairs it was fitted on, descending, 0…1. At most `width − 1`. */
  readonly correlations: readonly number[];
  /** What a user should know about the fit, in sentences: too few samples, captions that are all alike. */
  readonly notices: readonly string[];
  readonly #state: EncoderState;
  readonly #stored: StoredEncoder;
  readonly #toTfidf: (terms: readonly string[]) => SparseRow;

  private constructor(state: EncoderState) {
    this.#state = state;
    this.#stored = packEncoder(state);
    this.#toTfidf = tfidfEncoder(state);
    this.id = `embedded-encoder-v${this.#stored.version}/${this.#stored.sha256.slice(0, 16)}`;
    this.width = state.width;
    this.correlations = Array.from(state.correlations);
    this.notices = state.notices;
  }

  /** Used by {@linkcode fitSliceTextEncoder}. @ignore */
  static fromState(state: EncoderState): EmbeddedEncoder {
    return new EmbeddedEncoder(state);
  }

  /**
   * Makes the encoder anew from what {@linkcode toJSON} gave: data only, checked by schema, sizes and SHA-256.
   *
   * @throws SyntaxError when anything is missing, malformed, of another version or altered.
   */
  static fromJSON(stored: unknown): EmbeddedEncoder {
    return new EmbeddedEncoder(unpackEncoder(stored, DESCRIPTOR_WIDTH));
  }

  /** Reads what {@linkcode save} wrote. @throws SyntaxError when the file is no sound encoder; Error when it cannot be read. */
  static async load(path: string): Promise<EmbeddedEncoder> {
    const text = await readFile(path, "utf8");
    try {
      return EmbeddedEncoder.fromJSON(JSON.parse(text));
    } catch (error) {
      throw new SyntaxError(`${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Gives plain data for `JSON.stringify`, versioned and with a checksum. An encoder made from it has the same id and vectors. */
  toJSON(): Readonly<Record<string, unknown>> {
    return { ...this.#stored };
  }

  /** Writes the encoder to a file: under another name first, flushed, then renamed, so that the file is whole or not there. */
  async save(path: string): Promise<void> {
    const temporary = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      const file = await open(temporary, "wx");
      try {
        await file.writeFile(JSON.stringify(this));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /**
   * Encodes slices.
   *
   * @param slices Stay the caller's.
   * @returns Unit vectors of `width` numbers, one per slice, in order; the caller's.
   * @throws RangeError (as a rejection) when a slice is malformed or has a pixel that is not finite.
   */
  // deno-lint-ignore require-await -- the contract is asynchronous, and errors must be rejections
  async encodeSlices(slices: readonly SliceImage[]): Promise<Float32Array[]> {
    const { imageProjection, imageOffset } = this.#state;
    return slices.map((slice) => {
      const sums = Float64Array.from(imageOffset);
      describeImage(slice).forEach((value, row) => this.#addRow(sums, imageProjection, row, value));
      return this.#toUnit(sums);
    });
  }

  /**
   * Encodes texts.
   *
   * @returns Unit vectors of `width` numbers, one per text, in order; the caller's. A text without a known term becomes the unit vector of
   * the last axis.
   */
  // deno-lint-ignore require-await -- the contract is asynchronous
  async encodeTexts(texts: readonly string[]): Promise<Float32Array[]> {
    const { textProjection, textOffset } = this.#state;
    return texts.map((text) => {
      const { columns, values } = this.#toTfidf(tokeniseCaption(text));
      if (columns.length === 0) return this.#toUnit(new Float64Array(textOffset.length));
      const sums = Float64Array.from(textOffset);
      columns.forEach((column, index) => this.#addRow(sums, textProjection, column, values[index]!));
      return this.#toUnit(sums);
    });
  }

  #addRow(sums: Float64Array, matrix: Float32Array, row: number, value: number): void {
    const start = row * sums.length;
    for (let axis = 0; axis < sums.length; axis++) sums[axis]! += value * matrix[start + axis]!;
  }

  #toUnit(sums: Float64Array): Float32Array {
    const vector = new Float32Array(this.width);
    const length = Math.hypot(...sums);
    if (length > 1e-9) vector.set(sums.map((value) => value / length));
    else vector[this.width - 1] = 1;
    return vector;
  }
}
