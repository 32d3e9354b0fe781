import { strict as assert } from "node:assert";
import { join } from "node:path";
import { readVolume } from "../mod.ts";
import { bytesOf, formatCases, withFolder, writeCase } from "./testdata/format_cases.ts";

const detached = formatCases.filter(({ name }) => ["NRRD detached raw", "MetaImage detached"].includes(name));

for (const item of detached) {
  const words = item.name.split(" ")[0]!;
  Deno.test(`read${words}: a link that leads out of the header's folder is refused, one within it followed`, () =>
    withFolder(async (folder) => {
      const scans = join(folder, "scans");
      const path = await writeCase(item, scans);
      const [voxels] = Object.keys(item.files).filter((file) => file !== item.main);
      await Deno.rename(join(scans, voxels!), join(scans, "moved.raw"));
      await Deno.symlink(join(scans, "moved.raw"), join(scans, voxels!));
      assert.deepEqual(Array.from((await readVolume(path)).data), item.values);
      await Deno.rename(join(scans, "moved.raw"), join(folder, "secret"));
      await Deno.remove(join(scans, voxels!));
      await Deno.symlink(join(folder, "secret"), join(scans, voxels!));
      await assert.rejects(readVolume(path), { code: "outside-folder" });
    }));

  Deno.test(`read${words}: a header in memory has no folder, and says so`, async () => {
    await assert.rejects(readVolume(bytesOf(item)), {
      code: "missing-image",
      message: /header alone.*Give the header's path/,
    });
  });
}

Deno.test("readNrrd: patterns that ask for absurd numbers of files are refused at once", () =>
  withFolder(async (folder) => {
    const item = formatCases.find(({ name }) => name === "NRRD pattern")!;
    const header = new TextDecoder().decode(bytesOf(item));
    const path = join(folder, "a.nhdr");
    const patterns: [string, string][] = [
      ["s.%03d.raw 1 99999999 1", "too-large"],
      ["s.%03d.raw 1 2 0", "bad-header"],
      ["s.%s.raw 1 2 1", "bad-header"],
    ];
    for (
      const [pattern, code] of [...patterns, ["s.%d%d.raw 1 2 1", "bad-header"], [
        "s.%03d.raw 2 1 1",
        "bad-header",
      ]] as const
    ) {
      await Deno.writeTextFile(path, header.replace("s.%03d.raw 1 2 1", pattern));
      await assert.rejects(readVolume(path), { code }, pattern);
    }
  }));
