import { readFile } from "node:fs/promises";
import { z } from "zod";
import { addedTokenFinder, type Piece } from "./_added_tokens.ts";
import { normaliserOf } from "./_normalise.ts";
import { preTokeniserOf } from "./_pre_tokenise.ts";
import { stepsOf, type TokeniserFile, tokeniserSchema } from "./_schema.ts";
import { type WordModel, wordModelOf } from "./_word_models.ts";

/** Options of {@linkcode Tokeniser}. */
export interface TokeniserOptions {
  /** Most tokens of a text, those that frame it included; what is longer is cut at the end. Default: what the file says, else no bound. */
  readonly maxTokens?: number;
  /**
   * Whether to clean up as SentencePiece and Python do, by which SigLIP was trained, and not as the `tokenizers` library imitates them: the longest key of
   * the character map wins, a capital sigma at the end of a word becomes a final one, scores are added in float32, and a text that ends with the
   * end token gets no second one. Default false.
   */
  readonly sentencePiece?: boolean;
}

/**
 * Turns texts into token numbers as a `tokenizer.json` says.
 *
 * Reads what CLIP (byte-level BPE), SigLIP (SentencePiece unigram) and BERT (WordPiece) need, special tokens written out in a text
 * included. Gives what Hugging Face's `tokenizers` gives, against which it is checked; offsets, pairs of texts and training are left out.
 *
 * ```ts
 * import { Tokeniser } from "@med3d/captioner";
 *
 * const tokeniser = Tokeniser.fromJSON({
 *   normalizer: { type: "BertNormalizer" },
 *   pre_tokenizer: { type: "BertPreTokenizer" },
 *   model: {
 *     type: "WordPiece",
 *     vocab: { "[UNK]": 0, ct: 1, slice: 2, "##s": 3 },
 *     unk_token: "[UNK]",
 *     continuing_subword_prefix: "##",
 *     max_input_chars_per_word: 100,
 *   },
 * });
 * console.log(tokeniser.encode("CT slices?")); // [1, 2, 3, 0]
 * ```
 */
export class Tokeniser {
  /** Most tokens of a text, or nothing where there is no bound. */
  readonly maxTokens: number | undefined;
  /** Number that shorter texts are filled up with, where the file names one. */
  readonly padId: number | undefined;
  /** Length that the file has every text filled up to, where it names one. */
  readonly fixedLength: number | undefined;
  /** One more than the greatest token number. */
  readonly vocabularySize: number;
  readonly #cutsLeft: boolean;
  readonly #keepsEnd: boolean;
  readonly #before: readonly number[];
  readonly #after: readonly number[];
  readonly #findRaw: (text: string, isFirst: boolean) => Piece[];
  readonly #findNormalised: (text: string, isFirst: boolean) => Piece[];
  readonly #normalise: (text: string) => string;
  readonly #split: (text: string, isFirst: boolean) => string[];
  readonly #model: WordModel;

  private constructor(file: TokeniserFile, { maxTokens, sentencePiece = false }: TokeniserOptions) {
    this.#normalise = normaliserOf(stepsOf(file.normalizer), { sentencePiece });
    this.#split = preTokeniserOf(stepsOf(file.pre_tokenizer), { sentencePiece });
    this.#model = wordModelOf(file.model, { sentencePiece });
    this.#keepsEnd = sentencePiece;
    this.#findRaw = addedTokenFinder(file.added_tokens.filter(({ normalized }) => !normalized));
    this.#findNormalised = addedTokenFinder(file.added_tokens.filter(({ normalized }) => normalized), this.#normalise);
    [this.#before, this.#after] = frameOf(file);
    this.maxTokens = maxTokens ?? file.truncation?.max_length;
    this.#cutsLeft = file.truncation?.direction === "Left";
    this.padId = file.padding?.pad_id;
    const strategy = file.padding?.strategy;
    this.fixedLength = typeof strategy === "object" ? strategy.Fixed : undefined;
    const numbers = Array.isArray(file.model.vocab)
      ? file.model.vocab.length - 1
      : Object.values(file.model.vocab).reduce((most, id) => Math.max(most, id), -1);
    this.vocabularySize = file.added_tokens.reduce((most, { id }) => Math.max(most, id), numbers) + 1;
    const frame = this.#before.length + this.#after.length;
    if (this.maxTokens !== undefined && !(Number.isSafeInteger(this.maxTokens) && this.maxTokens > frame)) {
      throw new RangeError(
        `Cannot make a tokeniser: maxTokens is out of range: got ${this.maxTokens}, expected an integer above the ${frame} tokens ` +
          `that frame every text. Name a greater one.`,
      );
    }
  }

  /**
   * Makes a tokeniser from the parsed content of a `tokenizer.json`.
   *
   * @throws SyntaxError when it is malformed or holds a step that is not known here.
   * @throws RangeError when `maxTokens` leaves no room for a text.
   */
  static fromJSON(file: unknown, options: TokeniserOptions = {}): Tokeniser {
    const { success, data, error } = tokeniserSchema.safeParse(file);
    if (!success) {
      throw new SyntaxError(
        `Cannot make a tokeniser: the tokenizer.json is malformed or of a kind not known here: got ` +
          `${
            z.prettifyError(error).slice(0, 2000)
          }, expected BPE, Unigram or WordPiece as CLIP, SigLIP and BERT have them. ` +
          `Save it anew with Hugging Face's tokenizers.`,
      );
    }
    try {
      return new Tokeniser(data, options);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(
        `Cannot make a tokeniser: the tokenizer.json is unsound: got the fault that ${error.message}, expected a whole file. ` +
          `Save it anew with Hugging Face's tokenizers.`,
        { cause: error },
      );
    }
  }

  /** Reads a `tokenizer.json`. @throws as {@linkcode fromJSON} does, naming the file; Error when it cannot be read. */
  static async load(path: string, options: TokeniserOptions = {}): Promise<Tokeniser> {
    const text = await readFile(path, "utf8");
    try {
      return Tokeniser.fromJSON(JSON.parse(text), options);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(`${path}: ${error.message}`, { cause: error });
    }
  }

  /**
   * Turns a text into token numbers, framed by the special tokens of the model and cut to `maxTokens`; not filled up.
   *
   * @throws RangeError when a piece is unknown and the vocabulary has no token for that.
   */
  encode(text: string): number[] {
    const ids = this.#findRaw(text.toWellFormed(), true).flatMap((raw) =>
      "id" in raw
        ? [raw.id]
        : this.#findNormalised(this.#normalise(raw.text), raw.isFirst).flatMap((piece) =>
          "id" in piece ? [piece.id] : this.#split(piece.text, piece.isFirst).flatMap(this.#model)
        )
    );
    const room = (this.maxTokens ?? Infinity) - this.#before.length - this.#after.length;
    const kept = ids.length <= room ? ids : this.#cutsLeft ? ids.slice(ids.length - room) : ids.slice(0, room);
    const ends = this.#keepsEnd && this.#after.length === 1 && kept.at(-1) === this.#after[0];
    return [...this.#before, ...kept, ...ends ? [] : this.#after];
  }
}

/** The tokens that stand before and after every text. */
function frameOf(file: TokeniserFile): [number[], number[]] {
  const before: number[] = [];
  const after: number[] = [];
  for (const processor of stepsOf(file.post_processor)) {
    if (processor.type === "ByteLevel") continue;
    if (processor.type !== "TemplateProcessing") {
      before.unshift(processor.cls[1]);
      after.push(processor.sep[1]);
      continue;
    }
    const place = processor.single.findIndex((piece) => "Sequence" in piece);
    if (place < 0) throw new SyntaxError("its post-processor has no place for the text");
    processor.single.forEach((piece, index) => {
      if (!("SpecialToken" in piece)) return;
      const token = processor.special_tokens[piece.SpecialToken.id];
      if (!token) throw new SyntaxError(`its post-processor names an unknown token "${piece.SpecialToken.id}"`);
      (index < place ? before : after).push(...token.ids);
    });
  }
  return [before, after];
}
