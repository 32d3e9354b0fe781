import { EmbeddedEncoder, type FrozenEncoder } from "@med3d/captioner";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "./configuration.ts";
import { loadEncoder2d } from "./encoder2d.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { RUN_FILES, writeWhole } from "./run_folder.ts";

const spaceSchema = z.object({
  id: z.string(),
  width: z.int().positive(),
  fitted: z.record(z.string(), z.json()).nullable(),
});

/** Writes which frozen 2D encoder a run's targets came from, and the encoder itself where it was fitted on the run's own slices. */
export async function writeEmbeddingSpace(folder: string, encoder: FrozenEncoder): Promise<void> {
  const { id, width } = encoder;
  const fitted = encoder instanceof EmbeddedEncoder ? encoder.toJSON() : null;
  await writeWhole(join(folder, RUN_FILES.embeddingSpace), JSON.stringify({ id, width, fitted }) + "\n");
}

/**
 * Makes the frozen 2D encoder of a finished run again: the fitted one from the run's folder, else the user's from its own. What it loaded is
 * let go with {@linkcode disposeFrozenEncoder}.
 *
 * @param configuration Names the folder of the user's encoder and its window.
 * @throws UsageError when the run keeps none, what it keeps is unsound, or the user's encoder is not the one that it was trained with.
 */
export async function readEmbeddingSpace(
  folder: string,
  configuration: Pick<ResolvedConfiguration, "encoder2d" | "encoder2dWindow">,
): Promise<FrozenEncoder> {
  const path = join(folder, RUN_FILES.embeddingSpace);
  const refuse = (problem: string, action: string, cause?: unknown): never => {
    throw new UsageError(`Cannot embed texts with ${folder}: ${problem}. ${action}`, { cause });
  };
  const text = await readFile(path, "utf8").catch((error) =>
    refuse(`it keeps no frozen encoder: ${error.message}`, "Pretrain it to its end with this version.", error)
  );
  const parse = () => {
    try {
      const { fitted, ...space } = spaceSchema.parse(JSON.parse(text));
      return { ...space, encoder: fitted === null ? undefined : EmbeddedEncoder.fromJSON(fitted) };
    } catch (error) {
      const problem = `${RUN_FILES.embeddingSpace} is unsound: ${(error as Error).message}`;
      return refuse(problem, "Copy the run's folder again.", error);
    }
  };
  const { id, width, encoder: fitted } = parse();
  const encoder = fitted ?? await loadEncoder2d(configuration) ??
    refuse("it does not name the folder of its 2D encoder", "Name it with --encoder2d.");
  if (encoder.id === id && encoder.width === width) return encoder;
  await disposeFrozenEncoder(encoder);
  return refuse(
    `the 2D encoder is another than the one that it was trained with: got ${encoder.id} of width ${encoder.width}, expected ${id} of width ${width}`,
    "Name the folder of that one with --encoder2d.",
  );
}

/** Lets go what an encoder holds, where it holds anything. */
export async function disposeFrozenEncoder(encoder: FrozenEncoder & Partial<AsyncDisposable>): Promise<void> {
  await encoder[Symbol.asyncDispose]?.();
}
