import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isDiskFull } from "./checkpoint/_durable_file.ts";
import type { StepRecord } from "./training_options.ts";

/** Lines of JSON, one a step, in a file that is only appended to and, on resuming, cut back. */
export class MetricsLog {
  readonly #path: string;
  readonly #file: Awaited<ReturnType<typeof open>>;

  private constructor(path: string, file: Awaited<ReturnType<typeof open>>) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Opens a log for the steps from `nextStep` on: lines of that and later steps, and a last line that a crash cut off, are removed.
   *
   * @throws RangeError when the file holds lines and `mayCut` is not set, for they belong to another run.
   * @throws Error when the file cannot be opened.
   */
  static async open(path: string, nextStep: number, options: { mayCut: boolean }): Promise<MetricsLog> {
    const { file, text } = await openForAppending(path);
    const length = lengthBefore(text, nextStep);
    if (text.length > 0 && !options.mayCut) {
      await file.close();
      throw new RangeError(
        `Cannot start training: the metrics file holds another run: got ${path} of ${text.length} bytes, expected none. ` +
          `Pass resume: "auto" to go on from it, or another metricsPath.`,
      );
    }
    if (length < text.length) await file.truncate(length);
    return new MetricsLog(path, file);
  }

  /** Appends a line. @throws Error when the disk is full or the file cannot be written. */
  async append(record: StepRecord): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(record)}\n`).catch((error) => {
      throw writeFailure(this.#path, error);
    });
  }

  /** Flushes the lines to the disk. @throws Error when the system cannot. */
  async flush(): Promise<void> {
    await this.#file.sync().catch((error) => {
      throw writeFailure(this.#path, error);
    });
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function openForAppending(
  path: string,
): Promise<{ file: Awaited<ReturnType<typeof open>>; text: Uint8Array }> {
  try {
    await mkdir(dirname(path), { recursive: true });
    return { file: await open(path, "a+"), text: await readFile(path) };
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Says what stopped the log and what to do; a line that was cut off is removed on resuming. */
function writeFailure(path: string, error: unknown): Error {
  const message = (error as Error).message;
  return isDiskFull(error)
    ? new Error(
      `Cannot write metrics: the disk is full: got "${message}" for ${path}, expected room for a line. ` +
        `Free space, then resume from the last checkpoint.`,
      { cause: error },
    )
    : new Error(
      `Cannot write metrics: writing failed: got "${message}" for ${path}, expected a file that can be written. ` +
        `Mend that, then resume from the last checkpoint.`,
      { cause: error },
    );
}

/** Bytes of the whole lines before the first of step `nextStep` or later. */
function lengthBefore(text: Uint8Array, nextStep: number): number {
  const decoder = new TextDecoder();
  let length = 0;
  while (length < text.length) {
    const end = text.indexOf(0x0a, length);
    if (end < 0) break;
    const step = stepOf(decoder.decode(text.subarray(length, end)));
    if (step === undefined || step >= nextStep) break;
    length = end + 1;
  }
  return length;
}

function stepOf(line: string): number | undefined {
  try {
    const step: unknown = JSON.parse(line)?.step;
    return typeof step === "number" ? step : undefined;
  } catch {
    return undefined;
  }
}
