import type { Finding } from "../findings.ts";
import { dicomFault } from "./_fault.ts";
import type { DicomSeries, SeriesGroup } from "./list_dicom_series.ts";

/** Finds the volume that is meant, or refuses with the list of those that are there. */
export function chooseSeries(
  groups: readonly SeriesGroup[],
  options: { readonly series: string | undefined; readonly path: string; readonly report: (finding: Finding) => void },
): SeriesGroup {
  const { series, path, report } = options;
  if (groups.length === 0) {
    throw dicomFault("no-series", path, "it holds no grey images", "Give a folder of DICOM images.");
  }
  if (series !== undefined) {
    const wanted = groups.filter(({ series: { id, seriesInstanceUid } }) =>
      id === series || seriesInstanceUid === series
    );
    if (wanted.length === 1) return wanted[0]!;
    const what = wanted.length === 0 ? "it holds no series" : `it holds ${wanted.length} volumes of series`;
    throw dicomFault("mixed-series", path, `${what} ${series}, but ${listed(groups)}`, "Choose one by its id.");
  }
  const scans = groups.filter((group) => !group.series.localiser);
  const candidates = scans.length > 0 ? scans : groups;
  if (candidates.length > 1) {
    const fix = "Choose one with the option `series`.";
    throw dicomFault("mixed-series", path, `it holds ${candidates.length} volumes: ${listed(candidates)}`, fix);
  }
  const leftOut = groups.length - candidates.length;
  if (leftOut > 0) {
    const message = `${leftOut} localisers (overviews for planning) were left out`;
    report({ severity: "info", code: "localisers-left-out", path, message, fix: "Name one by `series` to read it." });
  }
  return candidates[0]!;
}

function listed(groups: readonly SeriesGroup[]): string {
  const lines = groups.slice(0, 20).map(({ series }) => describe(series));
  if (groups.length > 20) lines.push(`${groups.length - 20} more`);
  return lines.join("; ");
}

function describe({ id, seriesNumber, modality, shape, distinction }: DicomSeries): string {
  const number = seriesNumber === undefined ? "" : `number ${seriesNumber}, `;
  const apart = distinction === "" ? "" : `, ${distinction}`;
  return `"${id}" (${number}${modality || "unknown modality"}, ${shape.join("×")}${apart})`;
}
