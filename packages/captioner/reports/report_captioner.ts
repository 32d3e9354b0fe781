import type { Finding, SliceContext, SliceImage } from "@med3d/volume";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Caption, CaptionRecord, RecordingCaptioner } from "../contract.ts";
import { GATE_VERSION, judgeCaption } from "../quality/judge_caption.ts";
import { goodCaption } from "../remote/caption_record.ts";
import { cleanCaptionText } from "../text/clean_caption_text.ts";
import { parseReportRows, type ReportRow } from "./_report_rows.ts";

const VERSION = 1;

/** Options of {@linkcode readReports}. */
export interface ReadReportsOptions {
  /** Whether slices without sentences of their own get those of the whole volume. Default true. */
  readonly wholeVolume?: boolean;
}

/** Captions or reports from a file, by volume. */
export class ReportCollection {
  /** Names the file by its content, and the settings; the id of every captioner made here. */
  readonly captionerId: string;
  /** Entries that could not be read, without what they say. */
  readonly findings: readonly Finding[];
  readonly #rows: ReadonlyMap<string, readonly ReportRow[]>;
  readonly #wholeVolume: boolean;

  /** Reads a file's content. Use {@linkcode readReports} for files. @throws SyntaxError when it is no table. */
  constructor(content: string, path: string, { wholeVolume = true }: ReadReportsOptions = {}) {
    const { rows, findings } = parseReportRows(content, path);
    this.#rows = Map.groupBy(rows, ({ volume }) => volume);
    const hash = createHash("sha256").update(content).digest("hex");
    this.findings = findings;
    this.#wholeVolume = wholeVolume;
    this.captionerId = `report-captioner-v${VERSION}?${new URLSearchParams({
      file: hash.slice(0, 16),
      whole: String(wholeVolume),
      gate: String(GATE_VERSION),
    })}`;
  }

  /** Names of the volumes that something is said of, in the file's order. */
  get volumes(): string[] {
    return [...this.#rows.keys()];
  }

  /** The captioner of one volume; slices of a volume that the file does not name stay missing. */
  captionerFor(volume: string): ReportCaptioner {
    return new ReportCaptioner(this.captionerId, this.#rows.get(volume) ?? [], this.#wholeVolume);
  }
}

/**
 * Gives slices of one volume the sentences that a file has for them: those of entries whose plane and range hold the slice, or else those of
 * entries about the whole volume. Pixels are not looked at and nothing leaves the process. Texts pass the gate as a model's do, since
 * reports hold names and dates: remove them from the file first. Made by {@linkcode ReportCollection.captionerFor}.
 */
export class ReportCaptioner implements RecordingCaptioner {
  /** The collection's id. */
  readonly id: string;
  readonly #rows: readonly ReportRow[];
  readonly #wholeVolume: boolean;

  /** Used by {@linkcode ReportCollection}. */
  constructor(id: string, rows: readonly ReportRow[], wholeVolume: boolean) {
    this.id = id;
    this.#rows = rows;
    this.#wholeVolume = wholeVolume;
  }

  /** Gives the sentences for a slice. @throws CaptionRefusedError (as a rejection) when there are none, or they do not pass the gate. */
  async caption(slice: SliceImage, context: SliceContext): Promise<Caption> {
    return goodCaption(await this.captionRecord(slice, context));
  }

  /** Gives the sentences for a slice and says whether they pass the gate. */
  captionRecord(_slice: SliceImage, { plane, index }: SliceContext): Promise<CaptionRecord> {
    const own = this.#rows.filter((row) =>
      row.plane === plane && index >= (row.first ?? 0) && index <= (row.last ?? Infinity)
    );
    const whole = this.#wholeVolume ? this.#rows.filter((row) => row.plane === undefined) : [];
    const rows = own.length > 0 ? own : whole;
    const text = rows.map((row) => row.text).join(" ");
    const fault = rows.length === 0 ? undefined : judgeCaption(text);
    const reason = rows.length === 0
      ? `no-report: no entry speaks of ${plane} slice ${index}`
      : fault && `${fault.code}: ${fault.message}`;
    return Promise.resolve({
      text: fault?.withhold ? `(withheld: ${fault.code})` : cleanCaptionText(text),
      captionerId: this.id,
      createdAt: new Date().toISOString(),
      parameters: { lines: rows.map(({ line }) => line).join(" "), wholeVolume: own.length === 0 && rows.length > 0 },
      status: rows.length === 0 ? "missing" : fault ? "quarantined" : "stored",
      ...(reason !== undefined && { reason }),
    });
  }
}

/**
 * Reads captions or reports from a file: CSV or TSV with a heading, or JSONL with an object a line.
 *
 * Columns or keys: `volume` (the name under which the caller knows a scan), `text`; where sentences belong to slices, `plane` (axial, coronal,
 * sagittal) and `first` and `last` slice, counted from 0 as in `SliceContext.index`, both included, either may be left out.
 *
 * @param path The file; its content is part of the captioner's id.
 * @throws SyntaxError (as a rejection) when it is no table. Entries that are malformed are findings.
 * @throws the system's error (as a rejection) when the file cannot be read.
 */
export async function readReports(path: string, options: ReadReportsOptions = {}): Promise<ReportCollection> {
  return new ReportCollection(await readFile(path, "utf8"), path, options);
}
