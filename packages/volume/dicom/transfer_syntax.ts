/** How voxels are packed under a transfer syntax. */
export type DicomCompression =
  | "none"
  | "rle"
  | "jpeg"
  | "jpeg-ls"
  | "jpeg-2000"
  | "high-throughput-jpeg-2000"
  | "unsupported";

/** What a transfer syntax says about a file (PS3.5, 10 and annex A). */
export interface TransferSyntax {
  /** Its UID; empty where the file has none. */
  readonly uid: string;
  /** Its name, for people. */
  readonly name: string;
  /** Whether elements name their VR. */
  readonly explicit: boolean;
  /** Whether numbers are little-endian. */
  readonly littleEndian: boolean;
  /** Whether all but the meta information is deflated. */
  readonly deflated: boolean;
  /** How voxels are packed. */
  readonly compression: DicomCompression;
}

const JPEG = "1.2.840.10008.1.2.4.";
const COMPRESSED: Readonly<Record<string, readonly [string, DicomCompression]>> = {
  "1.2.840.10008.1.2.1.98": ["encapsulated uncompressed", "none"],
  "1.2.840.10008.1.2.5": ["RLE", "rle"],
  [`${JPEG}50`]: ["JPEG baseline", "jpeg"],
  [`${JPEG}51`]: ["JPEG extended", "jpeg"],
  [`${JPEG}57`]: ["JPEG lossless", "jpeg"],
  [`${JPEG}70`]: ["JPEG lossless, first-order prediction", "jpeg"],
  [`${JPEG}80`]: ["JPEG-LS lossless", "jpeg-ls"],
  [`${JPEG}81`]: ["JPEG-LS near-lossless", "jpeg-ls"],
  [`${JPEG}90`]: ["JPEG 2000 lossless", "jpeg-2000"],
  [`${JPEG}91`]: ["JPEG 2000", "jpeg-2000"],
  [`${JPEG}201`]: ["HTJ2K lossless", "high-throughput-jpeg-2000"],
  [`${JPEG}202`]: ["HTJ2K lossless RPCL", "high-throughput-jpeg-2000"],
  [`${JPEG}203`]: ["HTJ2K", "high-throughput-jpeg-2000"],
};

/** Tells what a transfer syntax means; one that is not known is taken as the standard asks: explicit, little-endian. */
export function transferSyntaxOf(uid: string): TransferSyntax {
  const plain = { uid, explicit: true, littleEndian: true, deflated: false, compression: "none" } as const;
  switch (uid) {
    case "":
      return { ...plain, name: "no transfer syntax" };
    case "1.2.840.10008.1.2":
      return { ...plain, name: "implicit VR little endian", explicit: false };
    case "1.2.840.10008.1.2.1":
      return { ...plain, name: "explicit VR little endian" };
    case "1.2.840.10008.1.2.1.99":
      return { ...plain, name: "deflated explicit VR little endian", deflated: true };
    case "1.2.840.10008.1.2.2":
      return { ...plain, name: "explicit VR big endian", littleEndian: false };
  }
  const [name, compression] = COMPRESSED[uid] ?? [`transfer syntax ${uid}`, "unsupported"];
  return { ...plain, name, compression };
}
