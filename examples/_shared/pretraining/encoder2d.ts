import { type EmbeddingStore, type FrozenEncoder, hashText, OnnxEncoder, storedEncoder } from "@med3d/captioner";
import { type PretrainingConfiguration, UsageError } from "./configuration.ts";
import type { PreparedSlice } from "./prepare.ts";

/** A frozen 2D encoder of the user's and where its vectors are kept. */
export interface KeptEncoder {
  readonly encoder: FrozenEncoder;
  readonly store: EmbeddingStore;
}

/** Where the vectors of a scan's slices and captions come from. */
export interface Vectors {
  /** Unit vector of the slice at an index. */
  imageOf(index: number): Float32Array;
  /** Unit vector of a caption. */
  textOf(caption: string): Float32Array;
}

/** Slices of a scan and their captions, as they are embedded. */
interface CaptionedScan {
  readonly slices: readonly PreparedSlice[];
  readonly captions: readonly (readonly string[])[];
}

/**
 * Loads the encoder that a configuration names, where it names one. The caller disposes of it.
 *
 * @throws UsageError when the folder is unsound or lacks one of the two models.
 */
export async function loadEncoder2d(
  { encoder2d, encoder2dWindow }: Pick<PretrainingConfiguration, "encoder2d" | "encoder2dWindow">,
): Promise<OnnxEncoder | undefined> {
  if (encoder2d === null) return undefined;
  const [center, width] = encoder2dWindow ?? [];
  const window = center !== undefined && width !== undefined ? { window: { center, width } } : {};
  const encoder = await OnnxEncoder.load(encoder2d, window).catch((error: Error) => {
    throw new UsageError(error.message, { cause: error });
  });
  if (encoder.encodesSlices && encoder.encodesTexts) return encoder;
  await encoder[Symbol.asyncDispose]();
  throw new UsageError(
    `Cannot pretrain with ${encoder2d}: it lacks a model: got ${
      encoder.encodesTexts ? "texts alone" : "slices alone"
    }, expected slices and texts in one space. Export both models.`,
  );
}

/** Embeds a scan in memory. */
export async function embedInMemory({ slices, captions }: CaptionedScan, encoder: FrozenEncoder): Promise<Vectors> {
  const images = await encoder.encodeSlices(slices.map(({ image }) => image));
  const texts = captions.flat();
  const vectors = await encoder.encodeTexts(texts);
  const vectorOf = new Map(texts.map((text, index) => [text, vectors[index]!]));
  return { imageOf: (index) => images[index]!, textOf: (caption) => vectorOf.get(caption)! };
}

/** Embeds what a store lacks of a scan; each vector is read from there whenever it is asked for, none is held. */
export async function embedInStore(
  { slices, captions }: CaptionedScan,
  { encoder, store }: KeptEncoder,
): Promise<Vectors> {
  const kept = storedEncoder(encoder, store);
  await kept.encodeSlices(slices.map(({ image }) => image));
  await kept.encodeTexts(captions.flat());
  const hashes = slices.map(({ hash }) => hash);
  const read = (hash: string): Float32Array => store.get(hash, encoder.id)!;
  return { imageOf: (index) => read(hashes[index]!), textOf: (caption) => read(hashText(caption)) };
}
