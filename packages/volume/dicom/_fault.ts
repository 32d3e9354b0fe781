import { type CorruptVolumeCode, CorruptVolumeError } from "../findings.ts";

/** Where most damaged files come from, and so what helps. */
export const COPY_AGAIN = "Copy or download the file again.";

/** Makes the error for a fault in a DICOM file or series. */
export function dicomFault(
  code: CorruptVolumeCode,
  path: string,
  problem: string,
  fix: string = COPY_AGAIN,
  cause?: unknown,
): CorruptVolumeError {
  return new CorruptVolumeError(code, { action: "read DICOM", path, problem, fix, cause });
}
