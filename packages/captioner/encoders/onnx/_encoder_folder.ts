import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { Tokeniser } from "../../tokenisers/tokeniser.ts";
import { ENCODER_KINDS, type EncoderKind } from "./encoder_settings.ts";
import { type PictureSettings, pictureSettingsSchema } from "./_picture_settings.ts";

/** Most tokens of a text and the number that fills up, where a folder does not say. */
const TEXT_DEFAULTS: Readonly<Record<EncoderKind, { readonly maxTokens: number; readonly padId: number }>> = {
  clip: { maxTokens: 77, padId: 0 },
  siglip: { maxTokens: 64, padId: 1 },
  biomedclip: { maxTokens: 256, padId: 0 },
  bert: { maxTokens: 512, padId: 0 },
};

/** How the vectors of a text's tokens become one, where the model does not do so. */
export type Pooling = "mean" | "first";

/** What a folder holds beside its models. */
export interface EncoderFolder {
  readonly kind: EncoderKind;
  /** Path of the image model and how pictures are made for it. */
  readonly vision: { readonly path: string; readonly picture: PictureSettings } | undefined;
  /** Path of the text model and what its inputs are made with. */
  readonly text: {
    readonly path: string;
    readonly tokeniser: Tokeniser;
    readonly padId: number;
    /** Whether every text is filled up to the most tokens, as SigLIP was trained. */
    readonly fillsUp: boolean;
    readonly pooling: Pooling | undefined;
  } | undefined;
  /** SHA-256 of each file that counts, by its path in the folder. */
  readonly hashes: Readonly<Record<string, string>>;
}

const length = z.int().min(3).max(65_536);
const textPart = z.object({
  max_position_embeddings: length.optional(),
  pad_token_id: z.int().nonnegative().nullish(),
});
const configSchema = z.object({
  model_type: z.enum(ENCODER_KINDS),
  text_config: textPart.optional(),
  max_position_embeddings: length.optional(),
  pad_token_id: z.int().nonnegative().nullish(),
});
const sentenceSchema = z.object({ max_seq_length: length.nullish() });
const poolingSchema = z.object({
  pooling_mode_mean_tokens: z.boolean().default(false),
  pooling_mode_cls_token: z.boolean().default(false),
});

/**
 * Reads what an encoder's folder says about its models, and hashes all its files.
 *
 * @throws Error saying what is missing; SyntaxError saying what is malformed.
 */
export async function readEncoderFolder(folder: string): Promise<EncoderFolder> {
  const found = await filesOf(folder);
  const at = (...names: readonly string[]): string | undefined => names.find((name) => found.has(name));
  const read = async <T>(name: string, schema: z.ZodType<T>): Promise<T> => {
    const text = await readFile(join(folder, name), "utf8");
    try {
      const { success, data, error } = schema.safeParse(JSON.parse(text));
      if (success) return data;
      throw new SyntaxError(z.prettifyError(error));
    } catch (error) {
      throw new SyntaxError(
        `Cannot load encoder from ${folder}: ${name} is malformed: got ${(error as Error).message}, expected what ` +
          `tools/export or Hugging Face writes. Export the encoder anew.`,
        { cause: error },
      );
    }
  };
  const need = (name: string): string => {
    if (found.has(name)) return name;
    throw missing(folder, name, [...found.keys()]);
  };
  const config = await read(need("config.json"), configSchema);
  const kind = config.model_type;
  const visionModel = at("onnx/vision_model.onnx", "vision_model.onnx");
  const textModel = at("onnx/text_model.onnx", "text_model.onnx") ??
    (kind === "bert" ? at("onnx/model.onnx", "model.onnx") : undefined);
  if (!visionModel && !textModel) {
    throw missing(folder, "onnx/vision_model.onnx or onnx/text_model.onnx", [...found.keys()]);
  }
  const used = new Set(["config.json"]);
  const use = (name: string): string => (used.add(name), name);

  let vision: EncoderFolder["vision"];
  if (visionModel) {
    const picture = await read(use(need("preprocessor_config.json")), pictureSettingsSchema);
    vision = {
      path: join(folder, use(visionModel)),
      picture: { ...picture, roundsCropToEven: kind === "biomedclip" },
    };
  }
  let text: EncoderFolder["text"];
  if (textModel) {
    const sentence = at("sentence_bert_config.json");
    const lengths = sentence ? await read(use(sentence), sentenceSchema) : undefined;
    const poolingFile = at("1_Pooling/config.json");
    const pooled = poolingFile ? await read(use(poolingFile), poolingSchema) : undefined;
    const tokeniser = await Tokeniser.load(join(folder, use(need("tokenizer.json"))), {
      maxTokens: lengths?.max_seq_length ?? config.text_config?.max_position_embeddings ??
        config.max_position_embeddings ?? TEXT_DEFAULTS[kind].maxTokens,
      sentencePiece: kind === "siglip",
    });
    text = {
      path: join(folder, use(textModel)),
      tokeniser,
      padId: tokeniser.padId ?? config.text_config?.pad_token_id ?? config.pad_token_id ?? TEXT_DEFAULTS[kind].padId,
      fillsUp: kind === "siglip",
      pooling: pooled?.pooling_mode_mean_tokens ? "mean" : pooled?.pooling_mode_cls_token ? "first" : undefined,
    };
  }
  // Weights beyond 2 GB lie beside the model in files that begin with its name.
  const models = [...used].filter((name) => name.endsWith(".onnx"));
  for (const name of found.keys()) {
    if (models.some((model) => name.startsWith(`${model}_data`) || name.startsWith(`${model}.data`))) used.add(name);
  }
  const hashes: Record<string, string> = {};
  for (const name of [...used].toSorted()) hashes[name] = await hashFile(join(folder, name));
  return { kind, vision, text, hashes };
}

async function filesOf(folder: string): Promise<Map<string, true>> {
  const files = new Map<string, true>();
  for (const part of ["", "onnx/", "1_Pooling/"]) {
    const names = await readdir(join(folder, part)).catch((cause: Error) => {
      if (part !== "") return [];
      throw new Error(
        `Cannot load encoder from ${folder}: the folder cannot be read: got ${cause.message}, expected a folder of ONNX ` +
          `weights. Name one that tools/export has written.`,
        { cause },
      );
    });
    for (const name of names) {
      if ((await stat(join(folder, part, name)).catch(() => undefined))?.isFile()) files.set(part + name, true);
    }
  }
  return files;
}

function missing(folder: string, name: string, found: readonly string[]): Error {
  return new Error(
    `Cannot load encoder from ${folder}: a file is missing: got ${
      found.slice(0, 20).join(", ") || "an empty folder"
    }, expected ` +
      `${name}. Write the folder with tools/export.`,
  );
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
