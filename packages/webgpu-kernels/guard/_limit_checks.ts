import { GpuError } from "./gpu_error.ts";
import { workgroupBytes } from "./_workgroup_bytes.ts";

/** Limits of a device that a dispatch can exceed. */
export type Limits = Readonly<
  Record<
    | "maxStorageBufferBindingSize"
    | "maxBufferSize"
    | "maxStorageBuffersPerShaderStage"
    | "maxComputeInvocationsPerWorkgroup"
    | "maxComputeWorkgroupStorageSize"
    | "maxComputeWorkgroupsPerDimension",
    number
  >
>;

/** What of a shader of TensorFlow.js' is checked. */
export interface CheckedProgram {
  readonly shaderKey: string;
  readonly outputShape: readonly number[];
  readonly dispatch: readonly [number, number, number];
  readonly dispatchLayout: { readonly y?: number[]; readonly z?: number[] };
  readonly workgroupSize: readonly [number, number, number];
  getUserCode(): string;
}

/** Refuses, by a GpuError of kind `limit` that names shapes and figures, what a device cannot hold or run, before it is sent. */
export class LimitChecks {
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Refuses a tensor that is too large for a buffer or a binding. */
  checkBinding(shape: readonly number[], dtype: string): void {
    const bytes = bytesOf(shape, dtype);
    const limit = Math.min(this.#limits.maxStorageBufferBindingSize, this.#limits.maxBufferSize);
    if (bytes > limit) {
      throw new GpuError(
        "limit",
        `Cannot place a tensor on the device: it is too large for one buffer: got [${shape}] ${dtype}, ${
          mebibytes(bytes)
        }, expected at ` +
          `most ${mebibytes(limit)}. Use a smaller batch, patch or number of channels.`,
      );
    }
  }

  /** Refuses more workgroups than a dispatch can have. */
  checkDispatch(program: CheckedProgram): void {
    const most = this.#limits.maxComputeWorkgroupsPerDimension;
    const [x, y, z] = program.dispatch;
    const flat = program.dispatchLayout.y === undefined && program.dispatchLayout.z === undefined; // may be folded into three dimensions
    if (y > most || z > most || (x > most && !flat) || x > most ** 3) {
      throw new GpuError(
        "limit",
        `Cannot dispatch ${program.shaderKey}: too many workgroups for output [${program.outputShape}]: got [${program.dispatch}], ` +
          `expected at most ${most} each. Reshape the tensors so that no dimension is that long.`,
      );
    }
  }

  /** Refuses a shader that wants more than a pipeline can have. */
  checkPipeline(program: CheckedProgram, inputs: number): void {
    const refuse = (what: string, got: number, most: number): void => {
      if (got <= most) return;
      throw new GpuError(
        "limit",
        `Cannot build the pipeline of ${program.shaderKey} for output [${program.outputShape}]: ${what}: got ${got}, expected at most ` +
          `${most}. Use another device or smaller tensors.`,
      );
    };
    const limits = this.#limits;
    refuse("too many storage buffers", inputs + 1, limits.maxStorageBuffersPerShaderStage);
    const invocations = program.workgroupSize.reduce((product, size) => product * size, 1);
    refuse("too many invocations per workgroup", invocations, limits.maxComputeInvocationsPerWorkgroup);
    const bytes = workgroupBytes(program.getUserCode());
    refuse("too much workgroup memory in bytes", bytes, limits.maxComputeWorkgroupStorageSize);
  }
}

/** Bytes of a tensor on the device. */
export function bytesOf(shape: readonly number[], dtype: string): number {
  return shape.reduce((product, size) => product * size, dtype === "complex64" ? 8 : 4);
}

/** A number of bytes for a message. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
