import { stat } from "node:fs/promises";
import { CorruptVolumeError } from "../findings.ts";

const PAIR_NAME = /\.(hdr|img)(\.gz)?$/i;

/** Finds the header of a path that may name either half of a `.hdr`/`.img` pair. */
export async function headerPathOf(path: string): Promise<string> {
  return PAIR_NAME.exec(path)?.[1]?.toLowerCase() === "img" ? await partner(path, "hdr") : path;
}

/** Finds the image that belongs to a pair's header. */
export async function imagePathOf(headerPath: string): Promise<string> {
  return await partner(headerPath, "img");
}

async function partner(path: string, extension: "hdr" | "img"): Promise<string> {
  const matched = PAIR_NAME.exec(path);
  const stem = matched === null ? path.replace(/\.[^./\\]*$/, "") : path.slice(0, matched.index);
  const plain = matched !== null && matched[1] === matched[1]!.toUpperCase() ? extension.toUpperCase() : extension;
  const same = matched?.[2] ?? "";
  const candidates = [`${stem}.${plain}${same}`, `${stem}.${plain}${same === "" ? ".gz" : ""}`];
  for (const candidate of candidates) {
    if (await stat(candidate).then((status) => status.isFile(), () => false)) return candidate;
  }
  throw new CorruptVolumeError("missing-image", {
    action: "read NIfTI",
    path,
    problem: `it is half of a pair whose other half is missing: looked for ${candidates.join(" and ")}`,
    fix: "Put the .hdr and .img files side by side.",
  });
}
