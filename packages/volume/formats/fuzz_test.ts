import { strict as assert } from "node:assert";
import { withFolder } from "./testdata/format_cases.ts";
import { fuzzVolumes } from "./testdata/fuzz_volumes.ts";

const MUTATIONS = 1800;
const MEMORY_BYTES = 256 * 2 ** 20;

/** Codes that must be reached, or what is damaged is not what matters. */
const REACHED: Readonly<Record<string, readonly string[]>> = {
  NRRD: ["read", "bad-header", "bad-affine", "truncated", "unsupported-datatype", "bad-dimensions", "bad-voxel"],
  MetaImage: ["read", "bad-header", "bad-dimensions", "truncated", "unsupported-datatype", "not-3d"],
  MGH: ["read", "unknown-format", "truncated", "not-3d", "bad-affine"],
  NumPy: ["read", "bad-header", "truncated", "unsupported-datatype"],
  NIfTI: ["read", "unknown-format", "not-nifti", "truncated", "corrupt-gzip"],
};

Deno.test(`readVolume: ${MUTATIONS} seeded mutations over all formats but DICOM each give a volume or a CorruptVolumeError, in bounded memory`, () =>
  withFolder(async (folder) => {
    const reached = new Map<string, Set<string>>();
    const formats = Object.keys(REACHED);
    for await (const one of fuzzVolumes(MUTATIONS, { seed: "small set", folder, formats })) {
      const { index, format, kind, outcome, error, memoryBytes } = one;
      if (outcome === "failed") throw new Error(`mutation ${index}, ${format}, ${kind}`, { cause: error });
      assert.ok(memoryBytes < MEMORY_BYTES, `mutation ${index}, ${format}, ${kind}: ${memoryBytes} bytes`);
      reached.set(format, (reached.get(format) ?? new Set()).add(outcome));
    }
    for (const [format, codes] of Object.entries(REACHED)) {
      for (const code of codes) assert.ok(reached.get(format)?.has(code), `${format}: ${code} was not reached`);
    }
  }));
