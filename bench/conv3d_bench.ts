/**
 * Times 3D convolution and both its gradients beside TensorFlow.js as it comes (WebGPU, cpu, wasm), onnxruntime and PyTorch.
 *
 *     deno task bench conv3d [--runs 5] [--limit 60] [--only TEXT] [--without cpu,wasm] [--python PYTHON | --pytorch FILE]
 *
 * Every side has a process of its own with its own settings; they take turns, pass by pass, PyTorch last. Times are medians of `runs`: on WebGPU the device's own
 * (timestamp queries), elsewhere wall-clock time; of a pass that takes more than 5 s the first run is the only one, and after `limit` seconds it is
 * given up. `--only` takes shapes whose title has the text. PYTHON has torch and runs tools/oracles/conv3d_timing.py; FILE is what that printed.
 *
 * Results are compared at 512 places with PyTorch's, or without it with ours: a side whose answer is off by more than 1e-3 of the largest value is
 * marked wrong, and its ratio left out of the means.
 */
import { parseArgs } from "node:util";
import {
  CASES,
  type ConvolutionCase,
  type ConvolutionShape,
  operationsOf,
  type Pass,
  PASSES,
} from "./_conv3d_cases.ts";
import { measureOnnx } from "./_conv3d_onnx.ts";
import { measureTensorflow } from "./_conv3d_tensorflow.ts";
import { geometricMean, largestDifference, type Timing } from "./_measure.ts";
import { PEER_OPTIONS, readPeer } from "./_peer.ts";
import { Footnotes, formatMilliseconds, formatRatio, Report } from "./_report.ts";
import { isMeasured, measureSides, type Outcome, servedSide, serveSide } from "./_sides.ts";
import { startTensorflow, TENSORFLOW_SIDES, type TensorflowSide } from "./_tensorflow.ts";

type Figure = Timing & { readonly samples: readonly number[]; readonly device?: string };

/** What tools/oracles/conv3d_timing.py prints: per shape and pass. */
interface PyTorchFigures {
  readonly version: string;
  readonly threads: number;
  readonly figures: Readonly<Record<string, Readonly<Record<Pass, Figure>>>>;
}

const { values: options } = parseArgs({
  options: {
    ...PEER_OPTIONS,
    runs: { type: "string", default: "5" },
    limit: { type: "string", default: "60" },
    only: { type: "string", default: "" },
    without: { type: "string", default: "" },
  },
});
const WRONG = 1e-3;
const timing = { runs: Number(options.runs), budgetMs: 5000 };
const cases = CASES.filter(({ shape }) => shape.title.includes(options.only));

async function measure(side: string, one: ConvolutionCase): Promise<Figure> {
  if (side !== "onnx") return await measureTensorflow(one, await startTensorflow(side as TensorflowSide), timing);
  if (one.pass !== "forward") throw new Error("–"); // an inference engine
  return await measureOnnx(one.shape, timing);
}

/** Figures of PyTorch in the order of the cases. */
function pytorchOutcomes({ figures }: PyTorchFigures): Outcome<Figure>[] {
  return cases.map(({ shape, pass }) => figures[shape.title]?.[pass] ?? { failed: "–" });
}

async function compare(): Promise<void> {
  const report = new Report("3D convolution and its gradients, float32, milliseconds (ratio to ours)");
  const without = options.without.split(",");
  const names = [...TENSORFLOW_SIDES, "onnx"].filter((name) => !without.includes(name));
  const sides = await measureSides<Figure>(
    import.meta.filename!,
    names.map((name) => ({
      name,
      limitS: Number(options.limit),
      flags: name === "wasm" || name === "onnx" ? ["--no-lock"] : [], // what they load by name stays out of the lock file
    })),
    {
      count: cases.length,
      onOutcome: (side, i, outcome) =>
        console.error(`${side}, ${cases[i]!.shape.title}, ${cases[i]!.pass}: ${describe(outcome)}`),
    },
  );
  const pytorch = await readPeer<PyTorchFigures>("conv3d_timing.py", options, ["--runs", options.runs]);
  if (pytorch) sides.set("PyTorch", pytorchOutcomes(pytorch));

  const ours = sides.get("ours")!;
  const truth = sides.get("PyTorch") ?? ours;
  const peers = [...sides].filter(([name]) => name !== "ours");
  const ratios = new Map<string, [shape: ConvolutionShape, ratio: number][]>();
  const footnotes = new Footnotes();
  const cell = (name: string, outcome: Outcome<Figure>, i: number): string => {
    if (!isMeasured(outcome)) return footnotes.mark(outcome.failed);
    const [own, right] = [ours[i]!, truth[i]!];
    const wrong = isMeasured(right) && largestDifference(outcome.samples, right.samples) > WRONG;
    if (!isMeasured(own)) return (wrong ? "wrong " : "") + formatMilliseconds(outcome.milliseconds);
    const ratio = outcome.milliseconds / own.milliseconds;
    const key = `${name} ${cases[i]!.pass}`;
    if (!wrong) ratios.set(key, [...(ratios.get(key) ?? []), [cases[i]!.shape, ratio]]);
    return `${wrong ? "wrong " : ""}${formatMilliseconds(outcome.milliseconds)} (${formatRatio(ratio)})`;
  };
  const rows = cases.map(({ shape, pass }, i) => {
    const [own, right] = [ours[i]!, truth[i]!];
    return [
      shape.title,
      pass,
      ...(isMeasured(own)
        ? [formatMilliseconds(own.milliseconds), (operationsOf(shape) / own.milliseconds / 1e6).toFixed(0)]
        : [footnotes.mark(own.failed), ""]),
      ...peers.map(([name, outcomes]) => cell(name, outcomes[i]!, i)),
      isMeasured(own) && isMeasured(right) && right !== own
        ? largestDifference(own.samples, right.samples).toExponential(0)
        : "–",
    ];
  });
  const meansOver = (counts: (shape: ConvolutionShape) => boolean): string[] =>
    peers.map(([name]) =>
      `${name}: ` + PASSES.map((pass) => {
        const list = (ratios.get(`${name} ${pass}`) ?? []).filter(([shape]) => counts(shape)).map(([, ratio]) => ratio);
        return `${pass} ${list.length > 0 ? formatRatio(geometricMean(list)) : "–"} (${list.length})`;
      }).join(", ")
    );
  const devices = [...sides.values()].map((outcomes) => outcomes.find(isMeasured)?.device ?? "");
  await report.print(
    [["shape", "pass", "ours", "GFLOP/s", ...peers.map(([name]) => name), "difference"], ...rows],
    {
      devices: [
        ...new Set(
          [...devices, pytorch ? `PyTorch ${pytorch.version}, ${pytorch.threads} threads` : ""].filter(Boolean),
        ),
      ],
      how:
        `Median of ${timing.runs} runs, or one run where it takes more than 5 s; WebGPU: the device's own time, others: wall-clock time.`,
      remarks: [
        ...footnotes.lines(),
        "Geometric means of the ratios of right answers (of how many shapes):",
        ...meansOver(() => true),
        "The same over the first seven shapes, for which targets are stated:",
        ...meansOver(({ inTargets }) => inTargets === true),
        `"difference" is ours from PyTorch's, over the largest value; "wrong" is an answer more than ${WRONG} off ${
          pytorch ? "PyTorch's" : "ours"
        }.`,
      ],
    },
  );
}

function describe(outcome: Outcome<Figure>): string {
  return isMeasured(outcome) ? `${formatMilliseconds(outcome.milliseconds)} ms` : outcome.failed;
}

const side = servedSide();
if (side) await serveSide((i) => measure(side, cases[i]!));
else await compare();
