import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { KINDS, largestDifference, randomValues } from "../testdata/tensor_problems.ts";
import { logTransportPlan } from "./log_transport_plan.ts";
import { solveTensorTransport } from "./solve_tensor_transport.ts";
import type { TensorTransportOptions } from "./transport_options.ts";

for (const [kind, options] of Object.entries(KINDS)) {
  for (const gradient of ["implicit", "unrolled"] as const) {
    testOnBackends(`logTransportPlan: ${gradient} gradient of ${kind} equals finite differences`, async () => {
      const [rows, columns] = [5, 6];
      const cost = randomValues(`cost/${kind}`, rows * columns);
      const weights = tf.tensor2d(randomValues("weights", rows * columns, -1, 1), [rows, columns]);
      const settings: TensorTransportOptions = { epsilon: 0.2, iterations: 60, tolerance: 1e-6, ...options };
      const loss = (values: tf.Tensor, extra: TensorTransportOptions = {}): tf.Tensor =>
        tf.sum(tf.mul(weights, logTransportPlan(values as tf.Tensor2D, { ...settings, ...extra })));
      const analytic = await tf.grad((values) => loss(values, { gradient }))(tf.tensor2d(cost, [rows, columns])).data();
      const step = 2e-2;
      // All moved costs in one batch: entry by entry, two steps to either side.
      const moves = Array.from(cost, (_, index) => [2, -2, 1, -1].map((factor) => ({ index, by: factor * step })))
        .flat();
      const moved = tf.tensor3d(
        moves.flatMap(({ index, by }) => Array.from(cost, (value, at) => at === index ? value + by : value)),
        [
          moves.length,
          rows,
          columns,
        ],
      );
      const losses = await tf.sum(tf.mul(weights, logTransportPlan(moved, settings)), [1, 2]).data();
      const scale = Math.max(...analytic.map(Math.abs));
      for (let index = 0; index < cost.length; index++) {
        // Richardson's extrapolation: steps wide enough for float32, yet an error of fourth order.
        const [farUp, farDown, up, down] = losses.subarray(4 * index, 4 * index + 4) as unknown as [
          number,
          number,
          number,
          number,
        ];
        const [wide, narrow] = [(farUp - farDown) / (4 * step), (up - down) / (2 * step)];
        const numeric = narrow + (narrow - wide) / 3;
        assert.ok(Math.abs(numeric - analytic[index]!) < 2e-2 * scale, `${index}: ${analytic[index]}, ${numeric}`);
      }
    });
  }
}

testOnBackends("logTransportPlan: implicit and unrolled gradients agree at convergence", async ({ tolerance }) => {
  const cost = tf.tensor3d(randomValues("agree", 2 * 7 * 5), [2, 7, 5]);
  const weights = tf.tensor3d(randomValues("agree weights", 2 * 7 * 5, -1, 1), [2, 7, 5]);
  for (const options of Object.values(KINDS)) {
    const gradients = await Promise.all((["implicit", "unrolled"] as const).map((gradient) => {
      const settings: TensorTransportOptions = { epsilon: 0.1, iterations: 60, tolerance: 1e-6, gradient, ...options };
      return tf.grad((values) => tf.sum(tf.mul(weights, logTransportPlan(values as tf.Tensor3D, settings))))(cost)
        .data();
    }));
    const scale = Math.max(...gradients[0]!.map(Math.abs));
    const difference = largestDifference(gradients[0]!, gradients[1]!);
    assert.ok(difference < 100 * tolerance * scale, `${JSON.stringify(options)}: ${difference} of ${scale}`);
  }
});

testOnBackends("logTransportPlan: balanced inverse transport has the gradient (π̂ − π)/ε", async ({ tolerance }) => {
  const size = 9;
  const epsilon = 0.1;
  const cost = tf.tensor2d(randomValues("inverse", size * size), [size, size]);
  const plan = await solveTensorTransport(cost, { epsilon }).plan.data();
  const expected = plan.map((value, index) => ((index % (size + 1) === 0 ? 1 / size : 0) - value) / epsilon);
  for (const gradient of ["implicit", "unrolled", "envelope"] as const) {
    const loss = (values: tf.Tensor): tf.Tensor => {
      const logPlan = logTransportPlan(values as tf.Tensor2D, { epsilon, gradient, iterations: 100 });
      return tf.neg(tf.div(tf.sum(tf.mul(logPlan, tf.eye(size))), size));
    };
    const actual = await tf.grad(loss)(cost).data();
    const difference = largestDifference(actual, expected);
    assert.ok(difference < 20 * tolerance / epsilon / size, `${gradient}: ${difference}`);
  }
});
