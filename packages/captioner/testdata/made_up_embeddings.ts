import { createHash } from "node:crypto";
import type { StoredEmbedding } from "../embeddings/embedding_store.ts";

/** A unit vector that depends on a name alone, under the name's hash. */
export function embeddingOf(name: string, width = 8): StoredEmbedding {
  const hash = createHash("sha256").update(name).digest();
  const values = Float64Array.from({ length: width }, (_, axis) => hash[axis % 32]! - 127.5);
  const length = Math.hypot(...values);
  return { contentHash: hash.toString("hex"), vector: Float32Array.from(values, (value) => value / length) };
}
