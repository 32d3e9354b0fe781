import { createHash } from "node:crypto";
import { hashSliceInContext } from "../hash_slice_in_context.ts";
import type { SliceToCaption } from "../caption_slices.ts";
import type { Captioner } from "../contract.ts";

/** A scan of which slices are to be captioned. Read when its turn comes, and not kept. */
export interface ScanToCaption {
  /** Names the scan in findings; goes into no store and to no captioner. */
  readonly id: string;
  /**
   * What the scan is known by: a hash of its content, 64 lower-case hexadecimal digits. With it a scan that is done is not read again.
   * Default, and where it resolves to nothing: the scan is read each time, and origins are not recorded.
   */
  readonly identify?: () => Promise<string | undefined>;
  /** All that the choice of slices depends on beside the content: how many, of which planes, the seed. Default "". */
  readonly choice?: string;
  /** Describes this scan's slices in place of the run's captioner, whose id it has: what knows one scan alone, such as its report. */
  readonly captioner?: Captioner;
  /** Reads the scan and cuts the slices that are to be captioned. */
  readonly slices: () => Promise<readonly SliceToCaption[]>;
}

/** The key under which a store keeps which slices were chosen of a scan. */
export function selectionKey(volume: string, choice: string): string {
  return createHash("sha256").update(JSON.stringify([volume, choice])).digest("hex");
}

/** Reads a scan's slices and gives each the key under which its caption is stored; equal ones come once. */
export async function keyed(scan: ScanToCaption): Promise<Map<string, SliceToCaption>> {
  const slices = await scan.slices();
  return new Map(slices.map((slice) => [hashSliceInContext(slice.image, slice.context, slice.hash), slice]));
}
