import { type PretrainingConfiguration, RESOLVED_DEFAULTS } from "./configuration.ts";
import { defaultPatch } from "./encoder_arguments.ts";
import { PRESETS } from "./presets.ts";

/** A configuration with every automatic choice made. */
export type ResolvedConfiguration = Readonly<
  Omit<PretrainingConfiguration, "out" | "features" | "patch" | "steps" | "epochs" | "aligner" | "backend"> & {
    out: string;
    features: number[];
    patch: [number, number, number];
    steps: number;
    aligner: string;
    backend: "webgpu" | "cpu";
  }
>;

/**
 * Makes the choices that a configuration leaves open.
 *
 * @param found What the machine and the data offer: the active backend, the number of training scans, the run's folder.
 */
export function resolveConfiguration(
  configuration: PretrainingConfiguration,
  found: { backend: "webgpu" | "cpu"; trainingScans: number; out: string },
): ResolvedConfiguration {
  const { epochs, ...rest } = configuration;
  const defaults = RESOLVED_DEFAULTS[found.backend];
  const stepsOfEpochs = epochs === null ? defaults.steps : Math.ceil((epochs * found.trainingScans) / rest.batch);
  return {
    ...rest,
    out: found.out,
    features: rest.features ?? [...defaults.features],
    patch: (rest.patch ?? defaultPatch(rest.encoder, defaults.patch)) as [number, number, number],
    steps: rest.steps ?? stepsOfEpochs,
    aligner: rest.aligner ?? PRESETS[rest.preset].aligner,
    backend: found.backend,
  };
}
