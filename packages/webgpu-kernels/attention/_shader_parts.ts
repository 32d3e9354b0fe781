import { repeat } from "../conv3d/_shader_text.ts";
import { dropThreshold, HASH_SHADER } from "../_hash.ts";
import { flatShader } from "../_flat_shader.ts";
import type { ShaderProgram } from "../program.ts";
import type { AttentionAttributes, AttentionSizes } from "./_names.ts";

/** Invocations of a workgroup. */
const WORKGROUP = 32;

/** What all attention shaders are generated from. */
export interface AttentionShader extends AttentionSizes, AttentionAttributes {
  readonly device: DeviceKind;
  /** Numbers of an element of the tensors `[…, width]`. */
  readonly lanes: 1 | 4;
  /** WGSL type of such an element. */
  readonly type: "f32" | "vec4<f32>";
  /** Such elements of a row. */
  readonly elements: number;
}

/** Completes the settings. */
export function attentionShader(
  sizes: AttentionSizes,
  attributes: AttentionAttributes,
  device: DeviceKind,
): AttentionShader {
  const lanes = sizes.width % 4 === 0 ? 4 : 1;
  return {
    ...sizes,
    ...attributes,
    device,
    lanes,
    type: lanes === 4 ? "vec4<f32>" : "f32",
    elements: sizes.width / lanes,
  };
}

/** Rows and numbers that one invocation may hold. */
const DEVICES = {
  // Measured on llvmpipe: loads cost so much that sums which leave the registers pay; see bench/attention_bench.ts.
  processor: { rows: 8, numbers: 512 },
  // Estimated: what registers hold.
  gpu: { rows: 4, numbers: 128 },
} as const;

/** The kind of device that shaders are written for. */
export type DeviceKind = keyof typeof DEVICES;

/** Rows that one invocation holds in registers, several so that what it walks along is loaded once for all of them. */
export function rowsFor({ width, device }: AttentionShader, numbersPerRow: number): number {
  const { rows, numbers } = DEVICES[device];
  return Math.max(1, Math.min(rows, Math.floor(numbers / (numbersPerRow * width))));
}

/** WGSL: the sum of two elements' products with rows' parts named `<a>_<e>` and `<b>_<e>`. */
export function dotOf(a: string, b: string, { elements, lanes }: AttentionShader): string {
  const terms = Array.from(
    { length: elements },
    (_, e) => lanes === 4 ? `dot(${a}_${e}, ${b}_${e})` : `${a}_${e} * ${b}_${e}`,
  );
  return terms.join(" + ");
}

/** WGSL: loads row `row` of `array` into constants `<name>_<e>`. */
export function loadRow(name: string, array: string, row: string, { elements }: AttentionShader): string {
  return `let ${name}At = (${row}) * ${elements};\n` +
    repeat(elements, (e) => `let ${name}_${e} = ${array}[${name}At + ${e}];`);
}

/** WGSL: the score of a query and a key, whose rows are loaded as `<q>_<e>` and `<k>_<e>`. */
export function scoreOf(
  { q, k, i, j }: { q: string; k: string; i: string; j: string },
  shader: AttentionShader,
): string {
  const { biasGroups, queries, keys, scale } = shader;
  const bias = biasGroups === 0 ? "" : ` + bias[((group % ${biasGroups}) * ${queries} + ${i}) * ${keys} + ${j}]`;
  return `(${dotOf(q, k, shader)}) * f32(${scale})${bias}`;
}

/** WGSL: 0 for a weight that is dropped, 1/(1 − rate) for one that is kept. */
export function keptOf(i: string, j: string, { dropout, keys }: AttentionShader): string {
  if (dropout === 0) return "1.0";
  const kept = `hash(drawn + u32(${i}) * ${keys}u + u32(${j})) >= ${dropThreshold(dropout)}u`;
  return `select(0.0, f32(${1 / (1 - dropout)}), ${kept})`;
}

/** Inputs of a shader that reads vectors. */
export interface AttentionInput {
  readonly name: string;
  /** Whether it holds rows of the width, read by lanes; others are read number by number. */
  readonly rows: boolean;
}

/** Puts a program together; the bias and the seed join the inputs where there are any. `body` sees `index`, `group` and `within`. */
export function attentionProgram(
  name: string,
  shader: AttentionShader,
  parts: {
    readonly inputs: readonly AttentionInput[];
    readonly rowsOut: boolean;
    readonly outputShape: readonly number[];
    /** Invocations of one group. */
    readonly perGroup: number;
    readonly groups?: number;
    readonly body: string;
  },
): ShaderProgram {
  const { groups, queries, keys, width, biasGroups, scale, dropout, lanes, device } = shader;
  const { inputs, rowsOut, outputShape, perGroup, body } = parts;
  const all: AttentionInput[] = [
    ...inputs,
    ...(biasGroups > 0 ? [{ name: "bias", rows: false }] : []),
    ...(dropout > 0 ? [{ name: "seed", rows: false }] : []),
  ];
  return flatShader({
    key: `attention/${name}/${JSON.stringify([groups, queries, keys, width, biasGroups, scale, dropout, device])}`,
    inputs: all.map((input) => input.name),
    vectorInputs: all.map((input) => input.rows ? lanes : 1),
    vectorOutput: rowsOut ? lanes : 1,
    outputShape,
    workgroup: WORKGROUP,
    invocations: (parts.groups ?? groups) * perGroup,
    declarations: dropout > 0 ? HASH_SHADER : "",
    body: `
  let group = index / ${perGroup};
  let within = index % ${perGroup};
${body}`,
  });
}

/** WGSL: what the hashes of a group's weights start from. */
export function drawn(shader: AttentionShader): string {
  return shader.dropout > 0 ? `let drawn = hash(bitcast<u32>(seed[0]) ^ (u32(group) * 0x9e3779b9u));` : "";
}

/** Inputs that shaders name alike. */
export const QUERY = { name: "query", rows: true };
export const KEY = { name: "key", rows: true };
export const VALUE = { name: "value", rows: true };
export const GRADIENT = { name: "gradient", rows: true };
export const STATS = { name: "stats", rows: false };

/** WGSL: names and clamps the rows of an invocation; `i<r>` is the row, `at<r>` its index over all groups. */
export function ownRows(count: number, total: number): string {
  return repeat(
    count,
    (r) => `let i${r} = min(within * ${count} + ${r}, ${total - 1}); let at${r} = group * ${total} + i${r};`,
  );
}
