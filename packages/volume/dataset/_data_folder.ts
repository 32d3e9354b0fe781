import type { Stats } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import type { Finding } from "../findings.ts";
import { basename, dirname, isAbsolute, join, posix } from "node:path";
import { SCAN_ENDING } from "./subject_of.ts";

/** Lists of scans that can be named in place of a folder. */
const LIST_NAME = /\.(csv|tsv|jsonl|ndjson|npz)$/i;
/** Names that DICOM files have: by ending, without any, or a UID. */
const DICOM_NAME = /^(.*\.(dcm|dicom|ima)|[^.]+|\d[\d.]{7,})$/i;

/** A folder of scans: every file in it that is called like one, found once, and its small JSON files. */
export class DataFolder {
  /** The folder as the user named it. */
  readonly path: string;
  /** Every file below it that is called like a scan, `/` between folders, sorted by code units; hidden ones left out. */
  readonly files: readonly string[];
  /** Files that may be DICOM by their names, in the same order. */
  readonly dicomLike: readonly string[];
  /** NumPy archives, in the same order. */
  readonly archives: readonly string[];
  /** What could not be looked into. */
  readonly findings: readonly Finding[];
  /** The list that the user named in place of the folder: a manifest or an archive, a name within the folder. */
  readonly list: string | undefined;
  readonly #known: ReadonlySet<string>;

  private constructor(path: string, { files, dicomLike, archives, findings }: Listing, list?: string) {
    this.path = path;
    this.files = files;
    this.dicomLike = dicomLike;
    this.archives = archives;
    this.findings = findings;
    this.list = list;
    this.#known = new Set(files);
  }

  /**
   * Looks through a folder, or the folder of a `dataset.json` or of a manifest.
   *
   * Names that begin with a dot are passed over, which includes the `._` files that macOS leaves beside each file. Links are followed,
   * each folder is entered once. Folders that cannot be read, links that lead nowhere and what is named like a scan but is no file become
   * findings.
   */
  static async open(path: string): Promise<DataFolder> {
    const kind = await statOf(path);
    if (kind.isDirectory()) return new DataFolder(path, await listScans(path));
    if (basename(path) === "dataset.json") {
      const folder = dirname(path);
      return new DataFolder(folder, await listScans(folder));
    }
    if (LIST_NAME.test(path)) return new DataFolder(dirname(path), emptyListing(), basename(path));
    throw new Error(
      `Cannot index data set: it is no folder: got the file ${path}, expected a folder of scans, a dataset.json, a ` +
        `manifest (.csv, .tsv, .jsonl) or an archive (.npz). Name the folder that the file lies in.`,
    );
  }

  /** Whether a scan lies at a path within the folder. */
  has(file: string): boolean {
    return this.#known.has(file);
  }

  /** Whether a file or folder lies at a path that a list names, whatever its name. */
  async holds(file: string): Promise<boolean> {
    if (this.has(file)) return true;
    return await stat(this.pathOf(file)).then((status) => status.isFile() || status.isDirectory(), () => false);
  }

  /** The path that a file can be opened by: within the folder, or absolute where that was allowed. */
  pathOf(file: string): string {
    return isAbsolute(file) ? file : join(this.path, ...file.split("/"));
  }

  /** Reads a text file of the folder; `undefined` when there is none. */
  async readText(name: string): Promise<string | undefined> {
    const path = join(this.path, name);
    try {
      return (await readFile(path, "utf8")).replace(/^\uFEFF/, "");
    } catch (cause) {
      if ((cause as { code?: string }).code === "ENOENT") return undefined;
      throw new Error(`Cannot index data set: ${path} cannot be read. Correct its permissions.`, { cause });
    }
  }

  /** Reads a JSON file of the folder; `undefined` when there is none. */
  async readJson(name: string): Promise<unknown> {
    const path = join(this.path, name);
    const text = await this.readText(name);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new SyntaxError(
        `Cannot index data set: ${path} is no valid JSON: ${(cause as Error).message}. Correct it, or remove it to ` +
          `have the folder's scans used as they lie.`,
        { cause },
      );
    }
  }

  /**
   * Brings a path that a list names into the folder's own form.
   *
   * @param listed What stands in the list, such as `./imagesTr/a.nii.gz`.
   * @param list Name of the file that it stands in, for the message.
   * @throws RangeError when it is absolute or leads out of the folder.
   */
  resolve(listed: string, list: string): string {
    const file = posix.normalize(listed.replaceAll("\\", "/"));
    if (isAbsolute(file) || /^[A-Za-z]:/.test(file) || file === ".." || file.startsWith("../")) {
      throw new RangeError(
        `Cannot index data set: a path in ${
          join(this.path, list)
        } leads out of the folder: got "${listed}", expected a path ` +
          `below ${this.path}. Move the file into the folder and list it there.`,
      );
    }
    return file;
  }
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new Error(
      `Cannot index data set: there is nothing to read at ${path}: got ${
        (cause as { code?: string }).code
      }, expected a folder of ` +
        `scans. Check the path.`,
      { cause },
    );
  }
}

interface Listing {
  readonly files: string[];
  readonly dicomLike: string[];
  readonly archives: string[];
  readonly findings: Finding[];
}

function emptyListing(): Listing {
  return { files: [], dicomLike: [], archives: [], findings: [] };
}

async function listScans(root: string): Promise<Listing> {
  const { files, dicomLike, archives, findings } = emptyListing();
  const note = (code: string, path: string, message: string, fix: string): void =>
    void findings.push({ severity: "warning", code, path, message, fix });
  const entered = new Set<string>();
  const enter = async (folder: string, prefix: string): Promise<void> => {
    const real = await realpath(folder);
    if (entered.has(real)) return;
    entered.add(real);
    const entries = await readdir(folder, { withFileTypes: true });
    const names = new Set(entries.map(({ name }) => name.toLowerCase()));
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".")) continue;
      const path = join(folder, entry.name);
      const isNamedLikeScan = SCAN_ENDING.test(entry.name) && (!isHeader(entry.name) || hasImage(entry.name, names));
      const kind = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
      if (kind?.isDirectory()) {
        await enter(path, `${prefix}${entry.name}/`).catch((cause) =>
          note("unreadable-folder", path, `the folder cannot be read: ${cause.message}`, "Correct its permissions.")
        );
      } else if (isNamedLikeScan) {
        if (kind?.isFile()) files.push(prefix + entry.name);
        else if (kind) note("not-a-file", path, "it is named like a scan but is no file", "Remove it.");
        else note("dangling-link", path, "the link leads nowhere", "Mend the link, or remove it.");
      } else if (kind?.isFile() && /\.npz$/i.test(entry.name)) archives.push(prefix + entry.name);
      else if (kind?.isFile() && DICOM_NAME.test(entry.name)) dicomLike.push(prefix + entry.name);
    }
  };
  try {
    await enter(root, "");
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new Error(`Cannot index data set: ${root} cannot be read: got "${reason}". Correct its permissions.`, {
      cause,
    });
  }
  return { files: files.sort(), dicomLike: dicomLike.sort(), archives: archives.sort(), findings };
}

/** Whether a name is that of half a NIfTI pair. Other formats have headers of that name too. */
function isHeader(name: string): boolean {
  return /\.hdr(\.gz)?$/i.test(name);
}

/** Whether the other half lies beside it. */
function hasImage(name: string, names: ReadonlySet<string>): boolean {
  const stem = name.toLowerCase().replace(/\.hdr(\.gz)?$/, ".img");
  return names.has(stem) || names.has(`${stem}.gz`);
}
