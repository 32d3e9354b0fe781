import { createHash } from "node:crypto";
import { type CaptionFault, faultOf } from "./caption_fault.ts";

/** Options of {@linkcode RepetitionMemory}. */
export interface RepetitionMemoryOptions {
  /** Slices that may have one and the same text. Default 5. */
  readonly maxEqual?: number;
  /** Texts that are remembered; the oldest are forgotten. Default 20 000. */
  readonly capacity?: number;
}

/** Remembers texts of one run, so that a model that says the same of every slice is noticed. Letter case and punctuation do not count. */
export class RepetitionMemory {
  readonly #counts = new Map<string, number>();
  readonly #maxEqual: number;
  readonly #capacity: number;

  /** Starts empty. @throws RangeError when an option is not a positive integer. */
  constructor(options: RepetitionMemoryOptions = {}) {
    const { maxEqual = 5, capacity = 20_000 } = options;
    for (const [name, value] of Object.entries({ maxEqual, capacity })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new RangeError(
        `Cannot remember captions: ${name} is out of range: got ${value}, expected a positive integer. Leave it out.`,
      );
    }
    this.#maxEqual = maxEqual;
    this.#capacity = capacity;
  }

  /** Takes in the text of one more slice, or says that too many slices had it already; it is then not counted. */
  admit(text: string): CaptionFault | undefined {
    const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    const key = createHash("sha256").update(words.join(" ")).digest("base64");
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.#maxEqual) {
      return faultOf("repeated-across", `${count} other slices have the same text already`);
    }
    this.#counts.delete(key);
    this.#counts.set(key, count + 1);
    if (this.#counts.size > this.#capacity) this.#counts.delete(this.#counts.keys().next().value!);
    return undefined;
  }
}
