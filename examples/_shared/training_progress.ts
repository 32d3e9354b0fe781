import type { StepRecord } from "@med3d/training";
import { type Progress, startProgress } from "./progress.ts";

/** Loss terms, speed and time left; starts with the first step, so that a resumed run counts from where it goes on. */
export class TrainingProgress {
  readonly #steps: number;
  readonly #batch: number;
  readonly #unit: string;
  #bar: Progress | undefined;

  /** @param options Steps in all, items per step and what those are called. */
  constructor({ steps, batch, unit }: { steps: number; batch: number; unit: string }) {
    this.#steps = steps;
    this.#batch = batch;
    this.#unit = unit;
  }

  /** Shows a step's figures. */
  show({ step, terms, seconds }: StepRecord): void {
    this.#bar ??= startProgress({ label: "training", total: this.#steps, initial: step });
    const losses = Object.entries(terms).map(([name, value]) => `${name} ${value.toPrecision(3)}`).join(" ");
    this.#bar.update(step + 1, `${losses}, ${(this.#batch / seconds).toFixed(1)} ${this.#unit}/s`);
  }

  /** Ends the display. */
  stop(): void {
    this.#bar?.stop();
  }
}
