import { countParameters, type Parameters } from "@med3d/nn";
import { type BackendChoice, deviceMemory, GpuError, type MemoryPlan, planMemory } from "@med3d/webgpu-kernels";
import { READER_NAMES } from "./configuration.ts";
import type { Corpus } from "./corpus.ts";
import { createPretrainingModel } from "./model.ts";
import type { PreparedRun } from "./prepare_run.ts";
import { trainModel } from "./train_model.ts";

/** Bytes per trained parameter that a step holds: weight, gradient and the optimiser's two moments, float32. */
export const BYTES_PER_PARAMETER = 4 * 4;

/** What steps will take, known before one ran. */
export interface StepPlan {
  /** Trained parameters of each part, the encoder first. */
  readonly parameters: Readonly<Record<"encoder" | "reader" | "decoder" | "alignment", number>>;
  /** What a WebGPU device has to provide; where none could, why. */
  readonly memory: MemoryPlan | string;
  /** Why the device at hand cannot hold a step, and by how much; undefined where it can for all that is known. */
  readonly doesNotFit: string | undefined;
}

/**
 * Finds what two steps need of a WebGPU device, without computing them.
 *
 * @throws Error when a step is wrong in another way than by its size.
 */
export async function planSteps(
  { configuration, encoder, backend }: PreparedRun,
  { embeddingWidth, corpus, ownEncoder }: { embeddingWidth: number; corpus: Corpus; ownEncoder: boolean },
): Promise<StepPlan> {
  let parameters: StepPlan["parameters"] | undefined;
  try {
    const memory = await planMemory(async () => {
      const model = createPretrainingModel({ configuration, encoder, embeddingWidth, ownEncoder });
      parameters = countParts(model.parameters);
      await trainModel(model, { configuration: { ...configuration, steps: 2 }, corpus, dryRun: true });
    });
    return { parameters: parameters!, memory, doesNotFit: exceeds(memory.peakBytes, backend) };
  } catch (error) {
    if (!(error instanceof GpuError) || !parameters) throw error;
    return { parameters, memory: error.message, doesNotFit: backend.name === "webgpu" ? error.message : undefined };
  }
}

function countParts(parameters: Parameters): StepPlan["parameters"] {
  const under = (...parts: string[]): number =>
    countParameters(new Map([...parameters].filter(([name]) => parts.some((part) => name.startsWith(`${part}.`)))));
  return {
    encoder: under("encoder"),
    reader: under(...READER_NAMES),
    decoder: under("decoder", "head"),
    alignment: under("align"),
  };
}

/** A GPU does not tell what it has; a processor has what the machine has left. */
function exceeds(bytes: number, { name, isFallbackAdapter }: BackendChoice): string | undefined {
  const left = name === "cpu" || isFallbackAdapter ? Deno.systemMemoryInfo().available : Infinity;
  const available = Math.min(left, deviceMemory()?.limitBytes ?? Infinity);
  if (bytes <= available) return undefined;
  const [needed, offered, more] = [bytes, available, bytes - available].map(mebibytes);
  return `a step takes ${needed}, ${more} more than the ${offered} that are available. ` +
    `Pass a smaller --micro-batch or --patch, or --recompute.`;
}

/** Bytes in words. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
