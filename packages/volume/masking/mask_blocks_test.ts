import { strict as assert } from "node:assert";
import fc from "fast-check";
import { createVolume, hideMasked, maskBlocks } from "../mod.ts";

const extent = fc.integer({ min: 1, max: 17 });
const block = fc.integer({ min: 1, max: 6 });

Deno.test("maskBlocks: whole blocks, in the number asked for, whatever the shape", () => {
  fc.assert(
    fc.property(
      fc.tuple(extent, extent, extent),
      fc.tuple(block, block, block),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.string(),
      (shape, blockSize, ratio, seed) => {
        const mask = maskBlocks(shape, { blockSize, ratio, seed });
        assert.equal(mask.length, shape[0] * shape[1] * shape[2]);
        const values = new Map<string, Set<number>>();
        mask.forEach((value, voxel) => {
          const [z, y, x] = [
            Math.floor(voxel / (shape[1] * shape[2])),
            Math.floor(voxel / shape[2]) % shape[1],
            voxel % shape[2],
          ];
          const name = [z, y, x].map((place, axis) => Math.floor(place / blockSize[axis]!)).join();
          values.set(name, (values.get(name) ?? new Set()).add(value));
        });
        assert.ok([...values.values()].every((set) => set.size === 1), "a block is hidden in part");
        const hidden = [...values.values()].filter((set) => set.has(1)).length;
        assert.equal(hidden, Math.round(ratio * values.size));
      },
    ),
    { seed: 7, numRuns: 60 },
  );
});

Deno.test("maskBlocks: the seed decides which; every block is hidden about as often", () => {
  const options = { ratio: 0.5, blockSize: [2, 2, 2], seed: "a" } as const;
  assert.deepEqual(maskBlocks([8, 8, 8], options), maskBlocks([8, 8, 8], options));
  assert.notDeepEqual(maskBlocks([8, 8, 8], options), maskBlocks([8, 8, 8], { ...options, seed: "b" }));
  const counts = new Uint32Array(64);
  for (let seed = 0; seed < 2000; seed++) {
    maskBlocks([4, 4, 4], { ratio: 0.25, blockSize: [1, 1, 1], seed: String(seed) }).forEach((hidden, voxel) =>
      counts[voxel]! += hidden
    );
  }
  for (const count of counts) assert.ok(Math.abs(count - 500) < 90, `${counts}`);
});

Deno.test("maskBlocks: bad options are refused", () => {
  assert.throws(() => maskBlocks([4, 4, 4], { ratio: 1.1 }), /RangeError.*ratio is out of range: got 1.1/);
  assert.throws(() => maskBlocks([4, 4, 4], { ratio: NaN }), /got NaN/);
  assert.throws(() => maskBlocks([4, 0, 4]), /an extent is out of range: got shape \[4,0,4\]/);
  assert.throws(() => maskBlocks([4, 4, 4], { blockSize: [1, 1.5, 1] }), /blocks \[1,1.5,1\]/);
});

Deno.test("hideMasked: hidden voxels get the fill, the others and the input stay", () => {
  const voxels = Int16Array.of(5, 6, 7, 8);
  assert.deepEqual(hideMasked(voxels, Uint8Array.of(0, 1, 0, 1), -1), Float32Array.of(5, -1, 7, -1));
  assert.deepEqual(hideMasked(voxels, Uint8Array.of(1, 0, 0, 0)), Float32Array.of(0, 6, 7, 8));
  assert.deepEqual(voxels, Int16Array.of(5, 6, 7, 8));
  assert.throws(() => hideMasked(voxels, new Uint8Array(3)), /RangeError.*got 3 and 4 values/);
  assert.throws(() => hideMasked(voxels, new Uint8Array(4), NaN), /the fill is not finite: got NaN/);
});

Deno.test("hideMasked: a scan keeps its grid and tells in its history what was hidden", () => {
  const scan = createVolume(Int16Array.from({ length: 64 }, (_, i) => i + 1), [4, 4, 4], { modality: "MR" });
  const mask = maskBlocks([4, 4, 4], { blockSize: [2, 2, 2], ratio: 0.25 });
  const hidden = hideMasked(scan, mask);
  assert.ok(hidden.data.every((value, i) => value === (mask[i] === 1 ? 0 : i + 1)));
  assert.deepEqual(hidden.history, [...scan.history, "16 of 64 voxels hidden by a mask, fill 0"]);
  assert.deepEqual([hidden.modality, hidden.shape, hidden.affine], ["MR", scan.shape, scan.affine]);
  assert.equal(scan.data[0], 1);
  assert.throws(() => hideMasked(scan, new Uint8Array(3)), /RangeError.*got 3 and 64 values/);
});
