import { hashSlice, type SliceContext, type SliceImage } from "@med3d/volume";
import type { Caption, Captioner } from "./contract.ts";
import { measureSlice } from "./measure/measure_slice.ts";
import { describeMeasurements } from "./words/describe_measurements.ts";

/** Raised whenever the same slice would be worded or measured differently: stored captions are then made anew. */
const VERSION = 2;

/** Options of {@linkcode MeasuringCaptioner}. */
export interface MeasuringCaptionerOptions {
  /** Fixes the choice among wordings, together with the slice's hash. Default "0". */
  readonly seed?: string;
  /** Most connected regions that are described one by one. Default 3. */
  readonly maxRegions?: number;
  /** Most foci that are described one by one. Default 2. */
  readonly maxFoci?: number;
}

/**
 * A measuring captioner, not a language model: it measures a slice ({@linkcode measureSlice}) and says what it measured in
 * varied radiological English.
 *
 * It sees pixels and header facts, never labels, needs no network and no weights, and sends nothing anywhere. It knows no anatomy
 * and makes no diagnosis. Equal slices get equal captions, on every machine.
 */
export class MeasuringCaptioner implements Captioner {
  /** Name, version and settings. */
  readonly id: string;
  readonly #options: Required<MeasuringCaptionerOptions>;

  /**
   * Sets up the captioner.
   *
   * @throws RangeError when a setting is out of range.
   */
  constructor(options: MeasuringCaptionerOptions = {}) {
    const { seed = "0", maxRegions = 3, maxFoci = 2 } = options;
    for (const [name, value] of Object.entries({ maxRegions, maxFoci })) {
      if (!Number.isSafeInteger(value) || value < 0) {
        throw new RangeError(
          `Cannot make a measuring captioner: ${name} is out of range: got ${value}, expected a non-negative integer. Leave it out.`,
        );
      }
    }
    this.#options = { seed, maxRegions, maxFoci };
    this.id = `measuring-captioner-v${VERSION}?${new URLSearchParams({
      seed,
      regions: String(maxRegions),
      foci: String(maxFoci),
    })}`;
  }

  /**
   * Measures a slice and describes it.
   *
   * @param slice Pixels `[height, width]`, HU in CT; stays the caller's.
   * @param context Header facts.
   * @returns The caption; its text depends on nothing but slice, context and settings.
   * @throws RangeError (as a rejection) when the slice is malformed or has a pixel that is not finite, as {@linkcode measureSlice}.
   */
  // deno-lint-ignore require-await -- the contract is asynchronous, and errors must be rejections
  async caption(slice: SliceImage, context: SliceContext): Promise<Caption> {
    const measured = measureSlice(slice, context);
    const { seed, maxRegions, maxFoci } = this.#options;
    const text = describeMeasurements(measured, { seed: `${seed}/${hashSlice(slice)}`, maxRegions, maxFoci });
    return {
      text,
      captionerId: this.id,
      createdAt: new Date().toISOString(),
      parameters: { seed, maxRegions, maxFoci },
    };
  }
}
