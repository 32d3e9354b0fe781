import { strict as assert } from "node:assert";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CorruptVolumeError } from "../mod.ts";
import { buildVoxels } from "./_build_voxels.ts";
import { encodeDicomFile } from "./_encode_dataset.ts";
import type { Frame } from "./_frames.ts";
import { readAhead } from "./_read_ahead.ts";
import { scanDicom } from "./_scan.ts";

const SLICES = 12;

/** Runs on the frames of a series of slices whose voxels are their number, in order. Deno fails a test that leaves a file open. */
async function onFrames(work: (frames: readonly Frame[], folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "med3d-ahead-"));
  try {
    for (let i = 0; i < SLICES; i++) {
      const file = encodeDicomFile({
        SeriesInstanceUid: "1.2.3",
        SopInstanceUid: `1.2.3.${i}`,
        ImagePositionPatient: [0, 0, i],
        ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
        Rows: 2,
        Columns: 2,
        BitsAllocated: 16,
        PixelRepresentation: 0,
        PixelData: new Uint8Array(Uint16Array.of(i, i, i, i).buffer),
      });
      await writeFile(join(folder, String(i).padStart(2, "0")), file);
    }
    const files = await scanDicom(folder, () => {});
    await work(files.flatMap(({ frames }) => frames), folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

Deno.test("readAhead: every frame once, in the order asked for, each in its place where there is one", () =>
  onFrames(async (frames) => {
    const order = [...frames.slice(5), ...frames.slice(0, 5), frames[4]!];
    const places = order.map((_, i) => i % 2 === 0 ? new Uint16Array(4) : undefined);
    const seen: number[] = [];
    for await (const { frame, index, values, finished } of readAhead(order, (i) => places[i])) {
      assert.equal(frame, order[index]);
      assert.equal(finished, true);
      if (places[index]) assert.equal(values.buffer, places[index].buffer);
      seen.push(values[3]!);
    }
    assert.deepEqual(seen, [5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 4]);
  }));

Deno.test("readAhead: a place of another size or width is not written to", () =>
  onFrames(async (frames) => {
    const places = [new Uint16Array(3), new Uint8Array(8), new Float64Array(4)];
    for await (const { index, values } of readAhead(frames.slice(1, 4), (i) => places[i])) {
      assert.deepEqual([...values], Array(4).fill(index + 1));
      assert.ok(places[index]!.every((value) => value === 0));
    }
  }));

Deno.test("readAhead: given up half-way, it leaves no file open", () =>
  onFrames(async (frames) => {
    for await (const { index } of readAhead(frames, () => undefined)) if (index === 3) break;
  }));

Deno.test("buildVoxels: a file cut off since its header was read is refused, and no file is left open", () =>
  onFrames(async (frames, folder) => {
    await truncate(join(folder, "06"), 200);
    const slots = frames.map((frame) => [frame]);
    const stack = { slots, affine: new Float64Array(16), placed: true, findings: [] };
    await assert.rejects(buildVoxels(stack, { path: folder, maxBytes: 2 ** 20 }), (error) => {
      assert.ok(error instanceof CorruptVolumeError, String(error));
      assert.equal(error.code, "truncated");
      return true;
    });
  }));
