import { strict as assert } from "node:assert";
import { ByteBoundedCache } from "./cache.ts";

Deno.test("ByteBoundedCache: keeps the recently used within its bytes and makes the rest again", async () => {
  const cache = new ByteBoundedCache<string>(20);
  const made: string[] = [];
  const get = (key: string, bytes = 10) =>
    cache.get(key, () => {
      made.push(key);
      return Promise.resolve({ value: key.toUpperCase(), bytes });
    });
  assert.equal(await get("a"), "A");
  await get("b");
  await get("a");
  await get("c"); // drops b, the least recently used
  await get("a");
  await get("b");
  assert.deepEqual(made, ["a", "b", "c", "b"]);
  await get("huge", 21);
  assert.ok(cache.bytes <= 20);
});
