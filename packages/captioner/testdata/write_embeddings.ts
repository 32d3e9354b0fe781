/**
 * A process that stores embeddings until it has stored them all or is killed. Arguments: store, writer's name, batches, batch size. Prints
 * `stored N` after each batch that is on disk.
 */
import { EmbeddingStore } from "../embeddings/embedding_store.ts";
import { embeddingOf } from "./made_up_embeddings.ts";

const [path, writer, batches, size] = Deno.args;
using store = EmbeddingStore.open(path!);
console.log("open");
for (let batch = 0; batch < Number(batches); batch++) {
  store.putMany(
    Array.from({ length: Number(size) }, (_, index) => embeddingOf(`${writer}/${batch * Number(size) + index}`)),
    "test-encoder",
  );
  console.log(`stored ${(batch + 1) * Number(size)}`);
}
