import {
  createEncoder,
  type Encoder3D,
  type EncoderName,
  type EncoderOptionsByName,
  listEncoders,
} from "@med3d/encoder3d";
import { listAligners } from "@med3d/pot-align";
import { type BackendChoice, selectBackend } from "@med3d/webgpu-kernels";
import { Random } from "random";
import { encoderArguments } from "./encoder_arguments.ts";
import { nearestName, type PretrainingConfiguration, UsageError } from "./configuration.ts";
import type { ModelParts } from "./model.ts";
import { resolveConfiguration, type ResolvedConfiguration } from "./resolve.ts";
import { listScans, type ScanList } from "./scans.ts";

/** What a run starts from: everything that can be wrong with how it was called has been checked. */
export interface PreparedRun {
  /** What is computed on. */
  readonly backend: BackendChoice;
  /** Every choice made. */
  readonly configuration: ResolvedConfiguration;
  /** The scans, not read yet. */
  readonly scans: ScanList;
  /** The 3D encoder that is pretrained. */
  readonly encoder: Encoder3D;
}

/**
 * Starts the backend, lists the scans, makes the choices that the configuration leaves open and the encoder.
 *
 * @param out Folder of the run.
 * @throws UsageError when a name is unknown or the patch does not fit the encoder.
 */
export async function prepareRun(
  wanted: PretrainingConfiguration,
  { out, parts = {} }: { out: string; parts?: ModelParts },
): Promise<PreparedRun> {
  checkName("encoder", wanted.encoder, listEncoders().map(({ name }) => name));
  if (wanted.aligner !== null) checkName("aligner", wanted.aligner, listAligners());
  const backend = await selectBackend({ backend: wanted.backend });
  const scans = await listScans(wanted);
  const trainingScans = scans.scans.filter(({ heldOut }) => !heldOut).length;
  const configuration = resolveConfiguration(wanted, { backend: backend.name, trainingScans, out });
  const encoder = parts.encoder ?? makeEncoder(configuration);
  checkPatch(configuration.patch, encoder);
  return { backend, configuration, scans, encoder };
}

/** Makes the 3D encoder of a configuration, seeded by it. @throws UsageError when its options do not fit it. */
export function makeEncoder(configuration: ResolvedConfiguration): Encoder3D {
  const options = { ...encoderArguments(configuration), random: new Random(`${configuration.seed}/encoder`) };
  try {
    return createEncoder(configuration.encoder as EncoderName, options as unknown as EncoderOptionsByName[EncoderName]);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`Cannot pretrain with ${JSON.stringify(encoderArguments(configuration))}: ${error.message}`, {
      cause: error,
    });
  }
}

function checkName(key: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new UsageError(
    `Cannot pretrain: unknown ${key}: got "${name}", expected one of ${known.join(", ")}.${nearestName(name, known)}`,
  );
}

/** The deepest level must have whole cells, and enough of them that instance norm has something to norm. */
function checkPatch(patch: readonly [number, number, number], encoder: Encoder3D): void {
  const stride = encoder.strides.at(-1)!;
  const cells = patch.map((extent, axis) => extent / stride[axis]!);
  if (cells.every(Number.isInteger) && cells.reduce((product, count) => product * count, 1) > 1) return;
  const fitting = patch.map((extent, axis) => Math.max(2, Math.round(extent / stride[axis]!)) * stride[axis]!);
  throw new UsageError(
    `Cannot pretrain: the patch does not fit the encoder, whose deepest level has one cell per ${
      stride.join("x")
    } voxels: got ${patch.join("x")}, expected multiples, more than one cell in all. Pass --patch ${
      fitting.join("x")
    }.`,
  );
}
