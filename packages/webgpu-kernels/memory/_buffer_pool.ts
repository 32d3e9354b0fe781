/** What of a device the pool uses. */
export interface BufferDevice {
  /** Makes a buffer. */
  createBuffer(description: { size: number; usage: number; mappedAtCreation: boolean }): PooledBuffer;
}

/** What of a buffer the pool uses. */
export interface PooledBuffer {
  readonly size: number;
  readonly usage: number;
  destroy(): void;
}

/** How the pool gets at the commands that wait, whose disposed tensors hold buffers until they are sent. */
export interface PoolOwner {
  /** Sends what waits. */
  flush(): void;
  /** Says that a buffer finds no room; throws. */
  refuse(size: number, limitBytes: number): never;
  /** Is told after a tensor's buffer was destroyed. */
  destroyed(): void;
}

/** GPUBufferUsage.STORAGE, a number that WebGPU fixes: tensors have it, uniforms and staging buffers have not. */
const STORAGE = 0x80;

/**
 * Keeps the buffers of disposed tensors for the next of the same size and use, in place of TensorFlow.js' `BufferManager`, whose members it
 * has; other than that it can be trimmed, knows its peak, and can be held to a limit. A buffer that was released may be destroyed at any time
 * after the commands that use it were sent.
 */
export class BufferPool {
  /** Bytes of buffers that hold tensors, or that commands still wait for. */
  numBytesUsed = 0;
  /** Bytes of all buffers, those kept for reuse included. */
  numBytesAllocated = 0;
  /** The most that {@linkcode numBytesUsed} was. */
  peakBytesUsed = 0;
  /** The most that {@linkcode numBytesAllocated} was. */
  peakBytesAllocated = 0;
  /** What {@linkcode numBytesAllocated} may not exceed. */
  limitBytes = Infinity;
  readonly #device: BufferDevice;
  readonly #owner: PoolOwner;
  readonly #used = new Set<PooledBuffer>();
  readonly #free = new Map<string, PooledBuffer[]>();
  #freeCount = 0;

  constructor(device: BufferDevice, owner: PoolOwner) {
    this.#device = device;
    this.#owner = owner;
  }

  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): PooledBuffer {
    const buffer = (reuse ? this.#take(size, usage) : undefined) ?? this.#make(size, usage, mappedAtCreation);
    this.#used.add(buffer);
    this.numBytesUsed += size;
    this.peakBytesUsed = Math.max(this.peakBytesUsed, this.numBytesUsed);
    return buffer;
  }

  releaseBuffer(buffer: PooledBuffer, reuse = true): void {
    if (!this.#used.delete(buffer)) return; // one of before `dispose`
    this.numBytesUsed -= buffer.size;
    if (!reuse) {
      this.#destroy(buffer);
      return;
    }
    const key = keyOf(buffer);
    const list = this.#free.get(key) ?? [];
    list.push(buffer);
    this.#free.delete(key); // to the end: the sizes used last are destroyed last
    this.#free.set(key, list);
    this.#freeCount++;
  }

  getNumUsedBuffers(): number {
    return this.#used.size;
  }

  getNumFreeBuffers(): number {
    return this.#freeCount;
  }

  /**
   * Destroys buffers that are kept for reuse, the sizes first that were not used for longest, until `bytes` are freed.
   *
   * @returns The bytes that were freed.
   */
  trim(bytes = Infinity): number {
    let freed = 0;
    for (const [key, list] of this.#free) {
      while (list.length > 0 && freed < bytes) {
        const buffer = list.pop()!;
        this.#freeCount--;
        freed += buffer.size;
        this.#destroy(buffer);
      }
      if (list.length > 0) break;
      this.#free.delete(key);
    }
    return freed;
  }

  /** Starts to look for the peak anew. */
  resetPeak(): void {
    this.peakBytesUsed = this.numBytesUsed;
    this.peakBytesAllocated = this.numBytesAllocated;
  }

  /** Destroys all buffers. */
  dispose(): void {
    this.trim();
    for (const buffer of this.#used) this.#destroy(buffer);
    this.#used.clear();
    this.numBytesUsed = 0;
  }

  #take(size: number, usage: number): PooledBuffer | undefined {
    const buffer = this.#free.get(keyOf({ size, usage }))?.pop();
    if (buffer) this.#freeCount--;
    return buffer;
  }

  #make(size: number, usage: number, mappedAtCreation: boolean): PooledBuffer {
    if (this.numBytesAllocated + size > this.limitBytes && (usage & STORAGE) !== 0) {
      this.#owner.flush();
      const freed = this.#take(size, usage);
      if (freed) return freed;
      this.trim(this.numBytesAllocated + size - this.limitBytes);
      if (this.numBytesAllocated + size > this.limitBytes) this.#owner.refuse(size, this.limitBytes);
    }
    const buffer = this.#device.createBuffer({ size, usage, mappedAtCreation });
    this.numBytesAllocated += size;
    this.peakBytesAllocated = Math.max(this.peakBytesAllocated, this.numBytesAllocated);
    return buffer;
  }

  #destroy(buffer: PooledBuffer): void {
    buffer.destroy();
    if ((buffer.usage & STORAGE) !== 0) this.#owner.destroyed();
    this.numBytesAllocated -= buffer.size;
  }
}

function keyOf({ size, usage }: { readonly size: number; readonly usage: number }): string {
  return `${size}_${usage}`;
}
