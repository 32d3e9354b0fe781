import { createVolume, type Volume } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { fillHoles } from "./fill_holes.ts";
import { keepLargestComponents } from "./keep_largest.ts";
import { measureStructures } from "./measure_structures.ts";

/** A label map of one slice, from rows of digits. */
function drawn(...rows: string[]): Volume {
  return createVolume(Uint8Array.from(rows.join(""), Number), [1, rows.length, rows[0]!.length]);
}

/** A cube of `outer`³ voxels of a label, with `inner`³ voxels of another in its middle, one voxel of background around. */
function nested(outer: number, inner: number, [label, middle]: readonly [number, number]): Volume {
  const size = outer + 2;
  const data = new Uint8Array(size ** 3);
  const gap = (outer - inner) / 2 + 1;
  for (let z = 1; z <= outer; z++) {
    for (let y = 1; y <= outer; y++) {
      for (let x = 1; x <= outer; x++) {
        const isInner = [z, y, x].every((place) => place >= gap && place < gap + inner);
        data[(z * size + y) * size + x] = isInner ? middle : label;
      }
    }
  }
  return createVolume(data, [size, size, size]);
}

Deno.test("keepLargestComponents: of each structure the largest part stays, others become background", () => {
  const labels = drawn("1100022", "1100002", "0000000", "0010200");
  assert.deepEqual(keepLargestComponents(labels).data, drawn("1100022", "1100002", "0000000", "0000000").data);
  assert.deepEqual(
    keepLargestComponents(labels, { labels: [2] }).data,
    drawn("1100022", "1100002", "0000000", "0010000").data,
  );
  assert.deepEqual(labels.data, drawn("1100022", "1100002", "0000000", "0010200").data, "the input stays");
});

Deno.test("keepLargestComponents: corners join at 26 neighbours, not at 6; of equals the first stays", () => {
  const labels = drawn("100", "010", "001");
  assert.deepEqual(keepLargestComponents(labels).data, labels.data);
  assert.deepEqual(keepLargestComponents(labels, { connectivity: 6 }).data, drawn("100", "000", "000").data);
});

Deno.test("fillHoles: enclosed background gets the label around it, what reaches the border stays", () => {
  assert.deepEqual(fillHoles(nested(5, 3, [1, 0])).data, nested(5, 3, [1, 1]).data);
  assert.deepEqual(fillHoles(nested(5, 1, [7, 0])).data, nested(5, 1, [7, 7]).data);
  const open = nested(5, 1, [1, 0]);
  for (let z = 0; z < 3; z++) open.data[(z * 7 + 3) * 7 + 3] = 0; // a channel from the border to the hole
  assert.deepEqual(fillHoles(open).data, open.data);
  const slice = drawn("111", "101", "111");
  assert.deepEqual(fillHoles(slice).data, slice.data, "in a single slice everything reaches the border");
});

Deno.test("fillHoles: a hole between structures goes to the one with most faces, structures stay", () => {
  const labels = nested(3, 1, [1, 0]);
  const wall = [[1, 2, 2], [3, 2, 2], [2, 1, 2], [2, 3, 2]] as const;
  for (const [z, y, x] of wall) labels.data[(z * 5 + y) * 5 + x] = 2;
  const filled = fillHoles(labels);
  assert.equal(filled.data[(2 * 5 + 2) * 5 + 2], 2);
  filled.data[(2 * 5 + 2) * 5 + 2] = 0;
  assert.deepEqual(filled.data, labels.data);
});

Deno.test("measureStructures: millilitres by the affine, of oblique grids too", () => {
  const data = Uint8Array.from({ length: 1000 }, (_, i) => i < 100 ? 3 : i < 600 ? 1 : 0);
  const turned = Float64Array.of(0, -2, 0, 5, 3, 0, 0, 5, 0, 0, 4, 5, 0, 0, 0, 1);
  assert.deepEqual([...measureStructures(createVolume(data, [10, 10, 10], { affine: turned }))], [[1, 12], [3, 2.4]]);
});
