import type { Preprocessing } from "@med3d/downstream";
import {
  createEncoder,
  createEncoderFromSidecar,
  type Encoder3D,
  type EncoderName,
  type EncoderOptionsByName,
  parseSidecar,
} from "@med3d/encoder3d";
import { disposeParameters, loadStateDict } from "@med3d/nn";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "random";
import { readPretrained } from "../_shared/finetuning/pretrained.ts";
import { MODEL_FILES, readModel } from "../_shared/inference/model_description.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import { RUN_FILES } from "../_shared/pretraining/run_folder.ts";

/** What made a scan, as far as it is known. */
type Modality = "CT" | "MR" | "unknown";

/** An encoder as it lies in a run's folder, and what it is given. */
export interface StoredEncoder {
  /** Images per scan. */
  readonly channels: number;
  /** What is done to a scan. */
  readonly preprocessingOf: (modality: Modality) => Preprocessing;
  /** Voxels `[depth, height, width]` of a window. */
  readonly patchSize: readonly [number, number, number];
  /** What made the scans that it learned from, where that is one thing. */
  readonly modality: Modality;
  /** Makes it and loads its weights; the caller disposes with {@linkcode disposeEncoder}. Call once a backend is chosen. */
  readonly load: () => Encoder3D;
}

/**
 * Reads the encoder that a pretraining or fine-tuning run left.
 *
 * @throws UsageError when there is none, or files do not belong together.
 */
export async function readEncoder(folder: string): Promise<StoredEncoder> {
  const holds = (name: string): Promise<boolean> => stat(join(folder, name)).then(() => true, () => false);
  const isModel = await holds(MODEL_FILES.description);
  if (!isModel && !await holds(RUN_FILES.sidecar)) {
    throw new UsageError(
      `Cannot extract features: ${folder} holds no encoder: got neither ${RUN_FILES.sidecar} nor ${MODEL_FILES.description}, expected one. ` +
        `Name the folder of a finished deno task pretrain or finetune.`,
    );
  }
  const { tensors } = await readPretrained(folder); // checks that weights and description belong together
  const random = new Random("weights are loaded over these");
  const filled = (encoder: Encoder3D): Encoder3D => {
    const wanted = [...tensors].map(([name, tensor]) => [name.replace(/^buffers\./, ""), tensor] as const)
      .filter(([name]) => name.startsWith("encoder."))
      .map(([name, tensor]) => [name.slice("encoder.".length), tensor] as const);
    try {
      loadStateDict(new Map([...encoder.parameters, ...encoder.buffers ?? []]), new Map(wanted));
    } catch (error) {
      disposeEncoder(encoder);
      throw new UsageError(`Cannot extract features with ${folder}: ${(error as Error).message}`, { cause: error });
    }
    return encoder;
  };
  if (isModel) {
    const { description: { architecture, arguments: given, preprocessing, patch, modality } } = await readModel(folder);
    const options = { ...given, random } as unknown as EncoderOptionsByName[EncoderName];
    return {
      channels: preprocessing.channels.length,
      preprocessingOf: () => preprocessing,
      patchSize: patch,
      modality,
      load: () => filled(createEncoder(architecture as EncoderName, options)),
    };
  }
  const sidecar = parseSidecar(await readFile(join(folder, RUN_FILES.sidecar), "utf8"));
  const { channelsByModality = {}, ...input } = sidecar.med3d!.input; // readPretrained has seen that it is there
  return {
    channels: input.channels.length,
    preprocessingOf: (modality) => ({
      ...input,
      channels: (modality !== "unknown" && channelsByModality[modality]) || input.channels,
    }),
    patchSize: sidecar.recommended_downstream_patchsize,
    modality: "unknown",
    load: () => filled(createEncoderFromSidecar(sidecar, { random })),
  };
}

/** Disposes of an encoder's parameters and buffers. */
export function disposeEncoder({ parameters, buffers = new Map() }: Encoder3D): void {
  disposeParameters(parameters);
  disposeParameters(buffers);
}
