import { CaptionStore, mergeStores } from "@med3d/captioner";
import type { Command } from "commander";
import { stat } from "node:fs/promises";
import { createCommand, EXIT } from "../_shared/command.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";

function command(): Command {
  return createCommand("caption merge", "Puts the captions of several stores into one.")
    .argument("<stores...>", "stores that shards wrote; they stay as they are")
    .requiredOption("--out <file>", "store that they are put into; made where there is none");
}

/** `deno task caption merge --out ALL.db ONE.db TWO.db`. */
export async function merge(args: readonly string[]): Promise<number> {
  const parser = command();
  await parser.parseAsync(args as string[], { from: "user" });
  const { out } = parser.opts<{ out: string }>();
  for (const path of parser.args) {
    const found = await stat(path).catch((error) => {
      throw new UsageError(`Cannot merge ${path}: ${(error as Error).message}. Check the path.`, { cause: error });
    });
    const own = await stat(out).catch(() => undefined);
    if (own && own.ino === found.ino && own.dev === found.dev) {
      throw new UsageError(`Cannot merge ${path}: it is the store that the others are put into. Leave it out.`);
    }
  }
  using into = CaptionStore.open(out);
  for (const path of parser.args) {
    using store = CaptionStore.open(path);
    const { read, added } = mergeStores(into, [store]);
    console.log(`${path}: ${read} captions, ${added} of them new`);
  }
  console.log(`${out}: ${into.count()} good captions, ${into.countQuarantined()} in quarantine`);
  return EXIT.done;
}
