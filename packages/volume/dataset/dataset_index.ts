import type { Finding } from "../findings.ts";
import type { Modality } from "../volume.ts";

/** One of many scans in an archive. */
export interface DatasetItem {
  /** Name of the array that holds it. */
  readonly array: string;
  /** Its place along the array's first axis, from 0. */
  readonly index: number;
}

/** One scan of a data set. */
export interface DatasetCase {
  /** Name that no other case of the data set has. */
  readonly id: string;
  /** Whom the scan shows; scans of one subject never come on both sides of a split. */
  readonly subject: string;
  /** When the subject was scanned, where the data set tells sessions apart. */
  readonly session?: string;
  /** Path of the image, as long as the data set's own path is: relative if that is relative. */
  readonly imagePath: string;
  /** Path of the label map, where one is listed and present. Never opened here. */
  readonly labelPath?: string;
  /** Which item of the image's file the scan is, where that is an archive of many. */
  readonly item?: DatasetItem;
  /** All files of the scan, where it is a DICOM series. */
  readonly files?: readonly string[];
  /** Which volume of these files it is, as `readDicom` names it, where they hold several. */
  readonly series?: string;
  /** Classes of the scan as a whole, where the data set gives them. */
  readonly classLabels?: readonly number[];
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
  readonly kind: "flat" | "decathlon" | "nnunet" | "bids" | "medmnist" | "manifest";
  /** One line saying what was recognised. */
  readonly description: string;
  /** The scans whose files exist, in an order that depends on the files' names or the list alone. */
  readonly cases: readonly DatasetCase[];
  /** What the values of label maps mean, where the data set declares it. */
  readonly labelNames?: ReadonlyMap<number, string>;
  /** Paths of label maps that belong to no scan, where the layout tells. */
  readonly orphanLabels: readonly string[];
  /** Paths of scans or label maps that lie in the folder, but in no list of it. */
  readonly unlisted: readonly string[];
  /** What is wrong or worth knowing; the run goes on with the cases. */
  readonly findings: readonly Finding[];
}
