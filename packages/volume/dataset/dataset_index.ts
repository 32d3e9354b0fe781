import type { Finding } from "../findings.ts";
import type { Modality } from "../volume.ts";

/** One scan of a data set. */
export interface DatasetCase {
  /** Name that no other case of the data set has. */
  readonly id: string;
  /** Whom the scan shows; scans of one subject never come on both sides of a split. */
  readonly subject: string;
  /** Path of the image, as long as the data set's own path is: relative if that is relative. */
  readonly imagePath: string;
  /** Path of the label map, where one is listed and present. Never opened here. */
  readonly labelPath?: string;
  /** What made the scan, as far as the data set says. */
  readonly modality: Modality;
  /** The side that the data set itself puts the scan on, where it has a split of its own. */
  readonly split?: "train" | "validation";
  /** SHA-256 of the unpacked file in hexadecimal, where it was asked for and could be read. */
  readonly contentHash?: string;
}

/** What a folder holds. */
export interface DatasetIndex {
  /** How the folder was recognised. */
  readonly kind: "flat" | "decathlon" | "nnunet";
  /** One line saying what was recognised. */
  readonly description: string;
  /** The scans whose files exist, in an order that depends on the files' names or the list alone. */
  readonly cases: readonly DatasetCase[];
  /** What is wrong or worth knowing; the run goes on with the cases. */
  readonly findings: readonly Finding[];
}
