import type { JsonValue, StateHook } from "@med3d/training";

/** Keeps the scores of validations, and asks for a stop when they have not improved for a while. Checkpoints hold its state. */
export class EarlyStop implements StateHook {
  readonly #patience: number | null;
  readonly #controller = new AbortController();
  #scores: (readonly [number, number])[] = [];

  /** @param patience Validations without improvement; null never stops. */
  constructor(patience: number | null) {
    this.#patience = patience;
  }

  /** Fires when it is enough. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Scores by completed steps, in order. */
  get scores(): readonly (readonly [number, number])[] {
    return this.#scores;
  }

  /** Takes a score, lower being better, and returns it. */
  take(completedSteps: number, score: number): number {
    this.#scores.push([completedSteps, score]);
    this.#stopWhenDue();
    return score;
  }

  /** The scores so far. */
  save(): JsonValue {
    return this.#scores.map(([steps, score]) => [steps, score]);
  }

  /** Takes over what {@linkcode EarlyStop.save} returned. */
  load(state: JsonValue): void {
    this.#scores = (state as [number, number][]).map(([steps, score]) => [steps, score] as const);
    this.#stopWhenDue();
  }

  #stopWhenDue(): void {
    if (this.#patience === null || this.#scores.length === 0) return;
    const best = this.#scores.reduce((least, [, score], at) => score < this.#scores[least]![1] ? at : least, 0);
    if (this.#scores.length - 1 - best >= this.#patience) {
      this.#controller.abort(new Error("validation no longer improves"));
    }
  }
}
