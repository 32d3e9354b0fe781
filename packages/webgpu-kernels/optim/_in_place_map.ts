import type * as tf from "@tensorflow/tfjs-core";
import type { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { bitsOf, ELEMENTS_PER_WORKGROUP, flat, foldWorkgroups, portions, THREADS, workgroupsFor } from "./_table.ts";

/** A computation on each element of several tensors of one shape, some of which it changes; repeated for slots of other shapes. */
export interface InPlaceMap {
  /** Tells computations apart: everything that `body` was generated from belongs in here. */
  readonly key: string;
  /** Tensors that are changed; `body` sees an element of each as a variable of that name. */
  readonly written: readonly string[];
  /** Tensors that are read; `body` sees an element of each as a constant of that name. */
  readonly read: readonly string[];
  /** Numbers of each slot that `body` sees under these names. */
  readonly numbers: readonly string[];
  /** Numbers of all slots that `body` sees under these names. */
  readonly shared: readonly string[];
  /** Whether `body` sees `scale`, a scalar on the device. */
  readonly scaled: boolean;
  /** WGSL statements. */
  readonly body: string;
}

/** What one slot is computed on. */
export interface MapSlot {
  /** Those of `written`, then those of `read`, all float32 of one shape; not empty. */
  readonly tensors: readonly tf.TensorInfo[];
  /** Those of `numbers`. */
  readonly numbers: readonly number[];
}

/** Keeps shaders short. */
const MOST_SLOTS = 16;

function shaderOf(map: InPlaceMap, slots: number): string {
  const { written, read, numbers, shared, scaled, body } = map;
  const parts = [...written, ...read];
  const fields = 2 + numbers.length;
  const binding = (index: number, declaration: string): string => `@group(0) @binding(${index}) var<${declaration};\n`;
  const bindings = Array.from({ length: slots * parts.length }, (_, index) => {
    const [slot, part] = [Math.floor(index / parts.length), index % parts.length];
    const access = part < written.length ? "read_write" : "read";
    return binding(index, `storage, ${access}> ${parts[part]}_${slot} : array<f32>`);
  }).join("");
  const table = slots * parts.length;
  const turns = Array.from({ length: slots }, (_, slot) => {
    const at = shared.length + slot * fields;
    return `
  if (group < table[${at}]) {
    let start = (group - ${slot === 0 ? "0" : `table[${at - fields}]`}) * ${ELEMENTS_PER_WORKGROUP};
    let end = min(start + ${ELEMENTS_PER_WORKGROUP}, table[${at + 1}]);
    ${numbers.map((name, i) => `let ${name} = bitcast<f32>(table[${at + 2 + i}]);`).join("\n    ")}
    for (var i = start + i32(local); i < end; i += ${THREADS}) {
      ${written.map((name) => `var ${name} = ${name}_${slot}[i];`).join("\n      ")}
      ${read.map((name) => `let ${name} = ${name}_${slot}[i];`).join("\n      ")}
${body}
      ${written.map((name) => `${name}_${slot}[i] = ${name};`).join("\n      ")}
    }
    return;
  }`;
  }).join("");
  return `
struct Uniforms { NAN : f32 }
${bindings}${binding(table, "storage, read> table : array<i32>")}${
    scaled ? binding(table + 1, "storage, read> scales : array<f32>") : ""
  }${binding(table + (scaled ? 2 : 1), "uniform> uniforms : Uniforms")}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) workgroup : vec3<u32>, @builtin(num_workgroups) workgroups : vec3<u32>,
        @builtin(local_invocation_index) local : u32) {
  if (uniforms.NAN == 0.0) { return; }
  let group = i32(workgroup.y * workgroups.x + workgroup.x);
  ${shared.map((name, i) => `let ${name} = bitcast<f32>(table[${i}]);`).join("\n  ")}
  ${scaled ? "let scale = scales[0];" : ""}${turns}
}`;
}

/** Buffers of a dispatch that slots share: the table and, where there is one, the scale. */
const sharedBuffers = (map: InPlaceMap): number => map.scaled ? 2 : 1;

/** Buffers that one slot needs at least. */
export function fewestBuffers(map: Pick<InPlaceMap, "written" | "read">): number {
  return map.written.length + map.read.length + 2;
}

/** Runs the computation on all slots, as many in a dispatch as the device binds buffers for. */
export function runInPlaceMap(
  backend: GuardedWebGPUBackend,
  map: InPlaceMap,
  { slots, shared, scale }: {
    slots: readonly MapSlot[];
    shared: readonly number[];
    scale?: tf.TensorInfo | undefined;
  },
): void {
  const parts = map.written.length + map.read.length;
  const most = Math.min(MOST_SLOTS, Math.floor((backend.mostTensorsInPlace - sharedBuffers(map)) / parts));
  for (const portion of portions(slots, most)) {
    let groups = 0;
    const rows = portion.flatMap(({ tensors, numbers }) => {
      const elements = flat(tensors[0]!).shape[0]!;
      groups += workgroupsFor(elements);
      return [groups, elements, ...numbers.map(bitsOf)];
    });
    const values = Int32Array.of(...shared.map(bitsOf), ...rows);
    const table = backend.makeTensorInfo([values.length], "int32", values);
    const tensors = portion.flatMap((slot) => slot.tensors.map(flat));
    backend.runInPlace(
      {
        key: `med3d/${map.key}/${portion.length}`,
        code: shaderOf(map, portion.length),
        workgroups: foldWorkgroups(groups),
      },
      [...tensors, table, ...(scale ? [flat(scale)] : [])],
      tensors.filter((_, i) => i % parts < map.written.length),
    );
    backend.disposeData(table.dataId);
  }
}
