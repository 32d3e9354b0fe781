import { type CodestreamSize, jpeg2000Size, jpegSize } from "./_codestream.ts";
import { dicomFault } from "./_fault.ts";
import type { PixelFormat } from "./_frame_source.ts";
import type { DicomCompression } from "./transfer_syntax.ts";

/** The part of `dcmjs-codecs` that is used. */
interface CodecLibrary {
  readonly NativeCodecs: NativeCodecs;
  readonly log: CodecLog;
  readonly Context: new (attributes: Record<string, unknown>) => CodecContext;
}
interface NativeCodecs {
  initializeAsync(): Promise<void>;
  isInitialized(): boolean;
  release(): void;
  decodeJpeg(context: CodecContext): CodecContext;
  decodeJpegLs(context: CodecContext): CodecContext;
  decodeJpeg2000(context: CodecContext): CodecContext;
  decodeHtJpeg2000(context: CodecContext): CodecContext;
}
interface CodecLog {
  setLevel(level: string): void;
}
interface CodecContext {
  getDecodedBuffer(): Uint8Array | undefined;
}

/** Compressions that the library unpacks. */
export type JpegCompression = Exclude<DicomCompression, "none" | "rle" | "unsupported">;

const DECODERS: Readonly<Record<JpegCompression, keyof NativeCodecs & `decode${string}`>> = {
  "jpeg": "decodeJpeg",
  "jpeg-ls": "decodeJpegLs",
  "jpeg-2000": "decodeJpeg2000",
  "high-throughput-jpeg-2000": "decodeHtJpeg2000",
};

/** What a frame of more bytes unpacks to must not be more than {@linkcode FRAME_PACKING_LIMIT} times its packed bytes. */
const TRUSTED_FRAME_BYTES = 1 << 24;
const FRAME_PACKING_LIMIT = 1000;

let library: Promise<CodecLibrary> | undefined;

/** Loads the codecs (WebAssembly, from npm's cache) when the first packed frame is met. */
export async function loadCodecs(path: string): Promise<void> {
  library ??= import("dcmjs-codecs").then((module) => (module.default ?? module) as unknown as CodecLibrary);
  try {
    const { NativeCodecs, log } = await library;
    log.setLevel("silent"); // what it would print is in the error that it throws
    if (!NativeCodecs.isInitialized()) await NativeCodecs.initializeAsync();
  } catch (cause) {
    library = undefined;
    const problem = "its voxels are packed by a JPEG and the codecs (npm: dcmjs-codecs) cannot be loaded";
    throw dicomFault("unsupported-syntax", path, problem, "Install dcmjs-codecs, or transcode the file.", cause);
  }
}

/** Whether a frame of the JPEG family has its end mark, which all of them share, before any padding. */
export function isFinished(frame: Uint8Array): boolean {
  let end = frame.length;
  while (end > 0 && frame[end - 1] === 0) end--;
  const window = frame.subarray(Math.max(0, end - 4));
  return window.some((byte, i) => byte === 0xff && window[i + 1] === 0xd9);
}

/** Unpacks a frame of the JPEG family into little-endian voxels; what its codestream claims is checked before. */
export async function decodeJpegFamily(
  frame: Uint8Array,
  compression: JpegCompression,
  options: { readonly format: PixelFormat; readonly path: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const { format, path } = options;
  const isJpeg2000 = compression.endsWith("2000");
  const size = isJpeg2000 ? jpeg2000Size(frame, path) : jpegSize(frame, path);
  checkSize(size, format, path);
  checkPacking(frame.length, format, path);
  // Without its end mark the JPEG-LS codec reads on for seconds past the end of what is there.
  if (compression === "jpeg-ls" && !isFinished(frame)) {
    throw dicomFault("corrupt-pixels", path, "a packed frame of JPEG-LS has no end mark");
  }
  await loadCodecs(path);
  const { NativeCodecs, Context } = await library!;
  // Voxels of 8 bits may be packed though the header allots them 16.
  const bits = size.precision <= 8 ? 8 : size.precision <= 16 ? 16 : 32;
  const context = new Context({
    width: format.columns,
    height: format.rows,
    bitsAllocated: bits,
    bitsStored: Math.min(bits, format.bitsStored),
    samplesPerPixel: 1,
    pixelRepresentation: format.signed ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: "MONOCHROME2",
    encodedBuffer: frame,
  });
  let decoded: Uint8Array | undefined;
  try {
    decoded = NativeCodecs[DECODERS[compression]](context).getDecodedBuffer();
  } catch (cause) {
    NativeCodecs.release(); // its memory is not to be trusted after a fault
    const problem = `a packed frame is damaged (${cause instanceof Error ? cause.message : cause})`;
    throw dicomFault("corrupt-pixels", path, problem, undefined, cause);
  }
  const expected = format.rows * format.columns * bits / 8;
  if (decoded?.length !== expected) {
    throw dicomFault("corrupt-pixels", path, `a packed frame holds ${decoded?.length} bytes, expected ${expected}`);
  }
  return bits === format.bitsAllocated ? decoded.slice() : widened(decoded, bits, format);
}

/** Brings little-endian voxels to the width that the header allots. */
function widened(bytes: Uint8Array, bits: number, format: PixelFormat): Uint8Array<ArrayBuffer> {
  const [from, to] = [bits / 8, format.bitsAllocated / 8];
  const result = new Uint8Array(bytes.length / from * to);
  for (let i = 0; i < bytes.length / from; i++) {
    result.set(bytes.subarray(i * from, (i + 1) * from), i * to);
    const isNegative = format.signed && bytes[(i + 1) * from - 1]! >= 128;
    if (isNegative) result.fill(0xff, i * to + from, (i + 1) * to);
  }
  return result;
}

/** Refuses a large image out of next to nothing: a codec needs many times its bytes to unpack it. */
function checkPacking(packed: number, { rows, columns, bitsAllocated }: PixelFormat, path: string): void {
  const bytes = rows * columns * bitsAllocated / 8;
  if (bytes <= TRUSTED_FRAME_BYTES || bytes <= FRAME_PACKING_LIMIT * packed) return;
  const problem = `a packed frame promises ${bytes} bytes of voxels out of ${packed}, more than a scan can be packed`;
  throw dicomFault("too-large", path, problem, "Check where the file comes from.");
}

function checkSize(size: CodestreamSize, format: PixelFormat, path: string): void {
  const { rows, columns, components, precision } = size;
  if (rows === format.rows && columns === format.columns && components === 1 && precision <= format.bitsAllocated) {
    return;
  }
  const problem = `a packed frame holds ${rows} × ${columns} voxels of ${components} × ${precision} bits, expected ` +
    `${format.rows} × ${format.columns} of ${format.bitsAllocated} bits at most`;
  throw dicomFault("corrupt-pixels", path, problem);
}
