import { createHash } from "node:crypto";
import { z } from "zod";

const FORMAT = "med3d-embedded-encoder";
const VERSION = 1;

/** What an embedded encoder is made of; arrays are float32, matrices row by row. */
export interface EncoderState {
  /** Length of every vector. */
  readonly width: number;
  /** Pairs that it was fitted on. */
  readonly pairs: number;
  /** Canonical correlations of the axes in use. */
  readonly correlations: Float32Array;
  /** Terms, ascending. */
  readonly vocabulary: readonly string[];
  /** Inverse document frequency of each term. */
  readonly idf: Float32Array;
  /** `[terms, axes]`. */
  readonly textProjection: Float32Array;
  /** Added after projecting a text. */
  readonly textOffset: Float32Array;
  /** `[descriptor width, axes]`. */
  readonly imageProjection: Float32Array;
  /** Added after projecting a slice's descriptor. */
  readonly imageOffset: Float32Array;
  /** What a user should know about the fit, in sentences. */
  readonly notices: readonly string[];
}

const floats = z.base64().transform((text, context): Float32Array => {
  const bytes = Uint8Array.fromBase64(text);
  if (bytes.length % 4 !== 0) {
    context.addIssue({ code: "custom", message: "holds no whole number of float32" });
    return z.NEVER;
  }
  const view = new DataView(bytes.buffer);
  const values = Float32Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(4 * index, true));
  if (!values.every(Number.isFinite)) {
    context.addIssue({ code: "custom", message: "holds a number that is not finite" });
  }
  return values;
});

const schema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  content: z.strictObject({
    width: z.int().min(2).max(65_536),
    pairs: z.int().positive(),
    correlations: floats,
    vocabulary: z.array(z.string().min(1)),
    idf: floats,
    textProjection: floats,
    textOffset: floats,
    imageProjection: floats,
    imageOffset: floats,
    notices: z.array(z.string()),
  }),
});

/** The form in which an encoder is saved: plain JSON. */
export interface StoredEncoder {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** SHA-256 of `JSON.stringify(content)`. */
  readonly sha256: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** Packs a state: float32 as base64, little-endian. Equal states give equal JSON. */
export function packEncoder(state: EncoderState): StoredEncoder {
  const pack = (values: Float32Array): string => {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    values.forEach((value, index) => view.setFloat32(4 * index, value, true));
    return new Uint8Array(view.buffer).toBase64();
  };
  const content = {
    width: state.width,
    pairs: state.pairs,
    correlations: pack(state.correlations),
    vocabulary: state.vocabulary,
    idf: pack(state.idf),
    textProjection: pack(state.textProjection),
    textOffset: pack(state.textOffset),
    imageProjection: pack(state.imageProjection),
    imageOffset: pack(state.imageOffset),
    notices: state.notices,
  };
  return { format: FORMAT, version: VERSION, sha256: hashOf(content), content };
}

/** Unpacks and checks what {@linkcode packEncoder} made. @throws SyntaxError saying what is wrong. */
export function unpackEncoder(stored: unknown, descriptorWidth: number): EncoderState {
  const refuse = (problem: string): never => {
    throw new SyntaxError(
      `Cannot load embedded encoder: ${problem}. Fit it again from the training slices and captions.`,
    );
  };
  const { success, data, error } = schema.safeParse(stored);
  if (!success) return refuse(`it is malformed: got ${z.prettifyError(error)}, expected what toJSON gives`);
  const hash = hashOf((stored as StoredEncoder).content);
  if (hash !== data.sha256) return refuse(`its checksum is wrong: got ${hash}, expected ${data.sha256}`);
  const { content } = data;
  const axes = content.correlations.length;
  const lengths = {
    correlations: [axes, Math.min(axes, content.width - 1)],
    idf: [content.idf.length, content.vocabulary.length],
    textProjection: [content.textProjection.length, content.vocabulary.length * axes],
    textOffset: [content.textOffset.length, axes],
    imageProjection: [content.imageProjection.length, descriptorWidth * axes],
    imageOffset: [content.imageOffset.length, axes],
  };
  for (const [name, [got, expected]] of Object.entries(lengths)) {
    if (got !== expected) return refuse(`${name} has the wrong length: got ${got}, expected ${expected}`);
  }
  return content;
}

function hashOf(content: unknown): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}
