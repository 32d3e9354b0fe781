/** Element types of safetensors files that can be read and written here. */
export type StoredDtype =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U64"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL";

/** Arrays that elements of a {@linkcode StoredTensor} are held in. */
export type StoredData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

/** A tensor of a safetensors file, in memory and independent of any backend. */
export interface StoredTensor {
  /** Element type in the file. */
  readonly dtype: StoredDtype;
  /** Sizes of the axes; empty for a scalar. */
  readonly shape: readonly number[];
  /** Elements in C order, in the array of the element type; F16 and BF16 are held widened in a Float32Array, BOOL in a Uint8Array. */
  readonly data: StoredData;
}

interface DtypeTraits {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly array:
    | Float64ArrayConstructor
    | Float32ArrayConstructor
    | BigInt64ArrayConstructor
    | Int32ArrayConstructor
    | Int16ArrayConstructor
    | Int8ArrayConstructor
    | BigUint64ArrayConstructor
    | Uint32ArrayConstructor
    | Uint16ArrayConstructor
    | Uint8ArrayConstructor;
}

/** Bytes per element in the file and array in memory. In the order in which Python's library sorts, widest first. */
export const DTYPES: Readonly<Record<StoredDtype, DtypeTraits>> = {
  U64: { bytes: 8, array: BigUint64Array },
  I64: { bytes: 8, array: BigInt64Array },
  F64: { bytes: 8, array: Float64Array },
  F32: { bytes: 4, array: Float32Array },
  U32: { bytes: 4, array: Uint32Array },
  I32: { bytes: 4, array: Int32Array },
  BF16: { bytes: 2, array: Float32Array },
  F16: { bytes: 2, array: Float32Array },
  U16: { bytes: 2, array: Uint16Array },
  I16: { bytes: 2, array: Int16Array },
  I8: { bytes: 1, array: Int8Array },
  U8: { bytes: 1, array: Uint8Array },
  BOOL: { bytes: 1, array: Uint8Array },
};

/** Whether a word names an element type that is known here. */
export function isStoredDtype(word: unknown): word is StoredDtype {
  return typeof word === "string" && Object.hasOwn(DTYPES, word);
}
