import * as tf from "@tensorflow/tfjs-core";
import { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { bytesOf } from "../guard/_limit_checks.ts";
import type { PlanDevice } from "./_plan_device.ts";

/** Tensors of one shape that were alive together. */
export interface PlannedTensors {
  /** Shape of each. */
  readonly shape: readonly number[];
  /** Type of the elements. */
  readonly dtype: string;
  /** The shader that made the first of them, "upload" where it came from the program's own memory. */
  readonly madeBy: string;
  /** How many. */
  readonly count: number;
  /** Bytes of all of them together. */
  readonly bytes: number;
}

type RunArguments = Parameters<GuardedWebGPUBackend["runWebGPUProgram"]>;
type TensorData = ReturnType<GuardedWebGPUBackend["tensorMap"]["get"]>;

interface Borrowed {
  readonly owner: tf.KernelBackend;
  readonly info: TensorInformation;
}

interface TensorInformation {
  backend: tf.KernelBackend;
  readonly shape: number[];
  readonly dtype: tf.DataType;
}

/** Parts of TensorFlow.js' engine that its types keep private. */
export interface PlanEngine {
  readonly state: {
    readonly tensorInfo: {
      get(dataId: object): TensorInformation | undefined;
      set(dataId: object, info: object): void;
    };
    numDataBuffers: number;
    readonly registeredVariables: Readonly<Record<string, tf.Variable>>;
  };
  removeDataId(dataId: object, backend: tf.KernelBackend): void;
  backendName: string | null;
  backendInstance: tf.KernelBackend | null;
  readonly registry: Record<string, tf.KernelBackend>;
}

/** The backend `webgpu` on a device that does nothing: its kernels run as ever, allocate as ever, and compute nothing. */
export class PlanningBackend extends GuardedWebGPUBackend {
  /** Dispatches so far. */
  dispatches = 0;
  /** Tensors that were alive when most bytes were in use. */
  atPeak: ReadonlyMap<string, PlannedTensors> = new Map();
  /** The largest tensor that ever was. */
  largest: PlannedTensors | undefined;
  readonly #alive = new Map<string, PlannedTensors>();
  readonly #owners = new Map<object, string>();
  readonly #borrowed = new Map<object, Borrowed>();
  #peak = 0;
  #making = "upload";

  constructor(device: PlanDevice, adapterInfo: object) {
    // deno-lint-ignore no-explicit-any -- TensorFlow.js ships WebGPU types of its own
    super(device as any, adapterInfo as any);
    // Tensors that live elsewhere are taken for what their shape says; TensorFlow.js would fetch them.
    const storage = new tf.DataStorage<TensorData>(this, { moveData: (_, dataId) => this.#borrow(dataId) });
    (this as { tensorMap: unknown }).tensorMap = storage;
    const release = this.pool.releaseBuffer.bind(this.pool);
    this.pool.releaseBuffer = (buffer, reuse) => {
      this.#forget(buffer);
      release(buffer, reuse);
    };
  }

  override runWebGPUProgram(...args: RunArguments): tf.TensorInfo {
    this.dispatches++;
    this.#making = nameOf(args[0].shaderKey);
    try {
      return super.runWebGPUProgram(...args);
    } finally {
      this.#making = "upload";
    }
  }

  override runInPlace(...args: Parameters<GuardedWebGPUBackend["runInPlace"]>): void {
    this.dispatches++;
    super.runInPlace(...args);
  }

  override uploadToGPU(dataId: object): void {
    const data = this.tensorMap.get(dataId);
    const { resource, values } = data;
    super.uploadToGPU(dataId);
    if (resource || !data.resource) return;
    this.#note(data.resource, data.shape, data.dtype, values ? "upload" : this.#making);
  }

  /** Gives borrowed tensors back as they were. */
  returnBorrowed(): void {
    const { state } = tf.engine() as unknown as PlanEngine;
    for (const [dataId, { owner, info }] of this.#borrowed) {
      info.backend = owner;
      if (state.tensorInfo.get(dataId)) continue;
      state.tensorInfo.set(dataId, info);
      state.numDataBuffers++;
    }
    this.#borrowed.clear();
  }

  #borrow(dataId: object): void {
    const info = (tf.engine() as unknown as PlanEngine).state.tensorInfo.get(dataId);
    if (!info) throw new Error("Cannot plan the memory: a tensor is used that has been disposed of.");
    this.#borrowed.set(dataId, { owner: info.backend, info });
    const references = info.backend.refCount(dataId);
    this.move(dataId, null as never, info.shape, info.dtype as never, references);
    info.backend = this; // so that references taken here are given back here
  }

  #note(buffer: object, shape: readonly number[], dtype: string, madeBy: string): void {
    const key = `[${shape}] ${dtype}`;
    const one = bytesOf(shape, dtype);
    const { count = 0, bytes = 0, ...before } = this.#alive.get(key) ?? {};
    this.#alive.set(key, { shape: [...shape], dtype, madeBy, ...before, count: count + 1, bytes: bytes + one });
    this.#owners.set(buffer, key);
    if (one > (this.largest?.bytes ?? 0)) this.largest = { shape: [...shape], dtype, madeBy, count: 1, bytes: one };
    if (this.pool.numBytesUsed <= this.#peak) return;
    this.#peak = this.pool.numBytesUsed;
    this.atPeak = new Map(this.#alive);
  }

  #forget(buffer: object): void {
    const key = this.#owners.get(buffer);
    if (key === undefined) return;
    this.#owners.delete(buffer);
    const { count, bytes, ...rest } = this.#alive.get(key)!;
    if (count === 1) this.#alive.delete(key);
    else this.#alive.set(key, { ...rest, count: count - 1, bytes: bytes - bytes / count });
  }
}

/** A shader's key without what it was generated from. */
function nameOf(shaderKey: string): string {
  return shaderKey.replace(/^med3d\//, "").replace(/\/[[{].*$/, "").replace(/_.*$/, "");
}
