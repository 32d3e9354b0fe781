import type { RegisteredDescription } from "@med3d/encoder3d";

const HEADER = ["encoder", "patch", "parameters (M)", "multiply-adds (G)", "activations (MiB)", "channels", "strides"];

/** Renders encoders as a table for a terminal, the finest level first. */
export function encoderTable(encoders: readonly RegisteredDescription[]): string {
  const rows = encoders.map(({ name, patch, parameters, multiplyAdds, activationBytes, levels }) => [
    name,
    shape(patch),
    (parameters / 1e6).toFixed(2),
    (multiplyAdds / 1e9).toFixed(2),
    (activationBytes / 2 ** 20).toFixed(1),
    levels.map(({ channels }) => channels).join(" "),
    levels.map(({ stride }) => shape(stride)).join(" "),
  ]);
  const widths = HEADER.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const isNumber = (column: number): boolean => column >= 2 && column <= 4;
  return [HEADER, ...rows].map((row) =>
    row.map((cell, column) => isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))
      .join("  ").trimEnd()
  ).join("\n");
}

/** One number for a cube, else `depth×height×width`. */
function shape(size: readonly number[]): string {
  return size.every((n) => n === size[0]) ? `${size[0]}` : size.join("×");
}
