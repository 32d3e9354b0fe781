import type { FrozenEncoder } from "@med3d/captioner";
import { parseSidecar } from "@med3d/encoder3d";
import { loadStateDict, readSafetensors } from "@med3d/nn";
import { type BackendChoice, selectBackend } from "@med3d/webgpu-kernels";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseConfiguration, UsageError } from "./configuration.ts";
import { disposeFrozenEncoder, readEmbeddingSpace } from "./embedding_space.ts";
import { createPretrainingModel, type PretrainingModel } from "./model.ts";
import { makeEncoder } from "./prepare_run.ts";
import { resolveConfiguration, type ResolvedConfiguration } from "./resolve.ts";
import { readRunConfiguration, RUN_FILES } from "./run_folder.ts";

/** Options of {@linkcode loadRun}. */
export interface LoadRunOptions {
  /** What to compute on. */
  readonly backend: "auto" | "webgpu" | "cpu";
  /** Folder of the frozen 2D encoder, where it is elsewhere than when the run was made. */
  readonly encoder2d?: string;
}

/** A finished pretraining run, as it can be asked again. */
export interface LoadedRun extends AsyncDisposable {
  /** Its folder. */
  readonly folder: string;
  /** What is computed on. */
  readonly backend: BackendChoice;
  /** Settings that it was trained with; the backend is the one in use. */
  readonly configuration: ResolvedConfiguration;
  /** The trained model: encoder, PSAT, decoder and alignment. */
  readonly model: PretrainingModel;
  /** The frozen 2D encoder whose vectors it was aligned with. */
  readonly encoder2d: FrozenEncoder;
}

/**
 * Loads a finished pretraining run: its configuration, every weight of its model and the frozen 2D encoder that it was aligned with. The
 * caller disposes with `await using`.
 *
 * @throws UsageError when the folder holds no finished run, an encoder of the user's own, or files that do not belong together.
 */
export async function loadRun(folder: string, options: LoadRunOptions): Promise<LoadedRun> {
  const refuse = (problem: string, action: string, cause?: unknown): never => {
    throw new UsageError(`Cannot load the run ${folder}: ${problem}. ${action}`, { cause });
  };
  const read = (name: string): Promise<Uint8Array> =>
    readFile(join(folder, name)).catch((error) =>
      refuse(`it has no ${name}: ${error.message}`, "Name the folder of a finished deno task pretrain.", error)
    );
  await read(RUN_FILES.configuration);
  const stored = await readRunConfiguration(folder).catch((error) =>
    refuse(`${RUN_FILES.configuration} is unsound: ${error.message}`, "Copy the run's folder again.", error)
  );
  const kept = parseConfiguration(stored, join(folder, RUN_FILES.configuration));
  const wanted = options.encoder2d === undefined ? kept : { ...kept, encoder2d: options.encoder2d };
  const weights = await read(RUN_FILES.model);
  const sidecar = new TextDecoder().decode(await read(RUN_FILES.sidecar));
  if (parseSidecar(sidecar).med3d?.encoder.name === null) {
    refuse("its 3D encoder is one of your own", "Make the model in your own code, with createPretrainingModel.");
  }
  const encoder2d = await readEmbeddingSpace(folder, wanted);
  let model: PretrainingModel | undefined;
  try {
    const backend = await selectBackend({ backend: options.backend });
    const configuration = resolveConfiguration(wanted, { backend: backend.name, trainingScans: 1, out: folder });
    model = createPretrainingModel({
      configuration,
      encoder: makeEncoder(configuration),
      embeddingWidth: encoder2d.width,
    });
    loadStateDict(new Map([...model.parameters, ...model.buffers]), readSafetensors(weights).tensors);
    const made = model;
    return {
      folder,
      backend,
      configuration,
      model,
      encoder2d,
      [Symbol.asyncDispose]: async () => {
        made.dispose();
        await disposeFrozenEncoder(encoder2d);
      },
    };
  } catch (error) {
    model?.dispose();
    await disposeFrozenEncoder(encoder2d);
    const { message } = error as Error;
    return refuse(
      `${RUN_FILES.model} does not fit ${RUN_FILES.configuration}: ${message.replace(/\.$/, "")}`,
      "Copy the run's folder again; a run with an alignment loss of your own is loaded in your own code.",
      error,
    );
  }
}
