import { type CorruptVolumeCode, CorruptVolumeError, type Finding } from "../findings.ts";

/** Where a header's reader notes oddities, and how it refuses. */
export class HeaderReport {
  /** What was noted so far. */
  readonly findings: Finding[] = [];

  /**
   * @param format Name of the format, for messages.
   * @param path The file's path, or an empty string.
   */
  constructor(readonly format: string, readonly path: string) {}

  /** Notes what was put right or left out. */
  warn(code: string, message: string, fix: string): void {
    this.findings.push({ severity: "warning", code, path: this.path, message, fix });
  }

  /** Makes the error for what cannot be used. */
  refuse(code: CorruptVolumeCode, problem: string, fix = "Write the file again.", cause?: unknown): CorruptVolumeError {
    return new CorruptVolumeError(code, { action: `read ${this.format}`, path: this.path, problem, fix, cause });
  }
}
