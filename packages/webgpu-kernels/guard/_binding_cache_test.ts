import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { type Binding, BindingCache, type BindingMaker, type Uniform } from "./_binding_cache.ts";

/** Counts what is made. */
function counting(): BindingMaker & { readonly made: Uniform[][]; readonly groups: object[]; released: number } {
  const made: Uniform[][] = [];
  const groups: object[] = [];
  return {
    made,
    groups,
    released: 0,
    makeUniforms(uniforms): Binding {
      made.push([...uniforms]);
      return { offset: 0, size: 16, buffer: {} };
    },
    makeGroup(): object {
      groups.push({});
      return groups.at(-1)!;
    },
    releaseUniforms(): void {
      this.released++;
    },
  };
}

Deno.test("BindingCache: equal shapes and numbers share uniforms, all others get their own", () => {
  const maker = counting();
  const cache = new BindingCache(maker);
  const program = { outputShape: [2, 3] };
  const first = cache.uniforms(program, [[2, 3], [2, 3]]);
  assert.equal(cache.uniforms({ outputShape: [2, 3] }, [[2, 3], [2, 3]]), first);
  const others = [
    cache.uniforms(program, [[2], [3, 2, 3]]), // the same numbers in other shapes
    cache.uniforms({ ...program, size: true }, [[2, 3], [2, 3]]),
    cache.uniforms({ ...program, size: true, outputComponent: 2 }, [[2, 3], [2, 3]]),
    cache.uniforms(program, [[2, 3], [2, 3]], [{ type: "float32", data: [0] }]),
    cache.uniforms(program, [[2, 3], [2, 3]], [{ type: "float32", data: [-0] }]),
    cache.uniforms(program, [[2, 3], [2, 3]], [{ type: "int32", data: [0] }]),
    cache.uniforms(program, [[2, 3], [2, 3]], [{ type: "int32", data: [0, 0] }]),
    cache.uniforms(program, [[2, 3], [2, 3]], [{ type: "int32", data: [0] }, { type: "int32", data: [0] }]),
  ];
  assert.equal(new Set([first, ...others]).size, 9);
  assert.deepEqual(maker.made[0]!.slice(2).map(({ data }) => data), [[2, 3], [3], [2, 3], [3]]);
  assert.deepEqual(maker.made[3]!.at(-1), { type: "int32", data: [3] }); // six numbers by two
});

Deno.test("BindingCache: a group is of one pipeline and the same buffers in the same places, until groups are forgotten", () => {
  const maker = counting();
  const cache = new BindingCache(maker);
  const binding = (): Binding => ({ offset: 0, size: 4, buffer: {} });
  const [pipeline, other, a, b] = [{}, {}, binding(), binding()];
  const group = cache.group(pipeline, [a, b]);
  assert.equal(cache.group(pipeline, [{ ...a }, { ...b }]), group);
  assert.notEqual(cache.group(pipeline, [b, a]), group);
  assert.notEqual(cache.group(other, [a, b]), group);
  cache.forgetGroups();
  assert.notEqual(cache.group(pipeline, [a, b]), group);
});

Deno.test("BindingCache: shapes that never repeat do not pile up", () => {
  const maker = counting();
  const cache = new BindingCache(maker);
  for (let n = 0; n < 10_000; n++) {
    const uniforms = cache.uniforms({ outputShape: [n] }, [[n]]);
    cache.group({}, [uniforms]);
  }
  assert.ok(maker.made.length - maker.released <= 4096, `${maker.made.length} made, ${maker.released} released`);
});

testOnBackends(
  "guard: a repeated step makes no new bind group, and its numbers are those of the first",
  async ({ backend }) => {
    if (backend === "cpu") return;
    const device = (tf.backend() as unknown as { readonly device: GPUDevice }).device;
    const stock = device.createBindGroup;
    let made = 0;
    device.createBindGroup = function (this: GPUDevice, ...args): GPUBindGroup {
      made++;
      return stock.apply(this, args);
    };
    try {
      const [x, w] = [tf.randomNormal([16, 16], 0, 1, "float32", 1), tf.randomNormal([16, 16], 0, 1, "float32", 2)];
      const step = async (): Promise<Float32Array> => {
        const loss = tf.tidy(() => tf.sum(tf.mul(tf.tanh(tf.matMul(x, w)), 0.5)));
        const values = await loss.data() as Float32Array;
        loss.dispose();
        return values;
      };
      const first = await step();
      for (let i = 0; i < 4; i++) await step(); // until the pool hands the same buffers out in a cycle
      const before = made;
      for (let i = 0; i < 8; i++) assert.deepEqual(await step(), first);
      assert.equal(made - before, 0);
    } finally {
      device.createBindGroup = stock;
    }
  },
);
