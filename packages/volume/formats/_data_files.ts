import { realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, posix } from "node:path";
import { type ByteSource } from "./_byte_source.ts";
import { ChunkSource } from "./_chunk_source.ts";
import type { HeaderReport } from "./_header_report.ts";

const MOST_FILES = 1 << 14;

/**
 * Finds files that a header names beside itself.
 *
 * A header is data from elsewhere: what it names must lie in its own folder or below, whether by name or by where its name leads.
 */
export async function resolveDataFiles(names: readonly string[], report: HeaderReport): Promise<string[]> {
  if (report.path === "") {
    throw report.refuse(
      "missing-image",
      "it is a header alone: its voxels are in other files",
      "Give the header's path.",
    );
  }
  if (new Set(names).size < names.length) throw report.refuse("bad-header", "it names a file of its voxels twice");
  const folder = dirname(report.path);
  const paths: string[] = [];
  for (const name of names) paths.push(await resolveDataFile(name, folder, report));
  return paths;
}

async function resolveDataFile(name: string, folder: string, report: HeaderReport): Promise<string> {
  const relative = posix.normalize(name.trim().replaceAll("\\", "/"));
  const outside = () =>
    report.refuse(
      "outside-folder",
      `the file of its voxels lies outside its folder: got ${JSON.stringify(name)}, expected a name below it`,
      "Put the voxels beside the header and correct the name in it.",
    );
  const leads = isAbsolute(relative) || /^[A-Za-z]:/.test(relative) || relative === ".." || relative.startsWith("../");
  if (leads || relative.includes("\0")) throw outside();
  const path = join(folder, ...relative.split("/"));
  if (!await stat(path).then((status) => status.isFile(), () => false)) {
    throw report.refuse(
      "missing-image",
      `the file of its voxels is missing: looked for ${path}`,
      "Put it beside the header.",
    );
  }
  const [realFolder, realFile] = await Promise.all([realpath(folder), realpath(path)]);
  if (!realFile.startsWith(realFolder.endsWith("/") ? realFolder : `${realFolder}/`)) throw outside();
  return path;
}

/** Makes the names that a pattern such as `slice.%03d.raw`, first, last and step stand for. */
export function expandPattern(
  pattern: string,
  { first, last, step }: { readonly first: number; readonly last: number; readonly step: number },
  report: HeaderReport,
): string[] {
  const parts = /^((?:[^%]|%%)*)%(0?)(\d{0,2})[diu]((?:[^%]|%%)*)$/.exec(pattern);
  const count = Math.floor((last - first) / step) + 1;
  const isSound = parts !== null && [first, last, step].every(Number.isSafeInteger) && step !== 0;
  if (!isSound || !(count >= 1)) {
    throw report.refuse(
      "bad-header",
      `its files are named ${pattern} ${first} ${last} ${step}, expected a pattern with one %d`,
    );
  }
  requireFew(count, report);
  const [, before, zero, width, after] = parts as unknown as [string, string, string, string, string];
  return Array.from({ length: count }, (_, i) => {
    const number = String(first + i * step).padStart(Number(width), zero === "" ? " " : "0");
    return `${before}${number}${after}`.replaceAll("%%", "%");
  });
}

/** Refuses more files than any scan has slices. */
export function requireFew(count: number, report: HeaderReport): void {
  if (count <= MOST_FILES) return;
  throw report.refuse("too-large", `its voxels are in ${count} files, above ${MOST_FILES}`, "Write them to one file.");
}

/**
 * Puts files one behind the other, each opened when the one before is used up.
 *
 * @param paths The files.
 * @param pieceBytes How many bytes each holds at its place; what a file has beyond is not read.
 * @param options How a file is opened, unpacked and led to its first voxel.
 */
export async function joinSources(
  paths: readonly string[],
  pieceBytes: number,
  { open, report }: { readonly open: (path: string) => Promise<ByteSource>; readonly report: HeaderReport },
): Promise<ByteSource> {
  const truncated = (path: string, bytes: number) =>
    report.refuse(
      "truncated",
      `the header promises ${pieceBytes} bytes of voxels in each of ${paths.length} files, ${path} holds ${bytes}`,
      "Copy or download the files again.",
    );
  let plausibleBytes = 0;
  for (const path of paths) {
    const source = await open(path);
    await source.close();
    plausibleBytes += source.plausibleBytes;
    if (source.boundBytes < pieceBytes) throw truncated(path, source.boundBytes);
  }
  const chunks = (async function* () {
    for (const path of paths) {
      const source = await open(path);
      try {
        let left = pieceBytes;
        for await (const chunk of source.rest()) {
          const wanted = chunk.subarray(0, left);
          left -= wanted.length;
          yield wanted;
          if (left === 0) break;
        }
        if (left > 0) throw truncated(path, pieceBytes - left);
      } finally {
        await source.close();
      }
    }
  })();
  return new ChunkSource(chunks, {
    path: report.path,
    format: report.format,
    boundBytes: paths.length * pieceBytes,
    plausibleBytes,
  });
}
