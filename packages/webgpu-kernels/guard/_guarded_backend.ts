import type * as tf from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type DeviceGuard, type GuardedDevice, installDeviceGuard } from "./device_guard.ts";
import { nextTask } from "./_next_task.ts";
import { GpuError } from "./gpu_error.ts";
import { workgroupBytes } from "./_workgroup_bytes.ts";

type RunArguments = Parameters<WebGPUBackend["runWebGPUProgram"]>;
type Program = RunArguments[0];

/** Limits of a device that a dispatch can exceed. */
type Limits = Readonly<
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

/**
 * TensorFlow.js' WebGPU backend, which checks before every dispatch, its own kernels' and all others', that the tensors fit the device, sends
 * each shader for the first time in an error scope, and gives no results away after a failure.
 */
export class GuardedWebGPUBackend extends WebGPUBackend {
  /** Listens to the device. */
  readonly guard: DeviceGuard;
  /** Whether the device is a processor's (llvmpipe, SwiftShader) rather than a GPU. */
  readonly isFallbackAdapter: boolean;
  readonly #limits: Limits;
  readonly #sent = new Set<string>();

  constructor(...[device, adapterInfo]: ConstructorParameters<typeof WebGPUBackend>) {
    super(device, adapterInfo);
    this.guard = installDeviceGuard(device as unknown as GuardedDevice);
    this.isFallbackAdapter = isSoftware(adapterInfo as unknown as AdapterDescription);
    this.#limits = device.limits as unknown as Limits;
  }

  override runWebGPUProgram(...args: RunArguments): tf.TensorInfo {
    this.guard.throwIfFailed();
    const [program, inputs, dtype, , output] = args;
    for (const input of inputs) this.#checkBinding(input.shape, input.dtype);
    this.#checkBinding(output?.shape ?? program.outputShape, output?.dtype ?? dtype);
    const name = program.shaderKey;
    if (this.#sent.has(name)) {
      this.#checkDispatch(program);
      return super.runWebGPUProgram(...args);
    }
    this.#checkDispatch(program);
    this.#checkPipeline(program, inputs.length);
    this.#sent.add(name);
    return this.guard.watch(describe(program, inputs), () => super.runWebGPUProgram(...args));
  }

  override uploadToGPU(dataId: object): void {
    this.guard.throwIfFailed();
    const { resource, shape, dtype } = this.tensorMap.get(dataId);
    if (resource === undefined || resource === null) this.#checkBinding(shape, dtype);
    super.uploadToGPU(dataId);
  }

  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    this.guard.throwIfFailed();
    try {
      const values = await super.read(dataId);
      await this.guard.settled();
      this.guard.throwIfFailed();
      return values;
    } catch (error) {
      await nextTask(); // the loss of the device is told after the reads that it breaks
      this.guard.throwIfFailed();
      throw error;
    }
  }

  override dispose(): void {
    this.guard.release();
    super.dispose();
    this.device.destroy();
  }

  #checkBinding(shape: readonly number[], dtype: string): void {
    const bytes = shape.reduce((product, size) => product * size, dtype === "complex64" ? 8 : 4);
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

  #checkDispatch(program: Program): void {
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

  #checkPipeline(program: Program, inputs: number): void {
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

/** What an adapter says of itself. */
export interface AdapterDescription {
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

/** Whether an adapter is a processor; not every browser says so outright. */
export function isSoftware({ description, isFallbackAdapter }: AdapterDescription): boolean {
  return isFallbackAdapter || /llvmpipe|swiftshader|basic render/i.test(description);
}

function describe(program: Program, inputs: readonly tf.TensorInfo[]): string {
  const shapes = inputs.map(({ shape }) => `[${shape}]`).join(", ");
  return `The shader ${program.shaderKey} (${shapes} → [${program.outputShape}])`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
