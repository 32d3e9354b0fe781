import * as tf from "@tensorflow/tfjs-core";

/** One uniform of TensorFlow.js: numbers of one type. */
export interface Uniform {
  readonly type: "float32" | "int32" | "uint32";
  readonly data: readonly number[];
}

/** A part of a buffer that a shader is bound to. */
export interface Binding {
  readonly offset: number;
  readonly size: number;
  readonly buffer: object;
}

/** What of a program of TensorFlow.js says what its uniforms hold. */
export interface UniformProgram {
  readonly outputShape: readonly number[];
  readonly outputComponent?: number;
  readonly size?: boolean;
}

/** Makes what is not yet there. */
export interface BindingMaker {
  /** Writes uniforms into a buffer, which then stays as it is. */
  makeUniforms(uniforms: readonly Uniform[]): Binding;
  /** Binds buffers to a pipeline, as bindings 0, 1, … of group 0. */
  makeGroup(pipeline: object, bindings: readonly Binding[]): object;
  /** Is told that a uniform buffer is no longer used. */
  releaseUniforms(binding: Binding): void;
}

/** Uniform buffers and bind groups beyond which all are forgotten: a program whose shapes change in every step would grow without end. */
const MOST_KEPT = 4096;

/**
 * Keeps uniform buffers and bind groups for the next dispatch with the same shapes and buffers. TensorFlow.js makes both anew for every
 * dispatch, a third of the time that a training step is written down in; steps repeat shapes, and by the pool buffers.
 */
export class BindingCache {
  readonly #maker: BindingMaker;
  readonly #uniforms = new Map<string, Binding>();
  readonly #groups = new Map<string, object>();
  readonly #numbers = new WeakMap<object, number>();
  #nextNumber = 0;

  constructor(maker: BindingMaker) {
    this.#maker = maker;
  }

  /** The uniforms that TensorFlow.js' shaders read: NaN, infinity, shapes and strides, the output's size, and what the program adds. */
  uniforms(program: UniformProgram, shapes: readonly (readonly number[])[], own: readonly Uniform[] = []): Binding {
    const size = program.size ? [tf.util.sizeFromShape([...program.outputShape]) / (program.outputComponent ?? 1)] : [];
    const key = `${shapes.join("|")}/${size}/${own.map(({ type, data }) => type + data.map(exactly)).join("|")}`;
    const known = this.#uniforms.get(key);
    if (known) return known;
    if (this.#uniforms.size >= MOST_KEPT) this.#forgetUniforms();
    const int32 = (data: readonly number[]): Uniform => ({ type: "int32", data });
    const binding = this.#maker.makeUniforms([
      { type: "float32", data: [NaN] },
      { type: "float32", data: [Infinity] },
      ...shapes.flatMap((shape) => [int32(shape), int32(tf.util.computeStrides([...shape]))]),
      ...size.length > 0 ? [int32(size)] : [],
      ...own,
    ]);
    this.#uniforms.set(key, binding);
    return binding;
  }

  /** The bind group of a pipeline and these buffers. */
  group(pipeline: object, bindings: readonly Binding[]): object {
    let key = `${this.#numberOf(pipeline)}`;
    for (const { buffer } of bindings) key += `,${this.#numberOf(buffer)}`;
    const known = this.#groups.get(key);
    if (known) return known;
    if (this.#groups.size >= MOST_KEPT) this.#groups.clear();
    const group = this.#maker.makeGroup(pipeline, bindings);
    this.#groups.set(key, group);
    return group;
  }

  /** Lets go of bind groups, which hold buffers: to be called when one was destroyed. */
  forgetGroups(): void {
    this.#groups.clear();
  }

  #forgetUniforms(): void {
    this.#groups.clear();
    for (const binding of this.#uniforms.values()) this.#maker.releaseUniforms(binding);
    this.#uniforms.clear();
  }

  #numberOf(thing: object): number {
    const known = this.#numbers.get(thing);
    if (known !== undefined) return known;
    this.#numbers.set(thing, this.#nextNumber);
    return this.#nextNumber++;
  }
}

/** A number in words that tell every float from every other, −0 from 0 too. */
function exactly(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
