import * as tf from "@tensorflow/tfjs-core";

/** A compute shader to be run through TensorFlow.js' WebGPU backend, on tensors that the backend holds. */
export interface ShaderProgram {
  /** Tells pipelines apart: everything that `code` was generated from belongs in here. */
  readonly key: string;
  /** Names under which `code` reads the inputs, each an `array<f32>` (or `array<vec4<f32>>`, see `vectorInputs`). */
  readonly inputs: readonly string[];
  /** Shape of the output, an `array<f32>` named `result`. */
  readonly outputShape: readonly number[];
  /** WGSL functions; `fn main(index : i32)` is the entry. `localIndex`, `workgroupId` and `globalId` are at hand. */
  readonly code: string;
  /** Invocations per workgroup. */
  readonly workgroupSize: readonly [number, number, number];
  /** Workgroups. */
  readonly workgroups: readonly [number, number, number];
  /** Floats per element of each input, 1 or 4, in order of `inputs`. Default 1 each. */
  readonly vectorInputs?: readonly (1 | 4)[];
  /** Floats per element of `result`. Default 1. */
  readonly vectorOutput?: 1 | 4;
  /** Type of the output. Default `"float32"`. */
  readonly outputType?: "float32" | "int32";
}

/** What of TensorFlow.js' WebGPU backend is used here; its own types are not exported. */
interface WebGpuBackendLike {
  runWebGPUProgram(
    program: Record<string, unknown>,
    inputs: readonly tf.TensorInfo[],
    dtype: "float32" | "int32",
    uniforms?: undefined,
    output?: tf.TensorInfo,
  ): tf.TensorInfo;
  readonly tensorMap: { get(dataId: object): { readonly dtype: tf.DataType } };
  disposeData(dataId: object): boolean;
}

/** Integers that `tf.cast` calls floats, as it does without touching them; shaders here read what is there. */
function isCastAlone({ dataId, dtype }: tf.TensorInfo, { tensorMap }: WebGpuBackendLike): boolean {
  return dtype === "float32" && tensorMap.get(dataId).dtype !== "float32";
}

/** Makes such integers floats. */
function convert(x: tf.TensorInfo): tf.TensorInfo {
  return runShader({
    key: "convert",
    inputs: ["x"],
    outputShape: x.shape,
    workgroupSize: [64, 1, 1],
    workgroups: [Math.ceil(tf.util.sizeFromShape(x.shape) / 64), 1, 1],
    code: "fn main(index : i32) { if (index < i32(arrayLength(&result))) { result[index] = f32(x[index]); } }",
  }, [{ ...x, dtype: "int32" }]);
}

/**
 * Runs a shader on the active WebGPU backend.
 *
 * @param program What to run.
 * @param inputs float32 tensors, or of what type the code reads, in the order of `program.inputs`; stay the caller's.
 * @param output An existing tensor to write into; nothing makes a new one.
 * @returns The output, of `program.outputShape`; the caller disposes.
 */
export function runShader(
  program: ShaderProgram,
  inputs: readonly tf.TensorInfo[],
  output?: tf.TensorInfo,
): tf.TensorInfo {
  const backend = tf.backend() as unknown as WebGpuBackendLike;
  const converted = new Map(
    inputs.filter((input) => isCastAlone(input, backend)).map((input) => [input, convert(input)]),
  );
  if (converted.size > 0) {
    const result = runShader(program, inputs.map((input) => converted.get(input) ?? input), output);
    for (const { dataId } of converted.values()) backend.disposeData(dataId);
    return result;
  }
  const [x, y, z] = program.workgroups;
  // TensorFlow.js writes shader and bind group from these fields. Its uniforms go unused by most shaders, yet an automatic
  // layout drops a binding that no code reads: one read of `uniforms` keeps it.
  const description = {
    variableNames: [...program.inputs],
    variableComponents: [...program.vectorInputs ?? program.inputs.map(() => 1)],
    outputComponent: program.vectorOutput ?? 1,
    outputShape: [...program.outputShape],
    workgroupSize: [...program.workgroupSize],
    dispatch: [x, y, z],
    dispatchLayout: { x: [] }, // flat: `main` gets the global index
    shaderKey: `med3d/${program.key}`,
    getUserCode: () =>
      program.code.replace(
        /fn main\(index : i32\)\s*\{/,
        "fn main(index : i32) { if (uniforms.NAN == 0.0) { return; }",
      ),
  };
  return backend.runWebGPUProgram(description, inputs, program.outputType ?? "float32", undefined, output);
}
