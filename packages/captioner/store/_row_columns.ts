import type { CaptionProvenance } from "../contract.ts";
import { type CaptionEntry, MAX_RAW_ANSWER_LENGTH, type SliceOrigin } from "./caption_entry.ts";

/** Columns of the caption itself. */
const CAPTION_COLUMNS = {
  slice_hash: "sliceHash",
  captioner_id: "captionerId",
  text: "text",
  created_at: "createdAt",
  parameters: "parameters",
  status: "status",
  reason: "reason",
} as const satisfies Record<string, keyof CaptionEntry>;

/** Columns that say where the slice comes from; all or none are NULL. */
const ORIGIN_COLUMNS = {
  volume: "volume",
  modality: "modality",
  plane: "plane",
  slice_index: "index",
  slice_count: "count",
} as const satisfies Record<string, keyof SliceOrigin>;

/** Columns that say how the caption came about; all NULL where that was not recorded. */
const PROVENANCE_COLUMNS = {
  model_id: "modelId",
  model_revision: "modelRevision",
  answered_by: "answeredBy",
  prompt_id: "promptId",
  prompt_hash: "promptHash",
  window: "window",
  image_hash: "imageHash",
  request_parameters: "requestParameters",
  finish_reason: "finishReason",
  prompt_tokens: "promptTokens",
  completion_tokens: "completionTokens",
  cost: "cost",
  requests: "requests",
  duration_ms: "durationMs",
  raw_answer: "rawAnswer",
} as const satisfies Record<string, keyof CaptionProvenance>;

const ALL = { ...CAPTION_COLUMNS, ...ORIGIN_COLUMNS, ...PROVENANCE_COLUMNS };

/** All columns, in the order in which {@linkcode valuesOf} gives values. */
export const COLUMNS = Object.keys(ALL) as readonly (keyof typeof ALL)[];

/** Values of columns as SQLite takes and gives them. */
export type Row = Record<string, string | number | null>;

/** Reads the fields of one part of a record out of a row. */
function fieldsOf(row: Row, columns: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(columns).map(([column, field]) => [field, row[column]]));
}

/** Sorts a row's values into the parts of a record. */
export function partsOf(row: Row): {
  caption: Record<string, unknown>;
  origin: Record<string, unknown> | undefined;
  provenance: Record<string, unknown> | undefined;
} {
  return {
    caption: fieldsOf(row, CAPTION_COLUMNS),
    origin: row["volume"] === null ? undefined : fieldsOf(row, ORIGIN_COLUMNS),
    provenance: row["model_id"] === null ? undefined : fieldsOf(row, PROVENANCE_COLUMNS),
  };
}

/** Lays an entry out as a row. The text is cleaned already. */
export function rowOf(entry: CaptionEntry): Row {
  const { origin, provenance } = entry;
  const fill = (fields: object | undefined, columns: Readonly<Record<string, string>>): Row =>
    Object.fromEntries(
      Object.entries(columns).map(([column, field]) => [column, fields?.[field as keyof typeof fields] ?? null]),
    );
  return {
    ...fill(entry, CAPTION_COLUMNS),
    parameters: JSON.stringify(entry.parameters ?? {}),
    status: entry.status ?? "stored",
    ...fill(origin, ORIGIN_COLUMNS),
    ...fill(provenance, PROVENANCE_COLUMNS),
    request_parameters: provenance ? JSON.stringify(provenance.requestParameters) : null,
    raw_answer: provenance?.rawAnswer?.slice(0, MAX_RAW_ANSWER_LENGTH) ?? null,
  };
}
