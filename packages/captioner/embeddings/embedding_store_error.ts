/** An embedding store that cannot be opened, read or written. What is in it can be made again. */
export class EmbeddingStoreError extends Error {
  /** Name of the class. */
  override readonly name = "EmbeddingStoreError";
}
