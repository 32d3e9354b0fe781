import { cpus } from "node:os";
import { readFile } from "node:fs/promises";
import { formatTable, type Table } from "../examples/_shared/report/table.ts";

const loadAverage = (): string => Deno.loadavg().map((load) => load.toFixed(2)).join(" ");

/** Versions of what computes, from the workspace's own imports. */
async function versions(): Promise<string> {
  const { imports } = JSON.parse(await readFile(new URL("../deno.json", import.meta.url), "utf8"));
  return `Deno ${Deno.version.deno}, TensorFlow.js ${imports["@tensorflow/tfjs-core"].split("@").at(-1)}`;
}

/**
 * Prints what was measured: title, processor, devices, versions, date, load average before and after, how times were taken, the table, remarks.
 */
export class Report {
  readonly #started = new Date();
  readonly #loadBefore = loadAverage();

  /** @param title One line that says what is measured. */
  constructor(readonly title: string) {}

  /** Prints it. `how` says what the times are, `devices` what computed, beside the processor. */
  async print(
    table: Table,
    { how, devices, remarks = [] }: {
      readonly how: string;
      readonly devices: readonly string[];
      readonly remarks?: readonly string[];
    },
  ): Promise<void> {
    const { model } = cpus()[0] ?? { model: "processor" };
    console.log([
      this.title,
      `${model}, ${navigator.hardwareConcurrency} cores; ${devices.join("; ")}; ${await versions()}`,
      `${
        this.#started.toISOString().slice(0, 16).replace("T", " ")
      } UTC; load average ${this.#loadBefore} before, ${loadAverage()} after`,
      how,
      "",
      formatTable(table),
      ...(remarks.length > 0 ? ["", ...remarks] : []),
    ].join("\n"));
  }
}

/** `0.12×`, `1.2×`, `12×`. */
export function formatRatio(ratio: number): string {
  return `${ratio.toFixed(ratio < 1 ? 2 : ratio < 10 ? 1 : 0)}×`;
}

/** Letters for what is too long for a cell, explained below the table. */
export class Footnotes {
  readonly #notes: string[] = [];

  /** The text itself where it is short, else a letter for it. */
  mark(text: string): string {
    if (text.length <= 12) return text;
    if (!this.#notes.includes(text)) this.#notes.push(text);
    return `none (${letter(this.#notes.indexOf(text))})`;
  }

  /** What the letters stand for. */
  lines(): string[] {
    return this.#notes.map((text, i) => `(${letter(i)}) ${text}`);
  }
}

const letter = (index: number): string => String.fromCharCode(97 + index);

/** Milliseconds with three digits at most behind the first. */
export function formatMilliseconds(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0);
}
