import type { RAISED_LIMITS } from "../_webgpu_backend.ts";

/** What the device of a plan is like. */
export interface PlanDeviceDescription {
  /** Limits; those missing are WebGPU's defaults, which every device offers. */
  readonly limits: Partial<DeviceLimits>;
  /** Features, such as `timestamp-query`. */
  readonly features: Iterable<string>;
}

/** Limits that the backend asks for. */
export type DeviceLimits = Readonly<Record<(typeof RAISED_LIMITS)[number], number>>;

const DEFAULT_LIMITS: DeviceLimits = {
  maxBufferSize: 256 * 2 ** 20,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxStorageBuffersPerShaderStage: 8,
};

/** A device that takes every command and does nothing: buffers have a size and no memory, and are read as zeros. */
export class PlanDevice extends EventTarget {
  readonly limits: DeviceLimits;
  readonly features: ReadonlySet<string>;
  /** Never lost. */
  readonly lost = new Promise<never>(() => {});
  readonly queue = { submit(): void {}, writeBuffer(): void {} };

  constructor({ limits, features }: PlanDeviceDescription) {
    super();
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.features = new Set(features);
  }

  createBuffer(description: { size: number; usage: number; mappedAtCreation?: boolean }): GPUBuffer {
    return makeBuffer(description);
  }

  createShaderModule(): object {
    return {};
  }

  createComputePipeline(): object {
    return { getBindGroupLayout: () => ({}) };
  }

  createBindGroup(): object {
    return {};
  }

  createQuerySet(): object {
    return { destroy(): void {} };
  }

  createCommandEncoder(): object {
    const pass = { setPipeline(): void {}, setBindGroup(): void {}, dispatchWorkgroups(): void {}, end(): void {} };
    return {
      beginComputePass: () => pass,
      copyBufferToBuffer(): void {},
      resolveQuerySet(): void {},
      finish: () => ({}),
    };
  }

  pushErrorScope(): void {}

  popErrorScope(): Promise<null> {
    return Promise.resolve(null);
  }

  destroy(): void {}
}

/** TensorFlow.js tells buffers from textures by their class. */
function makeBuffer({ size, usage, mappedAtCreation = false }: {
  readonly size: number;
  readonly usage: number;
  readonly mappedAtCreation?: boolean;
}): GPUBuffer {
  let mapped = mappedAtCreation;
  return Object.create(GPUBuffer.prototype, {
    size: { value: size },
    usage: { value: usage },
    mapState: { get: () => mapped ? "mapped" : "unmapped" },
    getMappedRange: { value: () => new ArrayBuffer(size) },
    mapAsync: { value: () => (mapped = true, Promise.resolve()) },
    unmap: { value: () => void (mapped = false) },
    destroy: { value: () => {} },
  });
}
