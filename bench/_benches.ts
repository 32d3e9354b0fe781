/** A bench that `deno task bench` runs. */
export interface NamedBench {
  readonly name: string;
  /** Heading of its results. */
  readonly title: string;
  readonly file: string;
  /** File below results/. */
  readonly results: string;
  /** Options with a value that it knows, of those that can be given to all benches at once. */
  readonly shared: readonly string[];
  /** Whether it runs only where it is named, because it takes long. Default false. */
  readonly namedOnly?: boolean;
}

/** Every bench of speed and memory, and those that take long, in the order in which all are run. */
export const BENCHES: readonly NamedBench[] = [
  {
    name: "conv3d",
    title: "3D convolution",
    file: "conv3d_bench.ts",
    results: "conv3d.md",
    shared: ["--runs", "--python"],
  },
  { name: "norms", title: "Norms", file: "norms_bench.ts", results: "norms.md", shared: ["--runs"] },
  { name: "attention", title: "Attention", file: "attention_bench.ts", results: "attention.md", shared: ["--runs"] },
  {
    name: "sinkhorn",
    title: "Sinkhorn",
    file: "sinkhorn_bench.ts",
    results: "sinkhorn.md",
    shared: ["--runs", "--python"],
  },
  {
    name: "step",
    title: "Training step",
    file: "training_step_bench.ts",
    results: "training_step.md",
    shared: ["--runs", "--python"],
  },
  {
    name: "encoders",
    title: "Encoders",
    file: "encoders_bench.ts",
    results: "encoders.md",
    shared: ["--runs", "--python"],
  },
  {
    name: "resample",
    title: "Resampling volumes",
    file: "resample_bench.ts",
    results: "resample.md",
    shared: ["--runs"],
  },
  {
    name: "finetune",
    title: "Step of fine-tuning",
    file: "finetuning_step_bench.ts",
    results: "finetuning_step.md",
    shared: ["--python"],
  },
  {
    name: "predict",
    title: "Predicting whole scans",
    file: "prediction_bench.ts",
    results: "prediction.md",
    shared: ["--python"],
    namedOnly: true,
  },
  { name: "memory", title: "Memory", file: "memory_bench.ts", results: "memory.md", shared: [] },
  {
    name: "half",
    title: "Half precision",
    file: "half_precision_bench.ts",
    results: "half_precision.md",
    shared: ["--runs"],
  },
  {
    name: "volume",
    title: "Reading scans, reordering and resampling",
    file: "volume_bench.ts",
    results: "volume.md",
    shared: ["--runs", "--python"],
  },
  { name: "caption", title: "Captioning", file: "caption_bench.ts", results: "caption.md", shared: ["--runs"] },
  {
    name: "psat",
    title: "Ablations of PSAT",
    file: "psat_ablation_bench.ts",
    results: "psat_ablation.md",
    shared: [],
    namedOnly: true,
  },
];

/** The command line is wrong. */
export class UsageError extends Error {}

/** What the command line asks for. */
export interface Selection {
  readonly benches: readonly NamedBench[];
  readonly write: boolean;
  /** Arguments of one of the benches: all of them where it is the only one, else those it shares with others. */
  readonly argsOf: (bench: NamedBench) => string[];
}

/**
 * Reads `[NAME ...] [--write] [options]`. Options are those from the first argument that begins with `--` on.
 *
 * @throws UsageError at an unknown name, or at an option of one bench where several run.
 */
export function selectBenches(args: readonly string[]): Selection {
  const write = args.includes("--write");
  const others = args.filter((argument) => argument !== "--write");
  const end = others.findIndex((argument) => argument.startsWith("--"));
  const [names, options] = end < 0 ? [others, []] : [others.slice(0, end), others.slice(end)];
  const benches = names.length === 0 ? BENCHES.filter(({ namedOnly }) => !namedOnly) : names.map((name) => {
    const bench = BENCHES.find((one) => one.name === name);
    if (bench) return bench;
    const expected = BENCHES.map((one) => one.name).join(", ");
    throw new UsageError(`Cannot bench: there is no such bench: got "${name}", expected one of ${expected}.`);
  });
  if (benches.length === 1) return { benches, write, argsOf: () => [...options] };
  const pairs: [string, string][] = [];
  for (let i = 0; i < options.length; i += 2) {
    const [option, value] = [options[i]!, options[i + 1]];
    if (value === undefined || !benches.some(({ shared }) => shared.includes(option))) {
      throw new UsageError(
        `Cannot bench: the option is not for several benches: got "${option}", expected --write, --runs N or --python PYTHON. ` +
          `Name the one bench that it is for.`,
      );
    }
    pairs.push([option, value]);
  }
  return { benches, write, argsOf: ({ shared }) => pairs.filter(([option]) => shared.includes(option)).flat() };
}

/** The command that gave a result, without paths of the machine. */
export function describeCommand({ name }: NamedBench, args: readonly string[]): string {
  const words = args.map((argument) => argument.includes("/") ? argument.split("/").at(-1)! : argument);
  return ["deno task bench", name, ...words].join(" ");
}

const REMARKS = "\n## Remarks\n";

/** The text of a results file: heading, command, what the bench printed, and the remarks of before. */
export function resultsText(
  before: string,
  { title, command, text, date }: {
    readonly title: string;
    readonly command: string;
    readonly text: string;
    readonly date: Date;
  },
): string {
  const remarksAt = before.indexOf(REMARKS);
  const remarks = remarksAt < 0 ? "" : before.slice(remarksAt);
  return `# ${title}, ${date.toISOString().slice(0, 10)}\n\n\`${command}\`\n\n\`\`\`\n${text}\n\`\`\`\n${remarks}`;
}
