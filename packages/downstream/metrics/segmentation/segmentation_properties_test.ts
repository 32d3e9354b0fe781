import assert from "node:assert/strict";
import type { Triple } from "@med3d/volume";
import fc from "fast-check";
import { uniform } from "../../testdata/metrics_cases.ts";
import { compareSegmentations } from "./compare_segmentations.ts";
import { distanceTransform } from "./distance_transform.ts";
import { measureSurfaces, type SurfaceDefinition, type SurfaceMeasures } from "./measure_surfaces.ts";

const extent = fc.integer({ min: 1, max: 6 });
const shapes = fc.tuple(extent, extent, extent);
const spacing = fc.integer({ min: 2, max: 40 }).map((tenth) => tenth / 10);
const spacings = fc.tuple(spacing, spacing, spacing);
const definitions = fc.constantFrom<SurfaceDefinition>("surfels", "voxels");

interface Pair {
  readonly shape: Triple;
  readonly spacingMm: Triple;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
}

/** Two masks that are not empty on one grid. */
const pairs: fc.Arbitrary<Pair> = fc.tuple(
  shapes,
  spacings,
  fc.integer({ min: 0, max: 9999 }),
  fc.double({ min: 0.05, max: 0.9, noNaN: true }),
)
  .map(([shape, spacingMm, seed, share]) => {
    const voxels = shape[0] * shape[1] * shape[2];
    const mask = (number: number): Uint8Array => {
      const made = Uint8Array.from(uniform(number, voxels), (value) => value < share ? 1 : 0);
      made[number % voxels] = 1;
      return made;
    };
    return { shape, spacingMm, a: mask(seed), b: mask(seed + 5000) };
  });

function assertSame(a: SurfaceMeasures, b: SurfaceMeasures, factor = 1): void {
  for (const [name, value] of Object.entries(a) as [keyof SurfaceMeasures, number][]) {
    const expected = b[name] * (name === "surfaceDice" ? 1 : factor);
    assert.ok(Math.abs(value - expected) <= 1e-6 * Math.max(1, expected), `${name}: ${value}, ${expected}`);
  }
}

Deno.test("distanceTransform equals brute force for any spacing", () => {
  fc.assert(fc.property(shapes, spacings, fc.integer({ min: 0, max: 9999 }), (shape, spacingMm, seed) => {
    const voxels = shape[0] * shape[1] * shape[2];
    const sites = Uint8Array.from(uniform(seed, voxels), (value) => value < 0.1 ? 1 : 0);
    const place = (i: number): number[] => [
      Math.floor(i / (shape[1] * shape[2])) * spacingMm[0],
      Math.floor(i / shape[2]) % shape[1] * spacingMm[1],
      i % shape[2] * spacingMm[2],
    ];
    distanceTransform(sites, shape, spacingMm).forEach((distance, i) => {
      let nearest = Infinity;
      sites.forEach((site, j) => {
        const [from, to] = [place(i), place(j)];
        if (site) nearest = Math.min(nearest, Math.hypot(...from.map((value, axis) => value - to[axis]!)));
      });
      assert.ok(distance === nearest || Math.abs(distance - nearest) <= 1e-6 * nearest, `${distance}, ${nearest}`);
    });
  }));
});

Deno.test("measureSurfaces equals brute force over boundary voxels", () => {
  fc.assert(fc.property(pairs, ({ shape, spacingMm, a, b }) => {
    const boundary = (mask: Uint8Array): number[][] => {
      const at = (z: number, y: number, x: number): number =>
        z < 0 || y < 0 || x < 0 || z >= shape[0] || y >= shape[1] || x >= shape[2]
          ? 0
          : mask[(z * shape[1] + y) * shape[2] + x]!;
      const points: number[][] = [];
      mask.forEach((voxel, i) => {
        const [z, y, x] = [Math.floor(i / (shape[1] * shape[2])), Math.floor(i / shape[2]) % shape[1], i % shape[2]];
        const around = at(z - 1, y, x) + at(z + 1, y, x) + at(z, y - 1, x) + at(z, y + 1, x) + at(z, y, x - 1) +
          at(z, y, x + 1);
        if (voxel && around < 6) points.push([z * spacingMm[0], y * spacingMm[1], x * spacingMm[2]]);
      });
      return points;
    };
    const distances = (from: number[][], to: number[][]): number[] =>
      from.map((p) => Math.min(...to.map((q) => Math.hypot(...p.map((value, axis) => value - q[axis]!)))));
    const [there, back] = [distances(boundary(a), boundary(b)), distances(boundary(b), boundary(a))];
    const both = [...there, ...back];
    const result = measureSurfaces(a, b, { shape, spacingMm, surface: "voxels", toleranceMm: 1.05 });
    const close = (actual: number, expected: number): void =>
      assert.ok(Math.abs(actual - expected) < 1e-5, `${actual}, ${expected}`);
    close(result.hausdorffMm, Math.max(...both));
    close(result.averageSurfaceDistanceMm, both.reduce((sum, value) => sum + value) / both.length);
    close(result.surfaceDice, both.filter((value) => value <= 1.05 + 1e-6).length / both.length);
  }));
});

Deno.test("measureSurfaces does not care which mask is which", () => {
  fc.assert(fc.property(pairs, definitions, ({ shape, spacingMm, a, b }, surface) => {
    const [one, other] = [[a, b], [b, a]].map(([p, r]) => measureSurfaces(p!, r!, { shape, spacingMm, surface }));
    const { predictionToReferenceMm, referenceToPredictionMm } = other!;
    assertSame(one!, {
      ...other!,
      predictionToReferenceMm: referenceToPredictionMm,
      referenceToPredictionMm: predictionToReferenceMm,
    });
  }));
});

Deno.test("measureSurfaces scales with spacing and tolerance", () => {
  fc.assert(fc.property(pairs, definitions, ({ shape, spacingMm, a, b }, surface) => {
    const [z, y, x] = spacingMm;
    const small = measureSurfaces(a, b, { shape, spacingMm, surface, toleranceMm: 1.03 });
    const large = measureSurfaces(a, b, { shape, spacingMm: [4 * z, 4 * y, 4 * x], surface, toleranceMm: 4.12 });
    assertSame(large, small, 4);
  }));
});

Deno.test("compareSegmentations gives the same wherever the structures lie, at a corner of the scan too", () => {
  fc.assert(fc.property(pairs, shapes, definitions, ({ shape, spacingMm, a, b }, offset, surface) => {
    const place = (mask: Uint8Array, at: Triple): Int16Array => {
      const placed = new Int16Array(12 ** 3);
      mask.forEach((voxel, i) => {
        const [z, y, x] = [Math.floor(i / (shape[1] * shape[2])), Math.floor(i / shape[2]) % shape[1], i % shape[2]];
        if (voxel) placed[((z + at[0]) * 12 + y + at[1]) * 12 + x + at[2]] = 7;
      });
      return placed;
    };
    const compare = (at: Triple) =>
      compareSegmentations(place(a, at), place(b, at), {
        shape: [12, 12, 12],
        spacingMm,
        classes: [{ name: "structure", labels: [7] }],
        surface,
      });
    assert.deepEqual(compare(offset), compare([0, 0, 0]));
  }));
});

Deno.test("measureSurfaces of a mask with itself is perfect", () => {
  fc.assert(fc.property(pairs, definitions, ({ shape, spacingMm, a }, surface) => {
    const { surfaceDice, ...distances } = measureSurfaces(a, a, { shape, spacingMm, surface, toleranceMm: 0 });
    assert.equal(surfaceDice, 1);
    assert.ok(Object.values(distances).every((distance) => distance === 0));
  }));
});
