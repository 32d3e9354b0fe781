/** What JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** An object that JSON can hold. A field that is undefined counts as absent. */
export interface JsonObject {
  /** Values by key. */
  readonly [key: string]: JsonValue | undefined;
}
