import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import {
  differences,
  type HostInputs,
  type HostLoss,
  infoNceLoss,
  inverseLoss,
  miniBatchLoss,
  planWeightedLoss,
} from "../testdata/host_losses.ts";
import type { Aligner } from "./contract.ts";
import { InfoNceAligner } from "./info_nce_aligner.ts";
import { InverseTransportAligner } from "./inverse_transport_aligner.ts";
import { createMetric, type Metric, type MetricName } from "./metric.ts";
import { MiniBatchPartialAligner } from "./mini_batch_partial_aligner.ts";
import { PlanWeightedAligner } from "./plan_weighted_aligner.ts";

const [BATCH, WIDTH, EPSILON] = [6, 4, 0.1];

const metricOf = (name: MetricName): Metric => createMetric(name, { width: WIDTH, random: new Random("metric") });
const partial = { epsilon: EPSILON, mass: 0.8 };
const host = { width: WIDTH, epsilon: EPSILON };

const CASES: readonly [
  name: string,
  make: (metric: Metric) => Aligner,
  loss: HostLoss,
  metrics: readonly MetricName[],
][] = [
  [
    "balanced",
    (metric) => new InverseTransportAligner({ epsilon: EPSILON, metric }),
    inverseLoss(host),
    ["none", "diagonal", "full"],
  ],
  [
    "balanced, envelope",
    (metric) => new InverseTransportAligner({ epsilon: EPSILON, metric, gradient: "envelope" }),
    inverseLoss(host),
    ["none"],
  ],
  [
    "partial",
    (metric) => new InverseTransportAligner({ ...partial, metric }),
    inverseLoss({ ...host, mass: 0.8 }),
    ["none", "diagonal", "full"],
  ],
  [
    "partial, unrolled",
    (metric) => new InverseTransportAligner({ ...partial, metric, gradient: "unrolled", iterations: 60 }),
    inverseLoss({ ...host, mass: 0.8 }),
    ["none"],
  ],
  [
    "plan-weighted",
    (metric) => new PlanWeightedAligner({ ...partial, metric }),
    planWeightedLoss({ ...host, mass: 0.8 }),
    ["none", "full"],
  ],
  [
    "m-POT",
    (metric) => new MiniBatchPartialAligner({ ...partial, metric }),
    miniBatchLoss({ ...host, mass: 0.8 }, 2),
    ["none", "diagonal"],
  ],
  ["InfoNCE", () => new InfoNceAligner({ temperature: 0.2 }), infoNceLoss(WIDTH, 0.2, true), ["none"]],
  [
    "InfoNCE, one-sided",
    () => new InfoNceAligner({ temperature: 0.2, symmetric: false }),
    infoNceLoss(WIDTH, 0.2, false),
    ["none"],
  ],
];

for (const [name, make, loss, metrics] of CASES) {
  for (const metricName of metrics) {
    testOnBackends(`aligners: ${name}, metric ${metricName}: value and gradients are the host's`, async () => {
      const random = new Random(`batch of ${name}`);
      const draw = random.normal();
      const rows = (): Float64Array => Float64Array.from(Float32Array.from({ length: BATCH * WIDTH }, () => draw()));
      const metric = metricOf(metricName);
      const aligner = make(metric);
      const parameter = [...metric.parameters.values()][0];
      parameter?.assign(
        tf.add(
          parameter,
          tf.tensor(Float32Array.from({ length: parameter.size }, () => 0.2 * draw()), parameter.shape),
        ),
      );
      const values = parameter && Float64Array.from(await parameter.data());
      const inputs: HostInputs = {
        embeddings: rows(),
        targets: rows(),
        ...(values ? { [metricName === "full" ? "root" : "logDiagonal"]: values } : {}),
      };
      const variables = [inputs.embeddings, inputs.targets].map((array) =>
        tf.variable(tf.tensor2d(Float32Array.from(array), [BATCH, WIDTH]))
      );
      const [embeddings, targets] = variables as unknown as [tf.Tensor2D, tf.Tensor2D];
      const all = [...variables, ...metric.parameters.values()];
      const { value, grads } = tf.variableGrads(() => aligner.align(embeddings, targets).loss, all);

      const expected = loss(inputs, inputs);
      const actual = (await value.data())[0]!;
      assert.ok(Math.abs(actual - expected) < 2e-4 * Math.max(1, Math.abs(expected)), `loss ${actual}, ${expected}`);
      const numeric = Object.values(differences(loss, inputs));
      assert.equal(numeric.length, all.length);
      for (const [at, variable] of all.entries()) {
        const gradient = await grads[variable.name]!.data();
        const scale = Math.max(...numeric[at]!.map(Math.abs));
        assert.ok(scale > 1e-4);
        numeric[at]!.forEach((slope, index) => {
          assert.ok(
            Math.abs(gradient[index]! - slope) < 3e-3 * scale,
            `${at}, ${index}: ${gradient[index]}, ${slope} of ${scale}`,
          );
        });
      }
    });
  }
}
