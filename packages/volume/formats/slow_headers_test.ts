import { strict as assert } from "node:assert";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createVolume, encodeNifti, readVolume } from "../mod.ts";
import { bytesOf, formatCases, withFolder } from "./testdata/format_cases.ts";

const LONG = 2_000_000;
const textOf = (name: string) => String.fromCharCode(...bytesOf(formatCases.find((item) => item.name === name)!));
const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);

/** Headers that a careless parser takes time with the square of their length for, or longer, and how each is refused. */
const headers: Readonly<Record<string, readonly [() => string, code: string]>> = {
  "NRRD, parentheses without end": [
    () => textOf("NRRD i2 little").replace(/space directions: .*/, `space directions: ${"(".repeat(LONG)}`),
    "bad-header",
  ],
  "NRRD, percent signs": [
    () => textOf("NRRD i2 little").replace("encoding: raw", `encoding: raw\ndata file: ${"%".repeat(LONG)} 1 2`),
    "bad-header",
  ],
  "NRRD, a number without end": [
    () => textOf("NRRD ascii").replace(/\n\n[^]*/, `\n\n${"1".repeat(LONG)}x`),
    "bad-voxel",
  ],
  "NRRD, lines to be passed over without end": [
    () => textOf("NRRD i2 little").replace(/\n\n[^]*/, `\nline skip: 9007199254740991\n\n${"\n".repeat(LONG)}`),
    "bad-offset",
  ],
  "MetaImage, blanks within a value": [
    () => textOf("MetaImage i2 little").replace("Offset =", `Comment = x${" ".repeat(LONG)}y\nOffset =`),
    "bad-header",
  ],
  "MetaImage, a name without end": [
    () => textOf("MetaImage i2 little").replace("Offset =", `${"x".repeat(LONG)} =`),
    "bad-header",
  ],
  "MetaImage, empty lines": [
    () => textOf("MetaImage i2 little").replace("Offset =", `${"\n".repeat(LONG)}Offset =`),
    "bad-header",
  ],
};

for (const [name, [make, code]] of Object.entries(headers)) {
  Deno.test(`readVolume: a header that is long to no purpose is refused before it is parsed: ${name}`, async () => {
    await assert.rejects(readVolume(bytes(make())), { code });
  });
}

Deno.test("readVolume: voxels said to begin far into a packed file are refused before it is unpacked", async () => {
  const nifti = await encodeNifti(createVolume(new Uint8Array(8), [2, 2, 2]));
  new DataView(nifti.buffer).setFloat32(108, 2 ** 26 + 64, true);
  const large = Uint8Array.from(gzipSync(new Uint8Array(2 ** 27)));
  await assert.rejects(readVolume(Uint8Array.from([...gzipSync(nifti), ...large])), { code: "bad-offset" });
  const nrrd = bytes(textOf("NRRD gzip").replace("encoding: gzip", "encoding: gzip\nbyte skip: 2147483648"));
  await assert.rejects(readVolume(nrrd), { code: "bad-offset" });
});

Deno.test("readNrrd: a list that names one file again and again is refused", () =>
  withFolder(async (folder) => {
    const item = formatCases.find(({ name }) => name === "NRRD list")!;
    const path = join(folder, "a.nhdr");
    await Deno.writeFile(join(folder, "s.001.raw"), bytesOf(item, "s.001.raw"));
    const header = String.fromCharCode(...bytesOf(item)).replace(/LIST[^]*/, `LIST\n${"s.001.raw\n".repeat(16_000)}`);
    await Deno.writeTextFile(path, header);
    await assert.rejects(readVolume(path), { code: "bad-header", message: /twice/ });
  }));
