import type { Finding } from "@med3d/volume";

/** Writes a finding as one line: `warning [non-finite] scan.nii: 3 of 100 voxels are NaN. Repair the scan.` */
export function formatFinding({ severity, code, path, message, fix }: Finding): string {
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`;
  return `${severity} [${code}]${path === "" ? "" : ` ${path}`}: ${sentence} ${fix}`;
}
