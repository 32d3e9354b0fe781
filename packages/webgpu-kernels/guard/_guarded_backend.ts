import * as tf from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type BufferDevice, BufferPool } from "../memory/_buffer_pool.ts";
import { IdleTimer } from "../memory/_idle_timer.ts";
import { type DeviceGuard, type GuardedDevice, installDeviceGuard } from "./device_guard.ts";
import { type Binding, BindingCache, type Uniform, type UniformProgram } from "./_binding_cache.ts";
import { LimitChecks, type Limits, mebibytes } from "./_limit_checks.ts";
import { nextTask } from "./_next_task.ts";
import { GpuError } from "./gpu_error.ts";

type RunArguments = Parameters<WebGPUBackend["runWebGPUProgram"]>;
type Program = RunArguments[0];

/** A shader that writes into tensors which exist, several at once, where TensorFlow.js' programs write one new one. */
export interface InPlaceProgram {
  /** Tells pipelines apart: everything that `code` was generated from belongs in here. */
  readonly key: string;
  /**
   * Whole WGSL module with the entry `main`. Tensors are bindings 0 … n−1 of group 0, and n is a uniform `struct { NAN : f32 }` of
   * TensorFlow.js'. Each binding must be used.
   */
  readonly code: string;
  /** Workgroups. */
  readonly workgroups: readonly [number, number, number];
}

/** A tensor that is about to get its buffer. */
interface Placing {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** What is recorded: a pipeline and how many workgroups. */
interface RecordedProgram {
  readonly pipeline: object;
  readonly dispatch: readonly [number, number, number];
  /** Set where a shader reads or writes an image, whose uniforms differ. */
  readonly pixelsOpType?: unknown;
}

/** Parts of TensorFlow.js' backend that its types keep private. */
interface Internals {
  bufferManager: unknown;
  /** Set while kernels are timed, each in a pass of its own. */
  readonly activeTimers: unknown;
  readonly commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  readonly commandQueueOwnedIds: WeakSet<object>;
  readonly uniformPendingDisposal: object[];
  recordAndSubmit(
    program: RecordedProgram & UniformProgram,
    output: tf.TensorInfo,
    inputs: readonly tf.TensorInfo[],
    uniforms?: readonly Uniform[],
  ): void;
  tensorToBinding(tensor: tf.TensorInfo): Binding;
  makeUniforms(uniforms: readonly Uniform[]): Binding;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  convertAndCacheOnCPU(dataId: object, values: tf.backend_util.BackendValues): tf.backend_util.BackendValues;
}

/**
 * TensorFlow.js' WebGPU backend, which checks before every dispatch, its own kernels' and all others', that the tensors fit the device, sends
 * each shader for the first time in an error scope, and gives no results away after a failure.
 */
export class GuardedWebGPUBackend extends WebGPUBackend {
  /** Listens to the device. */
  readonly guard: DeviceGuard;
  /** Whether the device is a processor's (llvmpipe, SwiftShader) rather than a GPU. */
  readonly isFallbackAdapter: boolean;
  /** The device's buffers. */
  readonly pool: BufferPool;
  readonly #idle = new IdleTimer(30_000, () => void this.trim());
  #placing: Placing | undefined;
  readonly #limits: Limits;
  readonly #checks: LimitChecks;
  readonly #sent = new Set<string>();
  readonly #pipelines = new Map<string, object>();
  readonly #writtenInPlace = new WeakSet<object>();
  /** Uniforms that commands which wait may still read. */
  readonly #idleUniforms: GPUBuffer[] = [];
  readonly #bindings = new BindingCache({
    makeUniforms: (uniforms) => this.#makeUniforms(uniforms),
    makeGroup: (pipeline, bindings) =>
      (this.device as unknown as GPUDevice).createBindGroup({
        layout: (pipeline as GPUComputePipeline).getBindGroupLayout(0),
        entries: bindings.map((resource, binding) => ({ binding, resource: resource as GPUBufferBinding })),
      }),
    releaseUniforms: ({ buffer }) => void this.#idleUniforms.push(buffer as GPUBuffer),
  });

  constructor(...[device, adapterInfo]: ConstructorParameters<typeof WebGPUBackend>) {
    super(device, adapterInfo);
    this.guard = installDeviceGuard(device as unknown as GuardedDevice);
    this.isFallbackAdapter = isSoftware(adapterInfo as unknown as AdapterDescription);
    this.#limits = device.limits as unknown as Limits;
    this.#checks = new LimitChecks(this.#limits);
    // TensorFlow.js keeps values that were read, and never looks at the buffer again: wrong once a buffer is written in place.
    const internals = this as unknown as Internals;
    this.pool = new BufferPool(device as unknown as BufferDevice, {
      flush: () => this.#flush(),
      refuse: (size, limit) => this.#refuse(size, limit),
      destroyed: () => this.#bindings.forgetGroups(),
    });
    internals.bufferManager = this.pool;
    const record = internals.recordAndSubmit.bind(this);
    internals.recordAndSubmit = (program, output, inputs, uniforms) => {
      const timed = internals.activeTimers !== null && internals.activeTimers !== undefined;
      if (timed || (program.pixelsOpType ?? null) !== null) record(program, output, inputs, uniforms);
      else this.#record(program, output, { inputs, uniforms });
    };
    const cache = internals.convertAndCacheOnCPU.bind(this);
    internals.convertAndCacheOnCPU = (dataId, values) =>
      this.#writtenInPlace.has(dataId) ? values : cache(dataId, values);
  }

  /** Most tensors that one in-place dispatch can bind. */
  get mostTensorsInPlace(): number {
    return this.#limits.maxStorageBuffersPerShaderStage;
  }

  /**
   * Runs a shader that writes into tensors which exist. Where a tensor shares its memory with others (`refCount` above 1) they change too.
   *
   * @param tensors Those that the shader binds, in order; no two may share memory if one of them is written.
   * @param written Those of them that it writes.
   */
  runInPlace(
    { key, code, workgroups }: InPlaceProgram,
    tensors: readonly tf.TensorInfo[],
    written: readonly tf.TensorInfo[],
  ): void {
    this.guard.throwIfFailed();
    for (const { dataId, shape, dtype } of tensors) {
      this.#checks.checkBinding(shape, dtype);
      this.uploadToGPU(dataId);
    }
    const [first, ...rest] = tensors as [tf.TensorInfo, ...tf.TensorInfo[]];
    const record = (): void => {
      const pipeline = this.#pipelines.get(key) ?? this.#compile(key, code);
      const program = { pipeline, dispatch: workgroups, outputShape: first.shape, constructor: { name: key } };
      (this as unknown as Internals).recordAndSubmit(program, first, rest);
    };
    if (this.#pipelines.has(key)) record();
    else this.guard.watch(`The shader ${key}`, record);
    for (const { dataId } of written) {
      this.#writtenInPlace.add(dataId);
      this.tensorMap.get(dataId).values = null as never;
    }
  }

  /** Writes a dispatch down as TensorFlow.js does, but for uniforms and bind groups of before, which serve again. */
  #record(
    program: RecordedProgram & UniformProgram,
    output: tf.TensorInfo,
    { inputs, uniforms }: {
      readonly inputs: readonly tf.TensorInfo[];
      readonly uniforms: readonly Uniform[] | undefined;
    },
  ): void {
    const internals = this as unknown as Internals;
    const shapes = [...inputs, output].map(({ shape }) => shape);
    const group = this.#bindings.group(program.pipeline, [
      ...[output, ...inputs].map((tensor) => internals.tensorToBinding(tensor)),
      this.#bindings.uniforms(program, shapes, uniforms),
    ]);
    for (const { dataId } of [output, ...inputs]) internals.commandQueueOwnedIds.add(dataId);
    internals.ensureCommandEncoderReady();
    internals.computePassEncoder ??= internals.commandEncoder!.beginComputePass();
    const pass = internals.computePassEncoder;
    pass.setPipeline(program.pipeline as GPUComputePipeline);
    pass.setBindGroup(0, group as GPUBindGroup);
    pass.dispatchWorkgroups(...program.dispatch);
    internals.dispatchCountInPass++;
    if (tf.env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE") > internals.dispatchCountInPass) return;
    internals.endComputePassEncoder();
    this.submitQueue();
  }

  /** Uniforms that outlive the commands, in a buffer beside the pool: they are a few bytes, and no tensors. */
  #makeUniforms(uniforms: readonly Uniform[]): Binding {
    const internals = this as unknown as Internals;
    const device = this.device as unknown as GPUDevice;
    internals.bufferManager = {
      acquireBuffer: (size: number, usage: number) => device.createBuffer({ size, usage }),
    };
    try {
      const binding = internals.makeUniforms(uniforms);
      internals.uniformPendingDisposal.pop();
      return binding;
    } finally {
      internals.bufferManager = this.pool;
    }
  }

  #compile(key: string, code: string): object {
    const device = this.device as unknown as GPUDevice;
    const module = device.createShaderModule({ code, label: key });
    const pipeline = device.createComputePipeline({
      layout: "auto",
      label: key,
      compute: { module, entryPoint: "main" },
    });
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }

  override runWebGPUProgram(...args: RunArguments): tf.TensorInfo {
    this.guard.throwIfFailed();
    const [program, inputs, dtype, , output] = args;
    for (const input of inputs) this.#checks.checkBinding(input.shape, input.dtype);
    this.#checks.checkBinding(output?.shape ?? program.outputShape, output?.dtype ?? dtype);
    const name = program.shaderKey;
    if (this.#sent.has(name)) {
      this.#checks.checkDispatch(program);
      return super.runWebGPUProgram(...args);
    }
    this.#checks.checkDispatch(program);
    this.#checks.checkPipeline(program, inputs.length);
    this.#sent.add(name);
    return this.guard.watch(describe(program, inputs), () => super.runWebGPUProgram(...args));
  }

  /**
   * TensorFlow.js holds a disposed tensor's buffer until the commands that use it have gone out. The device runs commands in the order in which
   * they were written down, so later ones of the same batch may as well write into it: only destroying it would have to wait.
   */
  override disposeData(dataId: object, force = false): boolean {
    (this as unknown as Internals).commandQueueOwnedIds.delete(dataId);
    return super.disposeData(dataId, force);
  }

  override submitQueue(): void {
    super.submitQueue();
    for (const buffer of this.#idleUniforms.splice(0)) buffer.destroy();
    this.#idle.note();
  }

  /** Sets how much may be allocated, and how long pooled buffers are kept while nothing is sent. */
  setMemoryPolicy(limitBytes: number, trimAfterIdleMs: number): void {
    this.pool.limitBytes = limitBytes;
    if (this.pool.numBytesAllocated > limitBytes) {
      this.#flush();
      this.pool.trim(this.pool.numBytesAllocated - limitBytes);
    }
    this.#idle.stop();
    this.#idle.delayMs = trimAfterIdleMs;
    this.#idle.note();
  }

  /** Sends what waits and destroys the buffers that are kept for reuse; returns their bytes. */
  trim(): number {
    if (this.guard.failure) return 0;
    this.#flush();
    return this.pool.trim();
  }

  /** Sends the commands that wait. */
  #flush(): void {
    const internals = this as unknown as Internals;
    if (!internals.commandEncoder) return;
    internals.endComputePassEncoder();
    this.submitQueue();
  }

  #refuse(size: number, limit: number): never {
    const what = this.#placing ? `[${this.#placing.shape}] ${this.#placing.dtype}, ` : "";
    throw new GpuError(
      "limit",
      `Cannot place a tensor on the device: memory is used up: got ${what}${mebibytes(size)} more than the ` +
        `${mebibytes(this.pool.numBytesUsed)} in use, expected at most ${mebibytes(limit)} in all. ` +
        `Use a smaller batch or patch, recompute stages, or raise the limit of setMemoryPolicy.`,
    );
  }

  override uploadToGPU(dataId: object): void {
    this.guard.throwIfFailed();
    const { resource, shape, dtype } = this.tensorMap.get(dataId);
    if (resource !== undefined && resource !== null) return;
    this.#checks.checkBinding(shape, dtype);
    this.#placing = { shape, dtype };
    super.uploadToGPU(dataId);
    this.#placing = undefined;
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
    this.#idle.stop();
    super.dispose();
    this.device.destroy();
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
