import { strict as assert } from "node:assert";
import { drawsOf } from "../formats/testdata/draws.ts";
import { CorruptVolumeError, readDicom } from "../mod.ts";
import { dicomCases, filesOf } from "./testdata/dicom_cases.ts";
import { mutateDicom, mutatePacked } from "./testdata/mutate_dicom.ts";

const MUTATIONS = 3000;
const PACKED_MUTATIONS = 400;
const MEMORY_BYTES = 256 * 2 ** 20;

/** Reads damaged files; counts what came of it, and fails on anything but a volume or a CorruptVolumeError. */
async function outcomes(
  files: readonly Uint8Array<ArrayBuffer>[],
  options: { readonly count: number; readonly mutate: typeof mutateDicom; readonly seed: string },
): Promise<Map<string, number>> {
  const { count, mutate } = options;
  const random = drawsOf(options.seed);
  const reasons = new Map<string, number>();
  const before = Deno.memoryUsage().rss;
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    const bytes = mutate(files[i % files.length]!, random);
    let outcome = "read";
    try {
      const { data, shape, affine } = await readDicom(bytes, { irregular: i % 2 === 0 ? "report" : "refuse" });
      assert.equal(data.length, shape[0] * shape[1] * shape[2]);
      assert.ok(affine.every(Number.isFinite));
    } catch (error) {
      if (!(error instanceof CorruptVolumeError)) throw new Error(`mutation ${i}`, { cause: error });
      outcome = error.code;
    }
    reasons.set(outcome, (reasons.get(outcome) ?? 0) + 1);
    assert.ok(Deno.memoryUsage().rss - before < MEMORY_BYTES, `mutation ${i}: bounded memory`);
  }
  assert.ok(performance.now() - started < 120_000, "bounded time");
  return reasons;
}

Deno.test(`readDicom: ${MUTATIONS} seeded mutations each give a volume or a CorruptVolumeError, in bounded time and memory`, async () => {
  const files = (await dicomCases()).flatMap((one) => filesOf(one.files).slice(0, 2).map(([, bytes]) => bytes));
  const reasons = await outcomes(files, { count: MUTATIONS, mutate: mutateDicom, seed: "dicom-fuzz" });
  const wanted = ["read", "not-dicom", "truncated", "bad-element", "corrupt-pixels", "bad-dimensions", "corrupt-gzip"];
  for (const code of [...wanted, "unsupported-datatype", "unsupported-syntax", "missing-image"]) {
    assert.ok((reasons.get(code) ?? 0) >= 5, `${code} was hardly reached: ${JSON.stringify([...reasons])}`);
  }
});

Deno.test(`readDicom: ${PACKED_MUTATIONS} seeded mutations of packed frames each give a volume or a CorruptVolumeError`, async () => {
  const packed = (await dicomCases()).filter(({ name }) => /JPEG|HTJ2K|RLE/.test(name));
  const files = packed.map((one) => filesOf(one.files)[0]![1]);
  const reasons = await outcomes(files, { count: PACKED_MUTATIONS, mutate: mutatePacked, seed: "dicom-packed-fuzz" });
  for (const code of ["read", "corrupt-pixels"]) {
    assert.ok((reasons.get(code) ?? 0) >= 50, `${code} was hardly reached: ${JSON.stringify([...reasons])}`);
  }
});
