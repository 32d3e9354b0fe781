import { strict as assert } from "node:assert";
import { gzipSync } from "node:zlib";
import { drawsOf } from "../formats/testdata/draws.ts";
import { CorruptVolumeError, createVolume, encodeNifti, readNifti, toCanonical } from "../mod.ts";

const MUTATIONS = 3000;
const EXTREME_BYTES = [0, 1, 0x7f, 0x80, 0xff];

Deno.test(`readNifti: ${MUTATIONS} seeded mutations each give a volume or a CorruptVolumeError, in bounded time and memory`, async () => {
  const random = drawsOf("nifti-fuzz");
  const data = Int16Array.from({ length: 6 * 7 * 8 }, (_, i) => i * 37 - 900);
  const volume = createVolume(data, [6, 7, 8]);
  const sound = await Promise.all(([1, 2] as const).map((version) => encodeNifti(volume, { version })));
  const reasons = new Map<string, number>();
  const started = performance.now();
  for (let i = 0; i < MUTATIONS; i++) {
    const original = sound[i % 2]!;
    let bytes = original.slice();
    const mutateGzip = i % 5 === 4;
    if (mutateGzip) bytes = Uint8Array.from(gzipSync(bytes));
    const reach = mutateGzip || i % 3 === 0 ? bytes.length : Math.min(bytes.length, 544);
    for (let n = random.int(1, 6); n > 0; n--) {
      const at = random.int(0, reach - 1);
      bytes[at] = random.boolean() ? random.int(0, 255) : EXTREME_BYTES[random.int(0, EXTREME_BYTES.length - 1)]!;
    }
    if (i % 7 === 6) bytes = bytes.slice(0, random.int(0, bytes.length));
    const source = !mutateGzip && i % 4 === 3 ? Uint8Array.from(gzipSync(bytes)) : bytes;
    let outcome = "read";
    try {
      const read = await readNifti(source, { maxBytes: 1 << 20 });
      assert.equal(read.data.length, read.shape[0] * read.shape[1] * read.shape[2]);
      assert.ok(read.affine.every(Number.isFinite));
      assert.ok(read.spacingMm.every((spacing) => spacing > 0));
      assert.ok(read.data.byteLength <= 1 << 20);
      toCanonical(read);
    } catch (error) {
      if (!(error instanceof CorruptVolumeError)) throw new Error(`mutation ${i}`, { cause: error });
      outcome = error.code;
    }
    reasons.set(outcome, (reasons.get(outcome) ?? 0) + 1);
  }
  assert.ok(performance.now() - started < 60_000, "bounded time");
  for (const expected of ["read", "not-nifti", "truncated", "corrupt-gzip", "bad-dimensions", "unsupported-datatype"]) {
    assert.ok((reasons.get(expected) ?? 0) >= 5, `${expected} was hardly reached: ${JSON.stringify([...reasons])}`);
  }
});
