/**
 * A process that writes captions until it has written them all or is killed. Arguments: store, writer's name, batches, batch size.
 * Prints `stored N` after each batch that is on disk; when it cannot go on, the error and how many captions a new look at the file finds.
 */
import { CaptionStore } from "../mod.ts";
import { entryOf } from "./entries.ts";

const [path, writer, batches, size] = Deno.args;
const store = CaptionStore.open(path!);
console.log("open");
try {
  for (let batch = 0; batch < Number(batches); batch++) {
    store.putMany(
      Array.from({ length: Number(size) }, (_, index) => entryOf(`${writer}/${batch * Number(size) + index}`)),
    );
    console.log(`stored ${(batch + 1) * Number(size)}`);
  }
} catch (error) {
  store.close();
  using again = CaptionStore.open(path!);
  console.log(`${error}\nfound ${again.count()}`);
}
store.close();
