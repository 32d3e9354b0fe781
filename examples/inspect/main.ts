/**
 * `deno task inspect FILE|FOLDER…`: says what scans are, what is done to their voxels and what is wrong with them.
 */
import {
  type DatasetCase,
  indexDataset,
  inspectDataset,
  inspectScan,
  renderPlanesPng,
  toCanonical,
  type Triple,
  type Volume,
} from "@med3d/volume";
import { type Command, Option } from "commander";
import { stat, writeFile } from "node:fs/promises";
import { createCommand, EXIT, parseNumber, parseShape, runProgram } from "../_shared/command.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import { startProgress } from "../_shared/progress.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { renderHtml } from "./html_report.ts";
import { countFindings, type FileReport, type FolderReport, toJson } from "./report.ts";
import { imageProtocol, terminalImage } from "./terminal_image.ts";
import { formatFile, formatFolder, formatVerdict } from "./text_report.ts";

/** Lists of scans that are looked at as a folder is. */
const LIST = /(^|[/\\])dataset\.json$|\.(csv|tsv|jsonl|ndjson|npz)$/i;
/** Cases of a folder that an HTML page shows a picture of. */
const PICTURES_IN_HTML = 200;

interface Flags {
  readonly json: boolean;
  readonly html?: string;
  readonly picture: string | boolean;
  readonly rows: number;
  readonly modality?: "CT" | "MR";
  readonly frame?: number;
  readonly channel: number;
  readonly minimumShape?: number[];
  readonly includeTest: boolean;
  readonly allowAbsolutePaths: boolean;
}

function command(): Command {
  return createCommand("inspect", "Says what scans are, what is done to their voxels and what is wrong with them.")
    .argument(
      "<paths...>",
      "scans, folders of one DICOM series, or folders and lists of scans (dataset.json, .csv, .jsonl, .npz)",
    )
    .option("--json", "print one JSON object and nothing else (default: text)", false)
    .option("--html <file>", "write a page with tables and pictures that needs nothing from outside (default: none)")
    .option(
      "--picture <file>",
      "write three planes of the one file as PNG (default: into a terminal that can show it)",
      true,
    )
    .option("--no-picture", "show no picture")
    .option("--rows <n>", "cases of a folder that are printed, 0 for all (default: 30)", parseNumber, 30)
    .addOption(
      new Option("--modality <name>", "what made the scans (default: what the data say)").choices(["CT", "MR"]),
    )
    .option(
      "--frame <n>",
      "which frame of a file that holds several, from 0 (default: such a file is refused)",
      parseNumber,
    )
    .option("--channel <n>", "which channel of nnU-Net cases (default: 0)", parseNumber, 0)
    .option("--minimum-shape <voxels>", "smallest useful scan, such as 64 or 32x64x64 (default: no limit)", parseShape)
    .option("--include-test", "look at a data set's test scans too (default: leave them out)", false)
    .option("--allow-absolute-paths", "let manifests name files outside of their folder (default: refuse)", false)
    .addHelpText(
      "after",
      `
Exit codes: 0 no errors found, 1 errors found, 2 wrong usage, 130 stopped. Progress goes to stderr. Header values that can name a
patient are counted, never shown.`,
    );
}

async function lookAtFile(path: string, { modality, frame }: Flags): Promise<FileReport> {
  const { inspection, canonical, identifying, findings } = await inspectScan(path, {
    ...(modality && { modality }),
    ...(frame !== undefined && { frame }),
  });
  const picture = canonical && renderPlanesPng(canonical, { labels: inspection?.labels !== undefined });
  return {
    path,
    findings,
    ...(identifying && identifying.format !== "unknown" && { identifyingFields: identifying.fields }),
    ...(inspection && { inspection }),
    ...(picture && { picture }),
  };
}

async function lookAtFolder(path: string, flags: Flags, signal: AbortSignal): Promise<FolderReport> {
  const { channel, minimumShape, includeTest, allowAbsolutePaths, html } = flags;
  const pictures = new Map<string, Uint8Array>();
  let progress: ReturnType<typeof startProgress> | undefined;
  const takePicture = ({ id }: DatasetCase, volume: Volume): void => {
    if (pictures.size >= PICTURES_IN_HTML) return;
    pictures.set(id, renderPlanesPng(toCanonical(volume).volume, { maxPixels: 256 }));
  };
  try {
    const inspection = await inspectDataset(path, {
      channel,
      includeTest,
      allowAbsolutePaths,
      signal,
      ...(minimumShape && { minimumShape: minimumShape as unknown as Triple }),
      ...(html !== undefined && { onVolume: takePicture }),
      onCase: (_, done, total) => {
        progress ??= startProgress({ label: "inspecting", total, to: "stderr" });
        progress.update(done, "scans");
      },
    });
    return { path, pictures, ...inspection };
  } catch (error) {
    if (signal.aborted) throw error;
    const message = (error as Error).message;
    const fix = "See the README for the layouts that are recognised.";
    const finding = { severity: "error", code: "no-data-set", path, message, fix } as const;
    return { path, kind: null, description: "", cases: [], labels: [], findings: [finding], pictures };
  } finally {
    progress?.stop();
  }
}

/**
 * Tells what is looked at as a data set from what is one scan, as a folder of one DICOM series is; a path where there is nothing is a mistake in
 * the call.
 */
async function isFolder(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isDirectory()) return LIST.test(path);
    const index = await indexDataset(path).catch(() => undefined);
    return !(index?.cases.length === 1 && index.cases[0]!.files !== undefined);
  } catch (error) {
    throw new UsageError(`Cannot inspect ${path}: ${(error as Error).message}. Check the path.`, { cause: error });
  }
}

async function main(args: readonly string[]): Promise<number> {
  const parser = command();
  await parser.parseAsync(args as string[], { from: "user" });
  const flags = parser.opts<Flags & Record<string, unknown>>() as Flags;
  const kinds = await Promise.all(parser.args.map(isFolder));
  if (typeof flags.picture === "string" && (parser.args.length !== 1 || kinds[0])) {
    throw new UsageError("Cannot write a picture: --picture takes exactly one scan. Name one, or use --html.");
  }
  using stop = stopSignal();
  try {
    return await inspect(parser.args, { flags, kinds, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return EXIT.stopped;
  }
}

interface Task {
  readonly flags: Flags;
  /** For each path whether it is looked at as a folder. */
  readonly kinds: readonly boolean[];
  readonly signal: AbortSignal;
}

async function inspect(paths: readonly string[], { flags, kinds, signal }: Task): Promise<number> {
  const protocol = Deno.stdout.isTerminal() && flags.picture === true ? imageProtocol(Deno.env.toObject()) : undefined;
  const [files, folders]: [FileReport[], FolderReport[]] = [[], []];
  for (const [index, path] of paths.entries()) {
    signal.throwIfAborted();
    if (kinds[index]) {
      const folder = await lookAtFolder(path, flags, signal);
      folders.push(folder);
      if (!flags.json) console.log(`${formatFolder(folder, flags.rows)}\n`);
      continue;
    }
    const file = await lookAtFile(path, flags);
    files.push(file);
    if (!flags.json) {
      console.log(`${formatFile(file)}\n${file.picture && protocol ? terminalImage(file.picture, protocol) : ""}`);
    }
    if (typeof flags.picture === "string" && file.picture) await writeFile(flags.picture, file.picture);
  }
  const report = { files, folders };
  if (flags.html !== undefined) await writeFile(flags.html, renderHtml(report));
  console.log(flags.json ? JSON.stringify(toJson(report), null, 1) : formatVerdict(report));
  return countFindings(report, "error") > 0 ? EXIT.failed : EXIT.done;
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
