import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { assertPlan, nameOf, type OracleProblem, problemOf, readOracleProblems } from "../testdata/oracle_problems.ts";
import { solveTensorTransport } from "./solve_tensor_transport.ts";

/** Rounding of a float32 number near 1. */
const ROUNDING = 2 ** -24;

/**
 * Of the plan's largest entry. A cost of 1 rounded to float32 moves an entry by ROUNDING / ε of itself; WebGPU also iterates in float32.
 * Two kinds of costs make Sinkhorn crawl, so that 500 and 2000 iterations leave more; of the first, POT does not arrive in 20 000 either. The solvers
 * on the host, which have Newton steps, are held to 1e-8 on them.
 */
function toleranceOf({ kind, cost, epsilon = 1, mass }: OracleProblem, backend: string): number {
  const crawls = (cost === "matched" && epsilon === 0.03 && mass === 0.95) || (cost === "plane" && mass === 0.9);
  if (kind === "partial" && crawls) return 1e-3;
  return 1e-5 + (backend === "cpu" ? 4 : 25) * ROUNDING / epsilon;
}

const problems = (await readOracleProblems()).filter(({ kind }) => !kind.startsWith("exact"));

testOnBackends(
  "oracle: solveTensorTransport equals POT's entropic solvers as far as float32 reaches",
  async ({ backend }) => {
    assert.ok(problems.length >= 29);
    for (const problem of problems) {
      const { cost, rowMarginal, columnMarginal } = problemOf(problem);
      const { rows, columns, epsilon, mass, rho, expected } = problem;
      const result = solveTensorTransport(tf.tensor2d(Float32Array.from(cost), [rows, columns]), {
        rowMarginal: tf.tensor1d(Float32Array.from(rowMarginal)),
        columnMarginal: tf.tensor1d(Float32Array.from(columnMarginal)),
        iterations: problem.cost === "matched" ? 500 : 2000,
        tolerance: 1e-6,
        ...(epsilon === undefined ? {} : { epsilon }),
        ...(mass === undefined ? {} : { mass }),
        ...(rho === undefined ? {} : { rho }),
      });
      const tolerance = toleranceOf(problem, backend);
      try {
        assertPlan(await result.plan.data(), problem, tolerance);
        const difference = Math.abs((await result.cost.data())[0]! - expected.cost);
        assert.ok(difference <= tolerance * expected.mass, `cost off by ${difference}`);
      } catch (error) {
        throw new Error(nameOf(problem), { cause: error });
      }
      tf.dispose(result);
    }
  },
);
