import { sha256 } from "../fingerprint.ts";
import type { JsonObject } from "../json.ts";
import { CorruptCheckpointError } from "./checkpoint.ts";

const FORMAT = "med3d-checkpoint";
const VERSION = 1;
/** What the file with a checkpoint's tensors is called. */
export const TENSORS_NAME = /^step-\d{8,}-[0-9a-f]{12}\.safetensors$/;

/** The JSON file of a checkpoint: its commit record, without which its tensors do not count. */
export interface CheckpointDocument {
  readonly step: number;
  readonly score?: number;
  /** The safetensors file beside it. */
  readonly tensors: { readonly file: string; readonly bytes: number; readonly sha256: string };
  readonly configuration: JsonObject;
  readonly configurationSha256: string;
  readonly state: JsonObject;
}

/** Writes a document with a hash over itself. */
export async function formatDocument(document: CheckpointDocument): Promise<string> {
  const text = JSON.stringify(document);
  return JSON.stringify(
    { format: FORMAT, version: VERSION, sha256: await sha256(text), checkpoint: document },
    null,
    1,
  ) + "\n";
}

/**
 * Reads and verifies a document.
 *
 * @throws CorruptCheckpointError when it is not as it was written.
 */
export async function parseDocument(path: string, text: string): Promise<CheckpointDocument> {
  let parsed: { format?: unknown; version?: unknown; sha256?: unknown; checkpoint?: unknown };
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw refusal(path, "it is not JSON", (error as Error).message, "one JSON object");
  }
  if (parsed?.format !== FORMAT) {
    throw refusal(path, "the format is wrong", JSON.stringify(parsed?.format), `"${FORMAT}"`);
  }
  if (parsed.version !== VERSION) throw refusal(path, "the version is unknown", String(parsed.version), `${VERSION}`);
  const actual = await sha256(JSON.stringify(parsed.checkpoint) ?? "");
  if (parsed.sha256 !== actual) throw refusal(path, "its SHA-256 is wrong", actual, String(parsed.sha256));
  if (!isDocument(parsed.checkpoint)) {
    const got = (JSON.stringify(parsed.checkpoint) ?? "nothing").slice(0, 120);
    throw refusal(path, "it does not describe a checkpoint", got, "step, tensors, configuration and state");
  }
  return parsed.checkpoint;
}

/** Whether a value has the fields of a document, and names a file beside it, none elsewhere. */
function isDocument(value: unknown): value is CheckpointDocument {
  if (!isObject(value) || !isObject(value.tensors) || !isObject(value.configuration) || !isObject(value.state)) {
    return false;
  }
  const { file, bytes, sha256: hash } = value.tensors;
  return isCount(value.step) && (value.score === undefined || Number.isFinite(value.score)) &&
    typeof file === "string" && TENSORS_NAME.test(file) && isCount(bytes) && typeof hash === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Makes the error for a damaged checkpoint. */
export function refusal(path: string, what: string, got: string, expected: string): CorruptCheckpointError {
  return new CorruptCheckpointError(
    `Cannot load the checkpoint ${path}: ${what}: got ${got}, expected ${expected}. Load an earlier checkpoint.`,
  );
}
