import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { solveAdjoint } from "./_adjoint.ts";
import { iteratePotentials, type PotentialState } from "./_iterate.ts";
import { transportAdjoint, transportPotentials } from "./transport_kernels.ts";

function costs(rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, index) => 20 * Math.abs(Math.sin(index * 12.9898 + 1.3)));
}

for (const [rows, columns] of [[1, 1], [5, 9], [24, 24], [300, 70]] as const) {
  for (const partial of [false, true]) {
    testOnBackends(
      `transportPotentials: ${rows}×${columns} ${partial ? "partial" : "balanced"} equals double precision`,
      async () => {
        const cost = costs(rows, columns);
        const logA = new Float64Array(rows).fill(-Math.log(rows));
        const logB = new Float64Array(columns).fill(-Math.log(columns));
        const reference: PotentialState = { f: new Float64Array(rows), g: new Float64Array(columns), k: 0 };
        const kind = partial ? "partial" : "balanced";
        const problem = { rows, columns, cost, logA, logB, kind, mass: 0.8, damping: 1 } as const;
        iteratePotentials(problem, reference, { iterations: 120, tolerance: -1 });
        const out = transportPotentials(
          tf.tensor2d(cost, [rows, columns]),
          tf.tensor1d([...logA, ...logB, Math.log(0.8)]),
          tf.zeros([rows + columns + 2]),
          { partial, iterations: 120 },
        );
        const values = await out.data();
        [...reference.f, ...reference.g, reference.k].forEach((expected, index) => {
          assert.ok(Math.abs(values[index]! - expected) < 2e-4, `${index}: ${values[index]} instead of ${expected}`);
        });
      },
    );
  }
}

testOnBackends("transportAdjoint: equals double precision with some potentials held", async () => {
  const [rows, columns] = [12, 17];
  const plan = costs(rows, columns).map((value) => Math.exp(-value / 4) / 60);
  const gradient = costs(columns, rows).map((value) => value / 20 - 0.4);
  const free = Float32Array.from({ length: rows + columns + 1 }, (_, index) => Number(index % 4 !== 1));
  const expected = solveAdjoint({
    rows,
    columns,
    plan,
    gradient,
    freeRows: free.subarray(0, rows),
    freeColumns: free.subarray(rows, rows + columns),
    freeMass: free[rows + columns]!,
  }, 60);
  const out = transportAdjoint(
    tf.tensor2d(plan, [rows, columns]),
    tf.tensor2d(gradient, [rows, columns]),
    tf.tensor1d(free),
    { iterations: 60 },
  );
  const values = await out.data();
  const scale = Math.max(...expected.map(Math.abs));
  expected.forEach((value, index) =>
    assert.ok(Math.abs(values[index]! - value) < 1e-3 * scale, `${index}: ${values[index]} ${value}`)
  );
});
