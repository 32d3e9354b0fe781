/**
 * The caption store cannot be opened, read or written: damaged, locked, or on a full disk. A class of its own, since it is no fault of the slice
 * or scan at hand: whoever passes over bad scans must stop here.
 */
export class CaptionStoreError extends Error {
  /** Always `"CaptionStoreError"`. */
  override readonly name = "CaptionStoreError";
}
