import { type Parameters, saveStateDict, writeSafetensors } from "@med3d/nn";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { encoderArguments } from "./encoder_arguments.ts";
import type { PretrainingModel } from "./model.ts";
import { CT_WINDOW_HU } from "./prepare.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { RUN_FILES, writeWhole } from "./run_folder.ts";

/** How the sidecar names an encoder that the registry does not know. */
const OWN_ENCODER = "the user's own";

/**
 * Writes the encoder and the whole model as safetensors with PyTorch's names and layouts, and a sidecar that says how the
 * encoder is built and what its input must look like.
 */
export async function exportWeights(
  model: PretrainingModel,
  configuration: ResolvedConfiguration,
  { ownEncoder }: { ownEncoder: boolean },
): Promise<void> {
  const { out, encoder, patch } = configuration;
  const encoderHash = await writeParameters(join(out, RUN_FILES.encoder), weightsOf(model.encoder));
  await writeParameters(join(out, RUN_FILES.model), weightsOf(model));
  const sidecar = {
    format: "med3d-encoder-1",
    weights: RUN_FILES.encoder,
    sha256: encoderHash,
    architecture: ownEncoder ? OWN_ENCODER : encoder,
    arguments: ownEncoder ? null : encoderArguments(configuration),
    channels: model.encoder.channels,
    strides: model.encoder.strides,
    keyPrefixInModel: "encoder.",
    input: {
      layout: "NDHWC",
      orientation: "RAS+",
      patch,
      resize: "whole field of view, trilinear, half-voxel centres",
      intensity: { CT: { windowHu: CT_WINDOW_HU, range: [0, 1] }, other: { percentiles: [0.5, 99.5], range: [0, 1] } },
    },
  };
  await writeWhole(join(out, RUN_FILES.sidecar), JSON.stringify(sidecar, null, 2) + "\n");
}

/** Parameters and what belongs to them untrained, such as running statistics, under the names that PyTorch's state dict has. */
function weightsOf({ parameters, buffers = new Map() }: { parameters: Parameters; buffers?: Parameters }): Parameters {
  return new Map([...parameters, ...buffers]);
}

async function writeParameters(path: string, parameters: Parameters): Promise<string> {
  const bytes = writeSafetensors(await saveStateDict(parameters));
  await writeWhole(path, bytes);
  return createHash("sha256").update(bytes).digest("hex");
}
