import { preprocessScan, type SegmentationNetwork, segmentVolume, toProbabilities } from "@med3d/downstream";
import { deriveVolume, type Volume } from "@med3d/volume";
import type { ModelDescription } from "./model_description.ts";

/** Options of {@linkcode segmentScan}. */
export interface SegmentScanOptions {
  /** Whether windows are mirrored along the axes that training mirrored. Default false. */
  readonly mirror?: boolean;
  /** Whether probabilities are wanted too, which takes memory for every class. Default false. */
  readonly probabilities?: boolean;
  /** Least overlap of windows. Default 0.5. */
  readonly overlap?: number;
  /** Stops between windows. */
  readonly signal?: AbortSignal;
  /** Called after each batch of windows. */
  readonly onWindows?: (done: number, total: number) => void;
}

/** What of a description a segmentation needs. */
export type SegmentDescription = Pick<
  ModelDescription,
  "classes" | "regions" | "outChannels" | "patch" | "mirrorAxes" | "preprocessing"
>;

/** A scan's segmentation on its own grid. */
export interface SegmentedScan {
  /** Label values as the training data had them, uint8 or uint16. */
  readonly labels: Volume;
  /** Probability of each class or region by its name, float32; empty unless asked for. */
  readonly probabilities: ReadonlyMap<string, Volume>;
}

/**
 * Segments a scan in file order and brings the result back onto its own voxels. Where the scan was resampled, labels come back by the
 * largest share under linear interpolation; else every voxel keeps its label.
 *
 * @throws As `preprocessScan` of @med3d/downstream.
 */
export async function segmentScan(
  channels: readonly Volume[],
  { network, description }: {
    readonly network: Pick<SegmentationNetwork, "apply">;
    readonly description: SegmentDescription;
  },
  options: SegmentScanOptions = {},
): Promise<SegmentedScan> {
  const { mirror = false, probabilities = false, overlap = 0.5, signal, onWindows } = options;
  const { classes, regions, outChannels, patch, mirrorAxes } = description;
  const prepared = preprocessScan(channels, description.preprocessing);
  const grid = prepared.channels[0]!;
  const kept = probabilities ? Array.from({ length: outChannels }, () => new Float32Array(grid.data.length)) : [];
  const values = regions ? undefined : classes.map(({ value }) => value);
  const labels = await segmentVolume(prepared.channels, (batch) => network.apply(batch), {
    patchSize: patch,
    outChannels,
    overlap,
    mirrorAxes: mirror ? mirrorAxes : [],
    ...(regions && { regionLabels: regions.map(({ label }) => label) }),
    ...(signal && { signal }),
    ...(onWindows && { onWindows }),
    ...(probabilities && {
      onBlock: ({ start, shape, logits }) => {
        const shares = toProbabilities(logits, outChannels, regions ? "regions" : "classes");
        let from = 0;
        for (let z = 0; z < shape[0]; z++) {
          for (let y = 0; y < shape[1]; y++) {
            let to = ((start[0] + z) * grid.shape[1] + start[1] + y) * grid.shape[2] + start[2];
            for (let x = 0; x < shape[2]; x++, to++) for (const map of kept) map[to] = shares[from++]!;
          }
        }
      },
    }),
  });
  const named = values && values.some((value, channel) => value !== channel) ? renumbered(labels, values) : labels;
  const resampled = prepared.chain.steps.some(({ kind }) => kind === "resample");
  const names = regions ? regions.map(({ name }) => name) : classes.map(({ name }) => name);
  return {
    labels: prepared.chain.invert(named, { interpolation: resampled ? "one-hot" : "nearest" }),
    probabilities: new Map(kept.map((map, channel) => [
      names[channel]!,
      prepared.chain.invert(map, { kind: "image", fill: !regions && channel === 0 ? 1 : 0 }),
    ])),
  };
}

function renumbered(labels: Volume, values: readonly number[]): Volume {
  const data = Math.max(...values) > 255 ? new Uint16Array(labels.data.length) : new Uint8Array(labels.data.length);
  for (let i = 0; i < data.length; i++) data[i] = values[labels.data[i]!]!;
  return deriveVolume(labels, { data }, "channels as label values");
}
