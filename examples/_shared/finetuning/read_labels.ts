import { deriveVolume, type Finding, readNiftiHeader, readVolume, type Volume } from "@med3d/volume";

/**
 * Reads a label map as small integers. One that was stored with a slope by mistake, so that its values are no integers, is taken as stored,
 * with a finding.
 *
 * @throws Error when the values are no class numbers.
 */
export async function readLabels(path: string, report: (finding: Finding) => void): Promise<Volume> {
  const read = await readVolume(path, { onFinding: report });
  if (areClasses(read.data)) return asSmallIntegers(read);
  if (/\.(nii|nii\.gz|hdr|img)$/i.test(path)) {
    const { slope, intercept } = await readNiftiHeader(path);
    const stored = Float64Array.from(read.data, (value) => (value - intercept) / slope);
    if (slope !== 0 && slope !== 1 && areClasses(stored.map(Math.round)) && stored.every(isNearInteger)) {
      report({
        severity: "warning",
        code: "label-slope",
        path,
        message: `its header scales labels by ${slope}; the stored integers were taken`,
        fix: "Set the header's slope to 1.",
      });
      return asSmallIntegers(
        deriveVolume(read, { data: stored.map(Math.round) }, `took the stored integers, not scaled by ${slope}`),
      );
    }
  }
  throw new Error(
    `Cannot read labels ${path}: values are no class numbers of 0…65535. Give the label map, not the image.`,
  );
}

function isNearInteger(value: number): boolean {
  return Math.abs(value - Math.round(value)) < 1e-3;
}

function areClasses(data: Volume["data"]): boolean {
  for (const value of data) if (!(value >= 0 && value <= 65535 && Number.isInteger(value))) return false;
  return true;
}

function asSmallIntegers(labels: Volume): Volume {
  if (labels.data instanceof Uint8Array || labels.data instanceof Uint16Array) return labels;
  let highest = 0;
  for (const value of labels.data) highest = Math.max(highest, value);
  return deriveVolume(
    labels,
    { data: highest > 255 ? Uint16Array.from(labels.data) : Uint8Array.from(labels.data) },
    "labels as integers",
  );
}
