/**
 * A process that writes captions until it has written them all or is killed. Arguments: store, writer's name, batches, batch size.
 * Prints `stored N` after each batch that is on disk.
 */
import { CaptionStore } from "../mod.ts";
import { entryOf } from "./entries.ts";

const [path, writer, batches, size] = Deno.args;
using store = CaptionStore.open(path!);
console.log("open");
for (let batch = 0; batch < Number(batches); batch++) {
  store.putMany(
    Array.from({ length: Number(size) }, (_, index) => entryOf(`${writer}/${batch * Number(size) + index}`)),
  );
  console.log(`stored ${(batch + 1) * Number(size)}`);
}
