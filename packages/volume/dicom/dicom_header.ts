import { readDicomFile } from "./_open_dicom.ts";
import type { TagName } from "./_tags.ts";
import type { TransferSyntax } from "./transfer_syntax.ts";

/** A file's attributes up to its voxels, as {@linkcode readDicomHeader} read them. */
export interface DicomHeader {
  /** The file's path, or an empty string for bytes in memory. */
  readonly path: string;
  /** What its transfer syntax says. */
  readonly transferSyntax: TransferSyntax;
  /** Whether it holds voxels. */
  readonly hasVoxels: boolean;
  /** Tags of all attributes at the top level, group·65536 + element, in the file's order. */
  readonly tags: readonly number[];
  /** Texts of an attribute that the reader knows, by a keyword such as `"Modality"`; none when it is missing. */
  texts(keyword: DicomKeyword): string[];
  /** Numbers of such an attribute; none when it is missing or one of them is not a finite number. */
  numbers(keyword: DicomKeyword): number[];
  /** How often each attribute has a value, by tag, at any depth of sequences; values are not told. */
  countValues(): ReadonlyMap<number, number>;
}

/** Keywords of the attributes that the reader knows, words capitalised as in `SopInstanceUid`. */
export type DicomKeyword = TagName;

/**
 * Reads a DICOM file's header and none of its voxels.
 *
 * @param source Path, or the file's bytes.
 * @returns The header. It holds whatever the file says of a person: do not store it with what is derived from the voxels.
 * @throws CorruptVolumeError when it is not DICOM or damaged.
 * @throws Error when the file cannot be opened; `cause` is the system's error.
 */
export async function readDicomHeader(source: string | Uint8Array): Promise<DicomHeader> {
  const { path, syntax, dataset, pixels } = await readDicomFile(source);
  return {
    path,
    transferSyntax: syntax,
    hasVoxels: pixels !== undefined,
    tags: [...dataset.elements.keys()],
    texts: (keyword) => dataset.texts(keyword),
    numbers: (keyword) => dataset.numbers(keyword),
    countValues: () => dataset.countValues(),
  };
}
