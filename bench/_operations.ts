import * as tf from "@tensorflow/tfjs-core";
import { parseArgs } from "node:util";
import { largestDifference, makeNoise, samplePlaces, timeRuns, type Timing } from "./_measure.ts";
import { Footnotes, formatMilliseconds, formatRatio, Report } from "./_report.ts";
import { isMeasured, measureSides, type Outcome, servedSide, serveSide } from "./_sides.ts";
import { kernelTime, startTensorflow, type TensorflowSide } from "./_tensorflow.ts";

/** What @med3d/webgpu-kernels exports. */
export type Kernels = typeof import("@med3d/webgpu-kernels");

/** An operation of ours and the same from TensorFlow.js' own. */
export interface ComparedOperation {
  /** Name in the table. */
  readonly title: string;
  /** Shapes of the inputs, which are noise. */
  readonly shapes: readonly (readonly number[])[];
  /** The fused operation. */
  readonly ours: (kernels: Kernels, inputs: readonly tf.Tensor[]) => tf.Tensor;
  /** What it replaces, in operations of TensorFlow.js that run as it comes. */
  readonly composed: (inputs: readonly tf.Tensor[]) => tf.Tensor;
}

type Figure = Timing & { readonly device: string; readonly samples: readonly number[] };
const PASSES = ["forward", "with gradients"] as const;
const BUDGET_MS = 5000;

async function measure(operation: ComparedOperation, pass: string, side: string, runs: number): Promise<Figure> {
  const started = await startTensorflow(side as TensorflowSide);
  const kernels = side === "ours" ? await import("@med3d/webgpu-kernels") : undefined;
  const apply = (...inputs: tf.Tensor[]): tf.Tensor =>
    kernels ? operation.ours(kernels, inputs) : operation.composed(inputs);
  const inputs = operation.shapes.map((shape, i) =>
    tf.tensor(makeNoise(tf.util.sizeFromShape([...shape]), i), [...shape])
  );
  const outputShape = tf.tidy(() => apply(...inputs).shape);
  const dy = tf.tensor(makeNoise(tf.util.sizeFromShape(outputShape), inputs.length), outputShape);
  let results: tf.Tensor[] = [];
  const once = (): void => {
    results = pass === "forward" ? [apply(...inputs)] : tf.grads(apply)(inputs, dy);
    results.forEach((result) => tf.keep(result));
  };
  const timing = await timeRuns(() => {
    tf.dispose(results);
    return kernelTime(once, started);
  }, { runs, budgetMs: BUDGET_MS });
  const samples: number[] = [];
  for (const result of results) {
    const values = await result.data();
    samples.push(...samplePlaces(values.length).map((place) => values[place]!));
  }
  await started.check();
  tf.dispose([...results, ...inputs, dy]);
  return { ...timing, device: started.device, samples };
}

/**
 * The program of a bench that compares fused operations with composed ones: each side in a process of its own, forward and with gradients.
 * Its command line has `--runs N`, 5 unless given.
 *
 * @param program Path of the program that calls this.
 */
export async function runOperationsBench(
  program: string,
  { title, operations }: { readonly title: string; readonly operations: readonly ComparedOperation[] },
): Promise<void> {
  const { values } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
  const runs = Number(values.runs);
  const cases = operations.flatMap((operation) => PASSES.map((pass) => ({ operation, pass })));
  const side = servedSide();
  if (side) await serveSide((i) => measure(cases[i]!.operation, cases[i]!.pass, side, runs));
  const report = new Report(title);
  const sides = ["ours", "stock"].map((name) => ({ name, limitS: 60 }));
  const outcomes = await measureSides<Figure>(program, sides, { count: cases.length });
  const [ours, composed] = [outcomes.get("ours")!, outcomes.get("stock")!];
  const footnotes = new Footnotes();
  const cell = (outcome: Outcome<Figure>): string =>
    isMeasured(outcome) ? formatMilliseconds(outcome.milliseconds) : footnotes.mark(outcome.failed);
  const rows = cases.map(({ operation, pass }, i) => {
    const [own, other] = [ours[i]!, composed[i]!];
    const both = isMeasured(own) && isMeasured(other);
    return [
      operation.title,
      pass,
      cell(own),
      cell(other),
      both ? formatRatio(other.milliseconds / own.milliseconds) : "–",
      both ? largestDifference(own.samples, other.samples).toExponential(0) : "–",
    ];
  });
  await report.print([["operation", "pass", "ours ms", "composed ms", "ratio", "difference"], ...rows], {
    devices: [...new Set([...ours, ...composed].filter(isMeasured).map(({ device }) => device))],
    how:
      `Median of ${runs} runs of the device's own time (timestamp queries). Composed: TensorFlow.js' operations, as it comes.`,
    remarks: footnotes.lines(),
  });
}
