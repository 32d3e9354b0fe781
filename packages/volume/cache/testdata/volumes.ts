import { createVolume, type Volume } from "../../volume.ts";

/** Number of volumes that the tests' processes ask for. */
export const KEYS = 12;

/** The volume of a number: always the same, 32 KiB and more. */
export function volumeOf(number: number): Volume {
  const depth = 8 + number;
  const data = Int16Array.from({ length: depth * 1024 }, (_, i) => (i * (number + 3)) % 32749);
  return createVolume(data, [depth, 32, 32], { modality: "MR", history: [`made number ${number}`] });
}
