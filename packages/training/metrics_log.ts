import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { StepRecord } from "./training_options.ts";

/** Lines of JSON, one a step, in a file that is only appended to and, on resuming, cut back. */
export class MetricsLog {
  readonly #file: Awaited<ReturnType<typeof open>>;

  private constructor(file: Awaited<ReturnType<typeof open>>) {
    this.#file = file;
  }

  /**
   * Opens a log for the steps from `nextStep` on: lines of that and later steps, and a last line that a crash cut off, are removed.
   *
   * @throws RangeError when `nextStep` is 0, the file holds lines and `mayCut` is not set, for they belong to another run.
   */
  static async open(path: string, nextStep: number, options: { mayCut: boolean }): Promise<MetricsLog> {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, "a+");
    const text = await readFile(path);
    const length = lengthBefore(text, nextStep);
    if (text.length > 0 && !options.mayCut) {
      await file.close();
      throw new RangeError(
        `Cannot start training: the metrics file holds another run: got ${path} of ${text.length} bytes, expected none. ` +
          `Pass resume: "auto" to go on from it, or another metricsPath.`,
      );
    }
    if (length < text.length) await file.truncate(length);
    return new MetricsLog(file);
  }

  /** Appends a line. */
  async append(record: StepRecord): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(record)}\n`);
  }

  /** Flushes the lines to the disk. */
  async flush(): Promise<void> {
    await this.#file.sync();
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#file.close();
  }
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
