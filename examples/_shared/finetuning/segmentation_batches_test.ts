import { createVolume } from "@med3d/volume";
import { selectBackend } from "@med3d/webgpu-kernels";
import { strict as assert } from "node:assert";
import type { LabelledCase } from "./cases.ts";
import { parseFinetuning, type ResolvedFinetuning } from "./configuration.ts";
import { PreparedCases } from "./prepared_cases.ts";
import { disposeSegmentationBatch, makeSegmentationBatch } from "./segmentation_batches.ts";

Deno.test("makeSegmentationBatch: with augmentation too, patches from anywhere come to the borders of a scan", async () => {
  await selectBackend({ backend: "cpu" });
  const shape = [16, 32, 32] as const;
  const image = createVolume(Float32Array.from({ length: 16 * 32 * 32 }, (_, i) => i % 7), shape);
  const labels = createVolume(Uint8Array.from(image.data, (_, i) => i % 32 === 31 ? 1 : 0), shape); // the last column
  const scan: LabelledCase = {
    id: "scan",
    subject: "one",
    path: "scan",
    loadChannels: () => Promise.resolve([image]),
    loadLabels: () => Promise.resolve(labels),
  };
  const prepared = await PreparedCases.open(
    { orientation: "RAS+", spacingMm: null, resize: null, channels: [{ kind: "z-score", foreground: "all" }] },
    { memoryMiB: 16, cache: null, cacheMiB: 1, report: () => {} },
  );
  const source = { training: [scan], prepared, numberOf: new Map([[0, 0], [1, 1]]), foreground: [1], isUnit: false };
  const wanted = parseFinetuning({ patch: [8, 16, 16], batch: 2, foregroundFraction: 0 }, "test");
  const configuration = { ...wanted, out: "", features: [], steps: 1, backend: "cpu" } as unknown as ResolvedFinetuning;
  let seen = 0;
  for (let step = 0; step < 150; step++) {
    const batch = await makeSegmentationBatch(source, configuration, step);
    const values = await batch.labels.data();
    for (const half of [values.slice(0, 2048), values.slice(2048)]) if (half.includes(1)) seen++;
    disposeSegmentationBatch(batch);
  }
  // Of the 17 places along the width one holds the last column: 18 of 300 patches, and some more by turning and scaling.
  assert.ok(seen >= 8 && seen <= 60, `the last column was seen in ${seen} of 300 patches`);
});
