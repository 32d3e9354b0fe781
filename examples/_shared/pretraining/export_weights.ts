import { type EncoderName, makeSidecar, saveWeights } from "@med3d/encoder3d";
import { type Parameters, saveStateDict, writeSafetensors } from "@med3d/nn";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { encoderArguments } from "./encoder_arguments.ts";
import type { PretrainingModel } from "./model.ts";
import { CT_WINDOW_HU } from "./prepare.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { RUN_FILES, writeWhole } from "./run_folder.ts";

/**
 * Writes the encoder as PyTorch's own networks load it, the whole model with the names used here, and a sidecar in the form of nnssl's
 * adaptation plan that says how the encoder is built and what its input must look like.
 */
export async function exportWeights(
  model: PretrainingModel,
  configuration: ResolvedConfiguration,
  { ownEncoder }: { ownEncoder: boolean },
): Promise<void> {
  const { out, encoder, patch } = configuration;
  const bytes = await saveWeights({ encoder: model.encoder });
  await writeWhole(join(out, RUN_FILES.encoder), bytes);
  await writeWhole(join(out, RUN_FILES.model), writeSafetensors(await saveStateDict(weightsOf(model))));
  const { center: centerHu, width: widthHu } = CT_WINDOW_HU;
  const sidecar = makeSidecar(model.encoder, {
    name: ownEncoder ? null : encoder as EncoderName,
    arguments: ownEncoder ? {} : encoderArguments(configuration),
    patchSize: patch,
    input: {
      orientation: "RAS+",
      spacingMm: null,
      resize: patch, // the whole field of view
      channels: [{ kind: "percentiles", percentiles: [0.5, 99.5] }],
      channelsByModality: { CT: [{ kind: "window", centerHu, widthHu }] },
    },
    weights: { file: RUN_FILES.encoder, sha256: createHash("sha256").update(bytes).digest("hex") },
  });
  await writeWhole(join(out, RUN_FILES.sidecar), JSON.stringify(sidecar, null, 2) + "\n");
}

/** Parameters and what belongs to them untrained, such as running statistics, under the names that PyTorch's state dict has. */
function weightsOf({ parameters, buffers = new Map() }: { parameters: Parameters; buffers?: Parameters }): Parameters {
  return new Map([...parameters, ...buffers]);
}
