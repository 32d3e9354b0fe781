import type { Structure } from "./_paint.ts";
import { ellipsoid, intersect, type Shape, unbounded, upright } from "./_shapes.ts";
import { bodySurface, oval, TORSO, type TorsoFrame } from "./_torso_frame.ts";

/** Draws ribs and breastbone, the spine with its discs, canal and processes, and the wings of the pelvis. */
export function planBones(frame: TorsoFrame): Structure[] {
  const { random, at, halfWidth, halfDepth, length } = frame;
  const spongy = random.float(90, 260); // thins with age
  const hard = spongy + random.float(180, 320);
  const bone = (shape: Shape, value: Structure["value"] = hard): Structure => ({ label: TORSO.bone, value, shape });
  const wing = (side: 1 | -1): Shape =>
    intersect(
      ellipsoid(at(0.55 * side, -0.1, -215), [0.42 * halfWidth, 0.75 * halfDepth, 58 * length]),
      unbounded((x, y) => Math.abs(oval(x, y, 0.84 * halfWidth, 0.8 * halfDepth)) - 7),
    );
  return [
    bone(ribs(frame)),
    bone(ellipsoid(at(0, 0.9, 75), [17, 5.5, 78 * length]), 0.6 * hard),
    ...planSpine(frame, spongy, hard),
    bone(wing(1)),
    bone(wing(-1)),
  ];
}

function ribs({ random, halfWidth, halfDepth, length }: TorsoFrame): Shape {
  const pitch = random.float(25, 31) * length;
  const slope = random.float(0.35, 0.6); // ribs fall towards the front
  const phase = random.float(0, pitch);
  return unbounded((x, y, z) => {
    const shell = Math.abs(oval(x, y, halfWidth - 8, halfDepth - 8)) - 4;
    const along = (z + slope * y + phase) / pitch;
    const row = Math.abs(along - Math.round(along)) * pitch - 5;
    const margin = (-72 + 0.55 * (y + halfDepth)) * length - z; // the costal arch: lower at the back
    return Math.max(shell, row, margin);
  });
}

function planSpine(frame: TorsoFrame, spongy: number, hard: number): Structure[] {
  const { random, halfDepth, length } = frame;
  const pitch = random.float(29, 35) * length;
  const phase = random.float(0, pitch);
  const behind = -0.58 * halfDepth;
  const curve = random.float(4, 14);
  const line = (z: number): number => behind + curve * Math.cos(z / (110 * length)); // lumbar forward, thoracic back
  const [radiusX, radiusY] = [random.float(17, 22), random.float(13, 17)];
  /** How far from the middle of its vertebra a height is, in millimetres. */
  const level = (z: number): number => {
    const at = (z + phase) / pitch;
    return Math.abs(at - Math.round(at)) * pitch;
  };
  const near = (distance: Shape["distance"]): Shape => upright([0, behind - 18], [40, 45], distance);
  const body = (inset: number): Shape =>
    near((x, y, z) =>
      Math.max(oval(x, y - line(z), radiusX - inset, radiusY - inset), level(z) - (0.4 * pitch - inset))
    );
  const arch = near((x, y, z) =>
    Math.max(Math.abs(Math.hypot(x, y - line(z) + radiusY + 9) - 11) - 3, level(z) - 0.32 * pitch)
  );
  const processes = intersect(
    near((x, y, z) => {
      const dy = y - line(z) + radiusY;
      const spinous = Math.max(Math.abs(x) - 3.5, Math.abs(dy + 26) - 11);
      const transverse = Math.max(Math.abs(x) - 34, Math.abs(dy + 8) - 4);
      return Math.max(Math.min(spinous, transverse), level(z) - 0.2 * pitch);
    }),
    bodySurface(frame, 3),
  );
  const column = near((x, y, z) => oval(x, y - line(z), radiusX, radiusY));
  const canal = near((x, y, z) => Math.hypot(x, y - line(z) + radiusY + 9) - 8);
  return [
    { label: TORSO.softTissue, value: 78, shape: column }, // discs, where no vertebra covers them
    { label: TORSO.bone, value: hard, shape: body(0) },
    { label: TORSO.bone, value: spongy, shape: body(3) },
    { label: TORSO.bone, value: 0.8 * hard, shape: processes },
    { label: TORSO.softTissue, value: 22, shape: canal },
    { label: TORSO.bone, value: 0.8 * hard, shape: arch },
  ];
}
