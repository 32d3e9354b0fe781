import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

/** A folder of files made by `tools/oracles/volume_dicom.py` and what pydicom and nibabel read from it. */
export interface DicomCase {
  readonly name: string;
  /** Relative path → file, gzip and base64. */
  readonly files: Readonly<Record<string, string>>;
  /** Whether the one file is read by itself and not found in a folder. */
  readonly single?: boolean;
  /** Relative path of what is read. Default: the folder. */
  readonly open?: string;
  /** The option `series`. */
  readonly series?: string;
  /** The option `segment`. */
  readonly segment?: number;
  /** The option `irregular`. */
  readonly irregular?: "report";
  /** Code of the error that is expected. */
  readonly refused?: string;
  /** How many volumes the folder holds. */
  readonly volumes?: number;
  /** Code of a finding that is expected. */
  readonly finding?: string;
  readonly shape: readonly [number, number, number];
  readonly affine: readonly number[];
  /** Float64 values, gzip and base64. */
  readonly values: string;
  readonly dtype?: string;
}

/** All cases. */
export async function dicomCases(): Promise<DicomCase[]> {
  return JSON.parse(await readFile(new URL("dicom_cases.json", import.meta.url), "utf8"));
}

/** A case's files, unpacked. */
export function filesOf(files: DicomCase["files"]): [string, Uint8Array<ArrayBuffer>][] {
  return Object.entries(files).map(([path, packed]) => [path, unpack(packed)]);
}

/** A case's expected values. */
export function valuesOf({ values }: DicomCase): Float64Array {
  return new Float64Array(unpack(values).buffer);
}

function unpack(packed: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(gunzipSync(Uint8Array.from(atob(packed), (character) => character.charCodeAt(0))));
}
