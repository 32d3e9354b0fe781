/** llvmpipe silently ends every loop of an invocation after 65,535 iterations in all: stay well below. */
export const LOOP_BUDGET = 50_000;

/** Invocations of the one workgroup that works on one problem: enough for its rows and columns, not more than must wait. */
export function threadsFor(rows: number, columns: number): number {
  return Math.min(256, 2 ** Math.ceil(Math.log2(Math.max(32, rows, columns))));
}

/** WGSL `reduceMax` and `reduceSum` over a workgroup; every invocation gets the result. */
export function reductions(threads: number): string {
  const reduction = (name: string, combine: string): string => /* wgsl */ `
fn ${name}(t : i32, value : f32) -> f32 {
  workgroupBarrier();
  lane[t] = value;
  workgroupBarrier();
  for (var width = ${threads / 2}; width > 0; width = width / 2) {
    if (t < width) { lane[t] = ${combine}; }
    workgroupBarrier();
  }
  return lane[0];
}`;
  return `var<workgroup> lane : array<f32, ${threads}>;
${reduction("reduceMax", "max(lane[t], lane[t + width])")}
${reduction("reduceSum", "lane[t] + lane[t + width]")}`;
}

/** Names of a vector's components. */
export const XYZW = "xyzw";

/** 0 … count − 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** WGSL lines, one for each of 0 … count − 1. */
export const each = (count: number, line: (index: number) => string): string => range(count).map(line).join("\n");
