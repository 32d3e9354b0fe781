import { EmbeddedEncoder, type FrozenEncoder } from "@med3d/captioner";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { UsageError } from "../pretraining/configuration.ts";

/** Sentences of each class, by its name, in order. */
export type Prompts = ReadonlyMap<string, readonly string[]>;

/** A class and where its sentences lie among the captions. */
export interface EmbeddedPrompts {
  /** Names of the classes. */
  readonly classes: readonly string[];
  /** Unit vector of each. */
  readonly vectors: readonly Float32Array[];
  /** What the encoder can't tell, in sentences. */
  readonly notices: readonly string[];
}

/** What the phantoms show, in the words of the measuring captioner. */
export const PHANTOM_PROMPTS: Prompts = new Map([
  ["CT torso", [
    "CT in axial orientation. By intensity the body is fat, soft tissue, lung and contrast range. Intensities in HU.",
    "Coronal CT slice. The largest connected areas are a soft tissue area and an aerated lung area, median in HU.",
  ]],
  ["MR head", [
    "MR in axial orientation. Composition: low signal, intermediate signal and high signal. Tissue contrast.",
    "Coronal MR slice. The largest connected areas are a low signal area and a high signal area. Tissue contrast.",
  ]],
]);

const text = z.string().trim().min(1);
const promptsSchema = z.record(z.string().min(1), z.union([text, z.array(text).min(1)]))
  .refine((classes) => Object.keys(classes).length > 1, "expected at least two classes");

/**
 * Reads a JSON file of classes and the sentences that describe each: `{"CT": "A CT slice.", "MR": ["An MR slice.", "…"]}`.
 *
 * @throws UsageError when it can't be read or is something else.
 */
export async function readPrompts(path: string): Promise<Prompts> {
  try {
    const parsed = promptsSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    if (parsed.success) return new Map(Object.entries(parsed.data).map(([name, value]) => [name, [value].flat()]));
    throw new Error(
      parsed.error.issues.map((issue) => `${issue.path.join(".") || "prompts"}: ${issue.message}`).join("; "),
    );
  } catch (error) {
    throw new UsageError(
      `Cannot read prompts ${path}: ${
        (error as Error).message
      }. Give JSON that maps each class to a sentence or several.`,
      { cause: error },
    );
  }
}

/**
 * Embeds classes: the mean of the unit vectors of a class's sentences, brought to length 1 (prompt ensembling of CLIP).
 *
 * @param encoder The frozen encoder that the run was aligned with.
 * @throws UsageError when the sentences of a class cancel out.
 */
export async function embedPrompts(prompts: Prompts, encoder: FrozenEncoder): Promise<EmbeddedPrompts> {
  const vectors: Float32Array[] = [];
  const notices: string[] = [];
  for (const [name, sentences] of prompts) {
    const embedded = await encoder.encodeTexts(sentences);
    const unknown = sentences.filter((_, i) => encoder instanceof EmbeddedEncoder && isUnknown(embedded[i]!));
    for (const sentence of unknown) {
      notices.push(`the run's captions have no word of "${sentence}" (${name}): it says nothing`);
    }
    vectors.push(meanDirection(embedded, name));
  }
  return { classes: [...prompts.keys()], vectors, notices };
}

/** A fitted encoder keeps its last axis for texts without a word that it knows. */
function isUnknown(vector: Float32Array): boolean {
  return vector.at(-1) === 1;
}

function meanDirection(vectors: readonly Float32Array[], name: string): Float32Array {
  const sum = vectors[0]!.map((_, axis) => vectors.reduce((total, vector) => total + vector[axis]!, 0));
  const length = Math.hypot(...sum);
  if (length > 1e-6) return sum.map((value) => value / length);
  throw new UsageError(
    `Cannot embed the prompts of "${name}": they cancel out: got a mean of length ${length}. Reword them.`,
  );
}
