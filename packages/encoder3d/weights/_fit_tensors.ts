import { diskLayoutOf, type Parameters, type StoredTensor } from "@med3d/nn";
import { closest } from "fastest-levenshtein";
import { type AdaptationFacts, adaptTensor } from "./_adapt_tensor.ts";
import type { NamedTensor } from "./_name_tensors.ts";
import type { AdaptedTensor, LoadedTensor, MissingTensor, UnfitTensor, WeightsReport } from "./weights_report.ts";

/** Tensors ready for loading, and the report's lists. */
export interface Fitted extends Pick<WeightsReport, "matched" | "adapted" | "missing" | "mismatched" | "share"> {
  readonly ready: ReadonlyMap<string, StoredTensor>;
}

/** For so many missing tensors the nearest name is looked for, which takes time for long lists. */
const NEAREST = 20;

/** Tells for every parameter whether its stored tensor fits, can be made to fit, or is missing. */
export function fitTensors(
  wanted: Parameters,
  named: ReadonlyMap<string, NamedTensor>,
  { facts, leftOver }: { readonly facts: AdaptationFacts | false; readonly leftOver: readonly string[] },
): Fitted {
  const ready = new Map<string, StoredTensor>();
  const [matched, adapted]: [LoadedTensor[], AdaptedTensor[]] = [[], []];
  const [missing, mismatched]: [MissingTensor[], UnfitTensor[]] = [[], []];
  for (const [name, parameter] of wanted) {
    const shape = diskLayoutOf(parameter)?.permutation.map((axis) => parameter.shape[axis]!) ?? parameter.shape;
    const found = named.get(name);
    if (!found) {
      // PyTorch's files from before version 0.4.1 do not count batches.
      if (!name.endsWith("num_batches_tracked")) {
        const nearest = leftOver.length > 0 && missing.length < NEAREST ? closest(name, leftOver) : undefined;
        missing.push({ name, shape, ...(nearest !== undefined && { nearest }) });
      }
      continue;
    }
    const { storedName, tensor } = found;
    const entry = { name, storedName, shape };
    const fits = tensor.shape.join() === shape.join() && isLoadable(tensor, parameter.trainable);
    const changed = !fits && facts ? adaptTensor(name, tensor, { shape, facts }) : undefined;
    if (fits) matched.push(entry);
    else if (changed) adapted.push({ ...entry, storedShape: tensor.shape, how: changed.how });
    else mismatched.push({ ...entry, storedShape: tensor.shape, dtype: tensor.dtype });
    if (fits || changed) ready.set(name, changed?.tensor ?? tensor);
  }
  const count = matched.length + adapted.length;
  const all = count + missing.length + mismatched.length;
  return { ready, matched, adapted, missing, mismatched, share: all === 0 ? 1 : count / all };
}

function isLoadable({ data }: StoredTensor, trainable: boolean): boolean {
  return data instanceof Float32Array || data instanceof Float64Array || (!trainable && data instanceof BigInt64Array);
}
