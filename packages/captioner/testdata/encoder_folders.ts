import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { SliceImage } from "@med3d/volume";

/** Miniature encoders with random weights that `tools/oracles/frozen_encoders.py` made. */
export const TINY_ENCODERS = ["clip", "siglip", "biomedclip"] as const;

const ROOT = join(import.meta.dirname!, "frozen_encoders");

/** What the oracle found for a miniature encoder. */
export interface ExpectedOfEncoder {
  readonly window: { readonly center: number; readonly width: number } | null;
  readonly slices: readonly Omit<SliceImage, "pixels">[];
  /** SHA-256 of the 8-bit pictures by Pillow. */
  readonly pictures: readonly string[];
  readonly sliceVectors: readonly number[][];
  readonly texts: readonly string[];
  readonly textVectors: readonly number[][];
  /** Token numbers of each of the strings. */
  readonly tokens: readonly number[][];
  /** The same by SentencePiece itself, where the model was trained with that. */
  readonly slowTokens?: readonly number[][];
}

/** Reads a JSON file of the oracle. */
export async function readOracle(name: string): Promise<unknown> {
  return JSON.parse(await readFile(join(ROOT, name), "utf8"));
}

/** Reads what the oracle found for an encoder. */
export async function expectedOf(name: typeof TINY_ENCODERS[number]): Promise<ExpectedOfEncoder> {
  return await readOracle(`${name}/expected.json`) as ExpectedOfEncoder;
}

/** Gives a test a copy of an encoder's folder, compressed files unpacked, and removes it afterwards. */
export async function withEncoderFolder(
  name: typeof TINY_ENCODERS[number],
  test: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "med3d-encoder-"));
  try {
    await cp(join(ROOT, name), folder, { recursive: true });
    const packed = await readFile(join(folder, "tokenizer.json.gz")).catch(() => undefined);
    if (packed) await writeFile(join(folder, "tokenizer.json"), gunzipSync(packed));
    await test(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The made-up slices that the oracle encoded. */
export function oracleSlices(expected: ExpectedOfEncoder): SliceImage[] {
  return expected.slices.map((geometry, seed) => {
    const { width, height } = geometry;
    const pixels = Float32Array.from({ length: width * height }, (_, index) => {
      const [row, column] = [Math.floor(index / width), index % width];
      const fine = (row * row * 3 + column * column * 5 + row * column * 7 + seed * 13) % 977;
      return fine + (row * 40 + column * 30) % 1500 - 1000;
    });
    return { ...geometry, pixels };
  });
}
