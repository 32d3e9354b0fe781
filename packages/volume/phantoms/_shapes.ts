import { rotationOf } from "../_rotation.ts";

/** A point, extent or set of angles in a phantom's own frame, in millimetres or degrees: x right, y anterior, z superior. */
export type Point = readonly [number, number, number];

/** A solid. */
export interface Shape {
  /** Middle of an upright box that holds the solid. */
  readonly center: Point;
  /** Half edges of that box in millimetres. */
  readonly reach: Point;
  /** About how far a place is outside the solid, in millimetres; negative inside. */
  readonly distance: (x: number, y: number, z: number) => number;
}

/** An ellipsoid, turned about its centre by `degrees` about x, y and z. */
export function ellipsoid(center: Point, radii: Point, degrees: Point = [0, 0, 0]): Shape {
  const [cx, cy, cz] = center;
  const [rx, ry, rz] = radii;
  const longest = Math.max(rx, ry, rz);
  const [a, b, c, d, e, f, g, h, i] = rotationOf(degrees) as unknown as [...Point, ...Point, ...Point];
  return {
    center,
    reach: degrees.every((angle) => angle === 0) ? radii : [longest, longest, longest],
    distance: (x, y, z) => {
      const dx = x - cx, dy = y - cy, dz = z - cz;
      const ux = (a * dx + d * dy + g * dz) / rx,
        uy = (b * dx + e * dy + h * dz) / ry,
        uz = (c * dx + f * dy + i * dz) / rz;
      const scaled = Math.sqrt(ux * ux + uy * uy + uz * uz);
      const slope = Math.sqrt((ux / rx) ** 2 + (uy / ry) ** 2 + (uz / rz) ** 2);
      return slope === 0 ? -Math.min(rx, ry, rz) : (scaled * (scaled - 1)) / slope; // exact to first order at the surface
    },
  };
}

/** A round pipe along a line of points, its radius changing evenly from point to point. */
export function tube(points: readonly Point[], radii: readonly number[]): Shape {
  const widest = Math.max(...radii);
  const low = eachAxis((axis) => Math.min(...points.map((point) => point[axis]!)));
  const high = eachAxis((axis) => Math.max(...points.map((point) => point[axis]!)));
  const segments = points.slice(1).map((end, index) => {
    const start = points[index]!;
    const along: Point = [end[0] - start[0], end[1] - start[1], end[2] - start[2]];
    const square = along[0] ** 2 + along[1] ** 2 + along[2] ** 2;
    return { start, along, square, radius: radii[index]!, growth: radii[index + 1]! - radii[index]! };
  });
  return {
    center: eachAxis((axis) => (low[axis]! + high[axis]!) / 2),
    reach: eachAxis((axis) => (high[axis]! - low[axis]!) / 2 + widest),
    distance: (x, y, z) => {
      let least = Infinity;
      for (const { start, along, square, radius, growth } of segments) {
        const dx = x - start[0], dy = y - start[1], dz = z - start[2];
        const t = Math.min(1, Math.max(0, (dx * along[0] + dy * along[1] + dz * along[2]) / square));
        const away = Math.sqrt((dx - t * along[0]) ** 2 + (dy - t * along[1]) ** 2 + (dz - t * along[2]) ** 2);
        least = Math.min(least, away - radius - t * growth);
      }
      return least;
    },
  };
}

/** A solid without bounds, such as a half space. */
export function unbounded(distance: Shape["distance"]): Shape {
  return { center: [0, 0, 0], reach: [1e4, 1e4, 1e4], distance };
}

/** A solid along z whose section lies within `reachX` and `reachY` of a line. */
export function upright(
  center: readonly [number, number],
  reach: readonly [number, number],
  distance: Shape["distance"],
): Shape {
  return { center: [center[0], center[1], 0], reach: [reach[0], reach[1], 1e4], distance };
}

/** What lies in the first solid and in the second; the first should be the smaller. */
export function intersect(first: Shape, second: Shape): Shape {
  return { ...first, distance: (x, y, z) => Math.max(first.distance(x, y, z), second.distance(x, y, z)) };
}

/** What lies in the first solid and not in the second. */
export function subtract(first: Shape, second: Shape): Shape {
  return { ...first, distance: (x, y, z) => Math.max(first.distance(x, y, z), -second.distance(x, y, z)) };
}

/** What lies in either solid, and in the groove between them as far as `fillMm` rounds it off. */
export function unite(first: Shape, second: Shape, fillMm = 0): Shape {
  const low = eachAxis((a) => Math.min(first.center[a]! - first.reach[a]!, second.center[a]! - second.reach[a]!));
  const high = eachAxis((a) => Math.max(first.center[a]! + first.reach[a]!, second.center[a]! + second.reach[a]!));
  return {
    center: eachAxis((axis) => (low[axis]! + high[axis]!) / 2),
    reach: eachAxis((axis) => (high[axis]! - low[axis]!) / 2 + fillMm / 4),
    distance: (x, y, z) => {
      const a = first.distance(x, y, z);
      const b = second.distance(x, y, z);
      const near = fillMm - Math.abs(a - b);
      return Math.min(a, b) - (near > 0 ? (near * near) / (4 * fillMm) : 0);
    },
  };
}

/** A solid whose surface lies further out by some millimetres; further in, if negative. */
export function grow(shape: Shape, byMm: number): Shape {
  return {
    ...shape,
    reach: eachAxis((axis) => Math.max(0, shape.reach[axis]! + byMm)),
    distance: (x, y, z) => shape.distance(x, y, z) - byMm,
  };
}

/** A solid with an uneven surface: slow waves of some height and length in millimetres. */
export function wobble(shape: Shape, wave: { heightMm: number; lengthMm: number; phase: number }): Shape {
  const { heightMm, phase } = wave;
  const k = (2 * Math.PI) / wave.lengthMm;
  const height = (x: number, y: number, z: number): number =>
    Math.sin(k * (x + 0.4 * y) + phase) + Math.sin(k * (y + 0.4 * z) + 2 * phase) +
    Math.sin(k * (z + 0.4 * x) + 3 * phase);
  return {
    ...grow(shape, heightMm),
    distance: (x, y, z) => shape.distance(x, y, z) + (heightMm / 3) * height(x, y, z),
  };
}

function eachAxis(measure: (axis: 0 | 1 | 2) => number): Point {
  return [measure(0), measure(1), measure(2)];
}
