import type { ShaderProgram } from "./program.ts";

/** A shader of which every invocation works for itself. */
export interface FlatShader extends Omit<ShaderProgram, "code" | "workgroupSize" | "workgroups"> {
  /** Invocations; more are started and do nothing. */
  readonly invocations: number;
  /** WGSL statements that see `index`, below `invocations`. */
  readonly body: string;
  /** WGSL in front of the entry. Default none. */
  readonly declarations?: string;
  /** Invocations of a workgroup. Default 64. */
  readonly workgroup?: number;
}

/** Puts such a shader together. */
export function flatShader(
  { invocations, body, declarations = "", workgroup = 64, ...program }: FlatShader,
): ShaderProgram {
  return {
    ...program,
    workgroupSize: [workgroup, 1, 1],
    workgroups: [Math.ceil(invocations / workgroup), 1, 1],
    code: `${declarations}
fn main(index : i32) {
  if (index >= ${invocations}) { return; }
${body}
}`,
  };
}
