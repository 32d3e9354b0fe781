import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";

/** SHA-256 over names and contents of all files in a folder, in order of names; what a model is, whatever its folder is called. */
export async function hashFolder(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/")).sort();
  const whole = createHash("sha256");
  for (const name of names) {
    const one = createHash("sha256");
    await pipeline(createReadStream(join(folder, name)), one);
    whole.update(`${one.digest("hex")} ${name}\n`);
  }
  return whole.digest("hex");
}
