/**
 * A process that samples a store of embeddings over and over. Arguments: store, rounds, vectors per round. Prints how many vectors it saw and by how
 * many MiB its memory grew.
 */
import { EmbeddingStore } from "../embeddings/embedding_store.ts";

const [path, rounds, count] = Deno.args;
const before = Deno.memoryUsage().rss;
using store = EmbeddingStore.open(path!);
let seen = 0;
for (let round = 0; round < Number(rounds); round++) {
  seen += store.sample("test-encoder", Number(count), `${round}`).length;
}
console.log(JSON.stringify({ seen, grownMiB: (Deno.memoryUsage().rss - before) / 2 ** 20 }));
