import { z } from "zod";

const pattern = z.union([z.strictObject({ String: z.string() }), z.strictObject({ Regex: z.string().max(4096) })]);

const plainNormaliser = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]) }),
  z.object({ type: z.literal("Strip"), strip_left: z.boolean(), strip_right: z.boolean() }),
  z.object({ type: z.literal("Replace"), pattern, content: z.string() }),
  z.object({ type: z.literal("Prepend"), prepend: z.string() }),
  z.object({ type: z.literal("Precompiled"), precompiled_charsmap: z.base64() }),
  z.object({
    type: z.literal("BertNormalizer"),
    clean_text: z.boolean().default(true),
    handle_chinese_chars: z.boolean().default(true),
    strip_accents: z.boolean().nullish(),
    lowercase: z.boolean().default(true),
  }),
]);

const normaliser = z.union([
  z.object({ type: z.literal("Sequence"), normalizers: z.array(plainNormaliser) }),
  plainNormaliser,
]);

const plainPreTokeniser = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["BertPreTokenizer", "WhitespaceSplit"]) }),
  z.object({
    type: z.literal("ByteLevel"),
    add_prefix_space: z.boolean().default(false),
    use_regex: z.boolean().default(true),
  }),
  z.object({
    type: z.literal("Split"),
    pattern,
    behavior: z.enum(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext"]),
    invert: z.boolean().default(false),
  }),
  z.object({
    type: z.literal("Metaspace"),
    replacement: z.string().length(1),
    prepend_scheme: z.enum(["always", "first", "never"]).optional(),
    add_prefix_space: z.boolean().optional(),
    split: z.boolean().default(true),
  }),
]);

const preTokeniser = z.union([
  z.object({ type: z.literal("Sequence"), pretokenizers: z.array(plainPreTokeniser) }),
  plainPreTokeniser,
]);

const tokenId = z.int().nonnegative();
const vocabulary = z.record(z.string(), tokenId);

const model = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("BPE"),
    vocab: vocabulary,
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    unk_token: z.string().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
    fuse_unk: z.boolean().default(false),
    byte_fallback: z.boolean().default(false),
    ignore_merges: z.boolean().default(false),
  }),
  z.object({
    type: z.literal("WordPiece"),
    vocab: vocabulary,
    unk_token: z.string(),
    continuing_subword_prefix: z.string(),
    max_input_chars_per_word: z.int().positive(),
  }),
  z.object({
    type: z.literal("Unigram"),
    vocab: z.array(z.tuple([z.string(), z.number()])).min(1),
    unk_id: tokenId.nullish(),
    byte_fallback: z.boolean().default(false),
  }),
]);

const piece = z.union([
  z.strictObject({ SpecialToken: z.object({ id: z.string(), type_id: tokenId }) }),
  z.strictObject({ Sequence: z.object({ id: z.enum(["A", "B"]), type_id: tokenId }) }),
]);

const plainPostProcessor = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("TemplateProcessing"),
    single: z.array(piece),
    special_tokens: z.record(z.string(), z.object({ ids: z.array(tokenId) })),
  }),
  z.object({
    type: z.enum(["RobertaProcessing", "BertProcessing"]),
    sep: z.tuple([z.string(), tokenId]),
    cls: z.tuple([z.string(), tokenId]),
  }),
  z.object({ type: z.literal("ByteLevel") }),
]);

const postProcessor = z.union([
  z.object({ type: z.literal("Sequence"), processors: z.array(plainPostProcessor) }),
  plainPostProcessor,
]);

/** What is read of a `tokenizer.json`. */
export const tokeniserSchema = z.object({
  truncation: z.object({ max_length: z.int().positive(), direction: z.enum(["Left", "Right"]).default("Right") })
    .nullish(),
  padding: z.object({
    strategy: z.union([z.literal("BatchLongest"), z.strictObject({ Fixed: z.int().positive() })]),
    direction: z.literal("Right"),
    pad_id: tokenId,
  }).nullish(),
  added_tokens: z.array(z.object({
    id: tokenId,
    content: z.string().min(1),
    single_word: z.boolean().default(false),
    lstrip: z.boolean().default(false),
    rstrip: z.boolean().default(false),
    normalized: z.boolean(),
  })).default([]),
  normalizer: normaliser.nullish(),
  pre_tokenizer: preTokeniser.nullish(),
  post_processor: postProcessor.nullish(),
  model,
});

/** A checked `tokenizer.json`. */
export type TokeniserFile = z.infer<typeof tokeniserSchema>;
/** One step of normalising. */
export type NormaliserStep = z.infer<typeof plainNormaliser>;
/** One step of splitting. */
export type PreTokeniserStep = z.infer<typeof plainPreTokeniser>;
/** The model of a kind. */
export type TokeniserModel<Kind extends TokeniserFile["model"]["type"]> = Extract<
  TokeniserFile["model"],
  { readonly type: Kind }
>;
/** A literal or a regular expression, as Rust's Oniguruma reads it. */
export type TokeniserPattern = z.infer<typeof pattern>;

/** The steps of a part that may be absent, one step or a sequence. */
export function stepsOf<Step extends { readonly type: string }>(
  part: Step | { readonly type: "Sequence" } | null | undefined,
): Exclude<Step, { readonly type: "Sequence" }>[] {
  if (!part) return [];
  if (part.type !== "Sequence") return [part as Exclude<Step, { readonly type: "Sequence" }>];
  const { type: _type, ...lists } = part;
  return Object.values(lists)[0] as Exclude<Step, { readonly type: "Sequence" }>[];
}
