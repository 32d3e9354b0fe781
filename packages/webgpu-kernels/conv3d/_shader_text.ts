/** Pieces of WGSL that the generators of the convolution shaders share. */

const LANES = ["x", "y", "z", "w"] as const;

/** Repeats a line of code for 0 … count − 1. */
export function repeat(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join("\n");
}

/** Consecutive floats of an array, loaded by four where the array holds vectors. */
export interface Load {
  /** Name of the array. */
  readonly array: string;
  /** Whether its elements are `vec4<f32>`; `index` and `count` must then be multiples of four. */
  readonly vectors: boolean;
  /** Index of the first float, an expression. */
  readonly index: string;
  /** How many floats. */
  readonly count: number;
  /** Prefix of the variables. */
  readonly name: string;
  /** Condition under which the values are 0 instead, or "" where they never are. */
  readonly zeroIf?: string;
}

/** Declares variables that hold consecutive floats; {@linkcode loaded} names them. Where they are 0 the index is 0 too, so never out of range. */
export function load({ array, vectors, index, count, name, zeroIf = "" }: Load): string {
  if (vectors) {
    const first = `${name}i`;
    const guarded = zeroIf ? `select((${index}) >> 2u, 0, ${zeroIf})` : `(${index}) >> 2u`;
    return `let ${first} = ${guarded};\n` + repeat(count / 4, (group) => {
      const value = `${array}[${first} + ${group}]`;
      return `let ${name}${group} = ${zeroIf ? `select(${value}, vec4<f32>(), ${zeroIf})` : value};`;
    });
  }
  const first = `${name}i`;
  const guarded = zeroIf ? `select(${index}, 0, ${zeroIf})` : index;
  return `let ${first} = ${guarded};\n` + repeat(count, (lane) => {
    const value = `${array}[${first} + ${lane}]`;
    return `let ${name}${lane} = ${zeroIf ? `select(${value}, 0.0, ${zeroIf})` : value};`;
  });
}

/** The expression for one of the floats that {@linkcode load} declared. */
export function loaded(name: string, lane: number, vectors: boolean): string {
  return vectors ? `${name}${lane >> 2}.${LANES[lane & 3]}` : `${name}${lane}`;
}
