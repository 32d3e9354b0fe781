import type { DatasetCase, DatasetIndex } from "../dataset/dataset_index.ts";
import { indexDataset, type IndexDatasetOptions } from "../dataset/index_dataset.ts";
import type { Finding } from "../findings.ts";
import type { Volume } from "../volume.ts";
import { checkWhole } from "./_whole_findings.ts";
import { withoutFrame } from "./_without_frame.ts";
import type { CaseInspection, DatasetInspection, LabelSummary } from "./dataset_inspection.ts";
import { inspectCase, type LookedAtCase } from "./inspect_case.ts";

/** Options of {@linkcode inspectDataset}. */
export interface InspectDatasetOptions extends Omit<IndexDatasetOptions, "hashContents"> {
  /** Smallest useful `[depth, height, width]` in voxels, such as a network's patch. Default: no limit. */
  readonly minimumShape?: readonly [number, number, number];
  /** Called after each case. Default: nothing. */
  readonly onCase?: (inspection: CaseInspection, done: number, total: number) => void;
  /** Called with each image that could be read, while it is in memory; not to be kept. Default: nothing. */
  readonly onVolume?: (entry: DatasetCase, volume: Volume) => void;
  /** Stops between cases. */
  readonly signal?: AbortSignal;
}

/**
 * Reads every scan and label map of a data set, one at a time, and says what it holds and what is wrong with it.
 *
 * Beside the findings of {@linkcode indexDataset} and of the readers there are, on single cases: `unreadable`, `constant`, `non-finite`,
 * `too-small`, `suspicious-spacing`, `label-not-integer`, `empty-label`, `undeclared-label`, `negative-label`, `grid-mismatch`,
 * `label-covers-part`, `grid-differs-slightly`, `image-looks-like-labels`, `identifying-header`, `identifying-sidecar`,
 * `burned-in-annotation`; and on the whole: `missing-label`, `orphan-label`,
 * `orphan-image`, `duplicate`, `duplicate-across-split`, `subject-on-both-sides`, `mixed-orientations`, `mixed-voxel-types`,
 * `mixed-spacing`, `anisotropic-voxels`, `mixed-sizes`, `size-outlier`, `suspicious-spacing`, `intensity-scales-differ`, `no-world-position`, `unseen-label`. No value of a
 * header that can name a patient is given out, only names and counts of fields. At most one volume is in memory.
 *
 * @param path The folder, or the list in it.
 * @param options As for {@linkcode indexDataset}, and what to call on the way.
 * @returns Every case with its numbers, and the findings.
 * @throws As {@linkcode indexDataset}; and the signal's reason when it fires.
 */
export async function inspectDataset(path: string, options: InspectDatasetOptions = {}): Promise<DatasetInspection> {
  const { minimumShape, onCase = () => {}, onVolume, signal, ...indexing } = options;
  const index = await indexDataset(path, indexing);
  const looked: LookedAtCase[] = [];
  for (const entry of index.cases) {
    signal?.throwIfAborted();
    const one = await inspectCase(entry, { declared: index.labelNames, minimumShape, onVolume });
    looked.push(one);
    onCase(one.inspection, looked.length, index.cases.length);
  }
  return {
    kind: index.kind,
    description: index.description,
    cases: looked.map(({ inspection }) => inspection),
    labels: summariseLabels(index, looked),
    findings: [
      ...index.findings.filter(({ code }) => code !== "not-listed").map(asSeenByADoctor),
      ...looked.flatMap(({ findings }) => findings),
      ...checkWhole(path, index, looked),
    ],
  };
}

function summariseLabels({ labelNames }: DatasetIndex, looked: readonly LookedAtCase[]): LabelSummary[] {
  const sums = new Map<number, { cases: number; voxels: number }>();
  for (const value of labelNames?.keys() ?? []) sums.set(value, { cases: 0, voxels: 0 });
  for (const { value, voxels } of looked.flatMap(({ inspection }) => inspection.label?.values ?? [])) {
    const sum = sums.get(value) ?? { cases: 0, voxels: 0 };
    sums.set(value, { cases: sum.cases + 1, voxels: sum.voxels + voxels });
  }
  return [...sums].sort(([a], [b]) => a - b).map(([value, sum]) => {
    const name = labelNames?.get(value);
    return { value, ...(name !== undefined && { name }), ...sum };
  });
}

/** A label map that a list promises is missed here, if not by pretraining. */
function asSeenByADoctor(finding: Finding): Finding {
  if (finding.code !== "missing-label") return withoutFrame(finding);
  return { ...finding, severity: "error", fix: "Copy it there, or take it off the list." };
}
