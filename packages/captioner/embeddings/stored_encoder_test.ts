import type { SliceImage } from "@med3d/volume";
import { strict as assert } from "node:assert";
import type { FrozenEncoder } from "../contract.ts";
import { withStorePath } from "../testdata/entries.ts";
import { embeddingOf } from "../testdata/made_up_embeddings.ts";
import { EmbeddingStore } from "./embedding_store.ts";
import { hashText, storedEncoder } from "./stored_encoder.ts";

/** An encoder that counts what it is asked. */
class CountingEncoder implements FrozenEncoder {
  readonly width = 8;
  readonly asked: string[] = [];

  constructor(readonly id: string) {}

  // deno-lint-ignore require-await -- the contract is asynchronous
  async encodeSlices(slices: readonly SliceImage[]): Promise<Float32Array[]> {
    return slices.map(({ pixels }) => this.#make(`pixels ${pixels}`));
  }

  // deno-lint-ignore require-await -- the contract is asynchronous
  async encodeTexts(texts: readonly string[]): Promise<Float32Array[]> {
    return texts.map((text) => this.#make(text));
  }

  #make(name: string): Float32Array {
    this.asked.push(name);
    return embeddingOf(name).vector;
  }
}

const sliceOf = (value: number): SliceImage => ({
  pixels: Float32Array.of(value),
  width: 1,
  height: 1,
  spacingMm: [1, 1],
});

Deno.test("storedEncoder: each content is made once, also by a later process; order and repetition are the caller's", async () => {
  await withStorePath(async (path) => {
    const first = new CountingEncoder("one");
    {
      using store = EmbeddingStore.open(path);
      const encoder = storedEncoder(first, store, { batchSize: 2 });
      assert.deepEqual([encoder.id, encoder.width], ["one", 8]);
      const texts = ["a", "b", "a", "c", "d"];
      assert.deepEqual(await encoder.encodeTexts(texts), texts.map((text) => embeddingOf(text).vector));
      assert.deepEqual(first.asked, ["a", "b", "c", "d"]);
      await encoder.encodeSlices([sliceOf(1), sliceOf(2), sliceOf(1)]);
      assert.deepEqual(first.asked.slice(4), ["pixels 1", "pixels 2"]);
    }
    using store = EmbeddingStore.open(path);
    const [second, other] = [new CountingEncoder("one"), new CountingEncoder("two")];
    const again = storedEncoder(second, store);
    assert.deepEqual(await again.encodeTexts(["d", "e"]), [embeddingOf("d").vector, embeddingOf("e").vector]);
    assert.deepEqual(await again.encodeSlices([sliceOf(2)]), [embeddingOf("pixels 2").vector]);
    assert.deepEqual(second.asked, ["e"]);
    await storedEncoder(other, store).encodeTexts(["a"]);
    assert.deepEqual(other.asked, ["a"]);
  });
});

Deno.test("storedEncoder: what was made before a failure is stored", async () => {
  using store = EmbeddingStore.open(":memory:");
  const counting = new CountingEncoder("one");
  const failing: FrozenEncoder = {
    id: "one",
    width: 8,
    encodeSlices: (slices) => counting.encodeSlices(slices),
    encodeTexts: (texts) =>
      texts.includes("bad") ? Promise.reject(new Error("out of order")) : counting.encodeTexts(texts),
  };
  await assert.rejects(
    storedEncoder(failing, store, { batchSize: 1 }).encodeTexts(["a", "b", "bad", "c"]),
    /out of order/,
  );
  assert.equal(store.count("one"), 2);
  assert.throws(() => storedEncoder(counting, store, { batchSize: 0 }), /batchSize is out of range: got 0/);
});

Deno.test("hashText: is a hash of its own for each text, and for lone surrogates", () => {
  const found = ["", "a", "A", "\ud800", "e\u0301", "é"].map(hashText);
  assert.equal(new Set(found).size, found.length);
  found.forEach((hash) => assert.match(hash, /^[0-9a-f]{64}$/));
});
