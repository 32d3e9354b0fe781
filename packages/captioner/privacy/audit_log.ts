import { type FileHandle, open } from "node:fs/promises";
import { CaptionerStoppedError } from "../remote/caption_refused_error.ts";

/** One line of the audit file: a slice is about to be sent. */
export interface AuditEntry {
  /** What the slice is known by, as `hashSliceInContext` gives it. */
  readonly sliceHash: string;
  /** SHA-256 of the PNG that is sent. */
  readonly imageHash: string;
  /** Where it goes: protocol, host and port, without path. */
  readonly origin: string;
  /** Who sends it. */
  readonly captionerId: string;
  /** Length of the request's body in bytes. */
  readonly bytes: number;
}

/**
 * A file that says which slice went where and when: one JSON object a line, only ever appended to. A line is on disk before the
 * slice it speaks of is sent. Several processes may append to one file. It holds no name, no path and no key.
 */
export class AuditLog implements AsyncDisposable {
  /** The file. */
  readonly path: string;
  readonly #file: FileHandle;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Opens the file to append to, or makes it, readable by its owner alone. @throws the system's error when it can't be opened. */
  static async open(path: string): Promise<AuditLog> {
    return new AuditLog(path, await open(path, "a", 0o600));
  }

  /**
   * Appends a line with the time, and waits until it is on disk; lines that wait at the same moment share one flush.
   *
   * @throws CaptionerStoppedError (as a rejection) when the line cannot be written: nothing may be sent then.
   */
  async append({ sliceHash, imageHash, origin, captionerId, bytes }: AuditEntry): Promise<void> {
    const entry = { time: new Date().toISOString(), event: "send", sliceHash, imageHash, origin, captionerId, bytes };
    this.#waiting.push(`${JSON.stringify(entry)}\n`);
    const before = this.#writing;
    if (before) await before.catch(() => {});
    // Whoever comes first after a flush writes for all who wait; the others find that theirs is being written.
    if (this.#waiting.length > 0) this.#writing = this.#flush(this.#waiting.splice(0));
    await this.#writing;
  }

  async #flush(lines: string[]): Promise<void> {
    try {
      await this.#file.appendFile(lines.join(""));
      await this.#file.datasync();
    } catch (cause) {
      throw new CaptionerStoppedError(
        `Cannot send slices: the audit file ${this.path} cannot be written: ${(cause as Error).message}. ` +
          `Free the disk or name another file, then run again.`,
        { cause },
      );
    }
  }

  /** Closes the file once all lines are on disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing?.catch(() => {});
    await this.#file.close();
  }
}
