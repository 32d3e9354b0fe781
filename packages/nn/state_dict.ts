import * as tf from "@tensorflow/tfjs-core";
import { invertPermutation, permuteAxes } from "./_permute.ts";
import { diskLayoutOf } from "./layout.ts";
import type { Parameters } from "./parameters.ts";
import type { StoredTensor } from "./stored_tensor.ts";

/**
 * Copies parameters off the device, in PyTorch's layout: convolution kernels come as `[out, in, kd, kh, kw]`, transposed ones as
 * `[in, out, kd, kh, kw]`, everything else as it is in memory.
 *
 * @param parameters Stay the caller's, unchanged.
 * @returns F32 tensors by parameter name, in order, for {@linkcode writeSafetensors} or {@linkcode loadStateDict}.
 */
export async function saveStateDict(parameters: Parameters): Promise<Map<string, StoredTensor>> {
  const saved = await Promise.all([...parameters].map(async ([name, parameter]): Promise<[string, StoredTensor]> => {
    const values = new Float32Array(await parameter.data());
    const layout = diskLayoutOf(parameter);
    const stored = layout
      ? permuteAxes(values, parameter.shape, layout.permutation)
      : { values, shape: [...parameter.shape] };
    return [name, { dtype: "F32", shape: stored.shape, data: stored.values }];
  }));
  return new Map(saved);
}

/** Options of {@linkcode loadStateDict}. */
export interface LoadStateDictOptions {
  /** Whether anything but a full match is an error. Default true. When false, what matches is loaded and the rest reported. */
  readonly strict?: boolean;
  /**
   * Turns the name of a stored tensor into that of a parameter; undefined leaves the tensor aside without a report, which suits
   * duplicates and parts that are not wanted. Default: names stay.
   */
  readonly rename?: (storedName: string) => string | undefined;
}

/** A parameter that a stored tensor cannot be loaded into. */
export interface Mismatch {
  /** Name of the parameter. */
  readonly name: string;
  /** Shape on disk that the parameter has. */
  readonly expectedShape: readonly number[];
  /** Shape of the stored tensor. */
  readonly shape: readonly number[];
  /** Element type of the stored tensor; only F64, F32, F16 and BF16 are loaded, and I64 into variables that are not trainable. */
  readonly dtype: string;
}

/** What {@linkcode loadStateDict} did and did not do. Names are those of parameters. */
export interface LoadReport {
  /** Parameters that were loaded. */
  readonly matched: readonly string[];
  /** Parameters that nothing is stored for. */
  readonly missing: readonly string[];
  /** Stored tensors, as renamed, that no parameter is there for. */
  readonly unexpected: readonly string[];
  /** Parameters that another shape or an integer type is stored for. */
  readonly mismatched: readonly Mismatch[];
}

/**
 * Loads stored tensors into parameters by name. Under `strict` nothing is changed unless everything fits.
 *
 * @param parameters Assigned in place.
 * @param tensors From {@linkcode readSafetensors} or {@linkcode saveStateDict}, in PyTorch's layout.
 * @returns What matched and what did not.
 * @throws RangeError under `strict` when a parameter or tensor is missing, unexpected or mismatched; and always when `rename` yields
 * one name twice.
 */
export function loadStateDict(
  parameters: Parameters,
  tensors: ReadonlyMap<string, StoredTensor>,
  options: LoadStateDictOptions = {},
): LoadReport {
  const { strict = true, rename = (name: string) => name } = options;
  const stored = renameTensors(tensors, rename);
  const report = compare(parameters, stored);
  if (strict) refuseDifferences(report);
  for (const name of report.matched) {
    const parameter = parameters.get(name)!;
    const { data, shape } = stored.get(name)!;
    const values = data instanceof BigInt64Array
      ? Float32Array.from(data, Number)
      : new Float32Array(data as Float32Array | Float64Array);
    const layout = diskLayoutOf(parameter);
    const inMemory = layout ? permuteAxes(values, shape, invertPermutation(layout.permutation)).values : values;
    tf.tidy(() => parameter.assign(tf.tensor(inMemory, parameter.shape, "float32")));
  }
  return report;
}

function renameTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  rename: (name: string) => string | undefined,
): Map<string, StoredTensor> {
  const renamed = new Map<string, StoredTensor>();
  for (const [storedName, tensor] of tensors) {
    const name = rename(storedName);
    if (name === undefined) continue;
    if (renamed.has(name)) {
      throw new RangeError(
        `Cannot load a state dict: rename yields one name twice: got "${name}", for "${storedName}" too, expected unique names. ` +
          `Return undefined for the duplicate.`,
      );
    }
    renamed.set(name, tensor);
  }
  return renamed;
}

function compare(parameters: Parameters, stored: ReadonlyMap<string, StoredTensor>): LoadReport {
  const matched: string[] = [];
  const missing: string[] = [];
  const mismatched: Mismatch[] = [];
  for (const [name, parameter] of parameters) {
    const tensor = stored.get(name);
    if (!tensor) {
      missing.push(name);
      continue;
    }
    const expectedShape = diskLayoutOf(parameter)?.permutation.map((axis) => parameter.shape[axis]!) ?? parameter.shape;
    // PyTorch counts the batches of its batch norms in 64-bit integers.
    const counts = !parameter.trainable && tensor.data instanceof BigInt64Array;
    const loadable = tensor.data instanceof Float32Array || tensor.data instanceof Float64Array || counts;
    if (loadable && tensor.shape.join() === expectedShape.join()) matched.push(name);
    else mismatched.push({ name, expectedShape, shape: tensor.shape, dtype: tensor.dtype });
  }
  return { matched, missing, unexpected: [...stored.keys()].filter((name) => !parameters.has(name)), mismatched };
}

function refuseDifferences({ missing, unexpected, mismatched }: LoadReport): void {
  const findings = [
    ...missing.map((name) => `missing ${name}`),
    ...unexpected.map((name) => `unexpected ${name}`),
    ...mismatched.map(({ name, expectedShape, shape, dtype }) =>
      `${name} is ${dtype} [${shape}], expected a float type and [${expectedShape}]`
    ),
  ];
  if (findings.length === 0) return;
  const shown = findings.slice(0, 10).join("; ") + (findings.length > 10 ? `; and ${findings.length - 10} more` : "");
  throw new RangeError(
    `Cannot load a state dict: it does not fit the parameters: got ${findings.length} differences, expected none. ${shown}. ` +
      `Pass { strict: false } to load what matches.`,
  );
}
