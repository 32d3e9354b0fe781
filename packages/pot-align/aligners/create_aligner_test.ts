import { selectBackend } from "@med3d/webgpu-kernels";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { createAligner, type CreateAlignerOptions, listAligners } from "./create_aligner.ts";
import { createMetric, type MetricName } from "./metric.ts";

const refuses = (act: () => unknown, message: RegExp): void => assert.throws(act, { name: "RangeError", message });

Deno.test("createAligner: each name has the parameters and buffers that it says", async () => {
  await selectBackend({ backend: "cpu" });
  const found = listAligners().map((name) => {
    const { parameters, buffers } = createAligner(name, { width: 5 });
    return [name, [...parameters.keys()].join(), [...(buffers ?? new Map()).keys()].join()];
  });
  assert.deepEqual(found, [
    ["released", "log_diagonal", ""],
    ["intended", "root", ""],
    ["robust", "", ""],
    ["plan-weighted-adaptive", "", "mass"],
    ["plan-weighted", "", ""],
    ["balanced", "", ""],
    ["m-pot", "", ""],
    ["infonce", "", ""],
  ]);
});

Deno.test("createAligner: a seed determines initial values", async () => {
  await selectBackend({ backend: "cpu" });
  const root = async (
    seed: string,
  ): Promise<number[]> => [...await createAligner("intended", { width: 4, seed }).parameters.get("root")!.data()];
  assert.deepEqual(await root("1"), await root("1"));
  assert.notDeepEqual(await root("1"), await root("2"));
});

Deno.test("createAligner: takes mass, metric and ε where they mean something", async () => {
  await selectBackend({ backend: "cpu" });
  const rows = tf.tensor2d(Float32Array.from({ length: 24 }, new Random("rows").normal()), [6, 4]);
  const massOf = async (name: string, options: Partial<CreateAlignerOptions>): Promise<number> =>
    (await tf.sum(createAligner(name, { width: 4, ...options }).align(rows, rows).plan!).data())[0]!;
  for (const name of ["released", "intended", "plan-weighted"]) {
    assert.ok(Math.abs(await massOf(name, { mass: 0.3 }) - 0.3) < 1e-4);
  }
  assert.deepEqual([...createAligner("robust", { width: 4, metric: "full" }).parameters.keys()], ["root"]);
  assert.deepEqual([...createAligner("released", { width: 4, metric: "none" }).parameters.keys()], []);
  const lossAt = async (epsilon: number): Promise<number> =>
    (await createAligner("balanced", { width: 4, epsilon }).align(rows, rows).loss.data())[0]!;
  assert.ok(await lossAt(0.5) > await lossAt(0.03) + 0.1);
});

Deno.test("createAligner: refuses unknown names, widths and options of no use", () => {
  refuses(() => createAligner("robusst", { width: 4 }), /unknown name: got "robusst".*Did you mean "robust"\?/);
  refuses(() => createAligner("toString", { width: 4 }), /unknown name: got "toString"/);
  refuses(() => createAligner("robust", { width: 0 }), /width is out of range: got 0/);
  refuses(
    () => createAligner("robust", { width: 4, mass: 0.5 }),
    /robust aligner: it takes no such option: got mass 0.5/,
  );
  refuses(() => createAligner("infonce", { width: 4, epsilon: 0.1 }), /takes no such option: got epsilon 0.1/);
  refuses(() => createAligner("m-pot", { width: 4, gradient: "unrolled" }), /takes no such option: got gradient/);
  refuses(() => createAligner("released", { width: 4, mass: 2 }), /mass is out of range: got 2/);
});

Deno.test("createMetric: refuses unknown names, missing widths and randomness", () => {
  refuses(
    () => createMetric("cosine" as MetricName),
    /unknown name: got "cosine", expected one of none, diagonal, full/,
  );
  refuses(() => createMetric("diagonal"), /needs the width: got undefined/);
  refuses(() => createMetric("full", { width: 4 }), /needs a source of random numbers/);
});

testOnBackends("createMetric: full stays positive definite whatever its root becomes", async ({ tolerance }) => {
  const metric = createMetric("full", { width: 6, random: new Random("metric") });
  const draw = new Random("root").normal(0, 3);
  metric.parameters.get("root")!.assign(
    tf.tensor2d(Float32Array.from({ length: 36 }, (_, at) => at < 12 ? 0 : draw()), [6, 6]),
  );
  const difference = tf.tensor2d([[1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]]); // the first lies in the root's null space
  const squares = await tf.sum(tf.square(metric.map(difference)), 1).data();
  assert.ok(Math.abs(squares[0]! - 1e-3) < 10 * tolerance * 1e-3);
  const root = [...await metric.parameters.get("root")!.data()];
  const expected = root.slice(12, 18).reduce((sum, value) => sum + value ** 2, 1e-3);
  assert.ok(Math.abs(squares[1]! - expected) < 10 * tolerance * expected);
});
