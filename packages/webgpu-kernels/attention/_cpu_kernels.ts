import { type CpuInputs, type CpuResult, registerOnCpu } from "../_cpu_kernel.ts";
import { dropThreshold, hash } from "../_hash.ts";
import {
  ATTENTION,
  ATTENTION_BIAS_GRADIENT,
  ATTENTION_GRADIENT,
  type AttentionAttributes,
  type AttentionSizes,
  attentionSizes,
  BIASED_ATTENTION,
} from "./_names.ts";

type Arrays = CpuInputs["arrays"];

/** The weights of one query before dropout, and what each is multiplied by in it. */
function weightsOf(
  { query, key, bias }: Arrays,
  { queries, keys, width, biasGroups }: AttentionSizes,
  { scale, dropout, seed }: AttentionAttributes,
): (group: number, i: number, weights: Float64Array, kept: Float64Array) => void {
  const threshold = dropThreshold(dropout);
  return (group, i, weights, kept) => {
    const q = (group * queries + i) * width;
    const drawn = hash(seed ^ Math.imul(group, 0x9e3779b9));
    let most = -Infinity;
    for (let j = 0; j < keys; j++) {
      const k = (group * keys + j) * width;
      let score = 0;
      for (let c = 0; c < width; c++) score += query![q + c]! * key![k + c]!;
      score *= scale;
      if (bias) score += bias[((group % biasGroups) * queries + i) * keys + j]!;
      weights[j] = score;
      if (score > most) most = score;
      kept[j] = dropout > 0 ? (hash(drawn + Math.imul(i, keys) + j) >= threshold ? 1 / (1 - dropout) : 0) : 1;
    }
    let sum = 0;
    for (let j = 0; j < keys; j++) sum += weights[j] = Math.exp(weights[j]! - most);
    for (let j = 0; j < keys; j++) weights[j]! /= sum;
  };
}

function register(
  kernelName: string,
  body: (arrays: Arrays, sizes: AttentionSizes, attributes: AttentionAttributes) => CpuResult[],
): void {
  registerOnCpu<AttentionAttributes>(
    kernelName,
    ({ arrays, shapes: { query, key, bias } }, attributes) =>
      body(arrays, attentionSizes(query!, key!, bias), attributes),
  );
}

for (const name of [ATTENTION, BIASED_ATTENTION]) register(name, attend);

function attend(
  arrays: Arrays,
  sizes: AttentionSizes,
  attributes: AttentionAttributes,
): CpuResult[] {
  const { groups, queries, keys, width } = sizes;
  const fillWeights = weightsOf(arrays, sizes, attributes);
  const [weights, kept] = [new Float64Array(keys), new Float64Array(keys)];
  const output = new Float32Array(groups * queries * width);
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < queries; i++) {
      fillWeights(group, i, weights, kept);
      const at = (group * queries + i) * width;
      for (let j = 0; j < keys; j++) {
        const weight = weights[j]! * kept[j]!;
        const v = (group * keys + j) * width;
        for (let c = 0; c < width; c++) output[at + c]! += weight * arrays.value![v + c]!;
      }
    }
  }
  return [[[groups, queries, width], output]];
}

/** Calls back with the weight, the factor of dropout and the gradient of the score for every query and key. */
function forEachScore(
  arrays: Arrays,
  sizes: AttentionSizes,
  attributes: AttentionAttributes,
  body: (at: { group: number; i: number; j: number }, weight: number, gradient: number) => void,
): void {
  const { groups, queries, keys, width } = sizes;
  const { gradient, value } = arrays;
  const fillWeights = weightsOf(arrays, sizes, attributes);
  const [weights, kept, incoming] = [new Float64Array(keys), new Float64Array(keys), new Float64Array(keys)];
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < queries; i++) {
      fillWeights(group, i, weights, kept);
      const g = (group * queries + i) * width;
      let mean = 0;
      for (let j = 0; j < keys; j++) {
        const v = (group * keys + j) * width;
        let sum = 0;
        for (let c = 0; c < width; c++) sum += gradient![g + c]! * value![v + c]!;
        incoming[j] = sum * kept[j]!;
        mean += weights[j]! * incoming[j]!;
      }
      for (let j = 0; j < keys; j++) body({ group, i, j }, weights[j]! * kept[j]!, weights[j]! * (incoming[j]! - mean));
    }
  }
}

register(ATTENTION_GRADIENT, (arrays, sizes, attributes) => {
  const { groups, queries, keys, width } = sizes;
  const { query, key, gradient } = arrays;
  const dq = new Float32Array(groups * queries * width);
  const [dk, dv] = [new Float32Array(groups * keys * width), new Float32Array(groups * keys * width)];
  forEachScore(arrays, sizes, attributes, ({ group, i, j }, weight, score) => {
    const [q, k] = [(group * queries + i) * width, (group * keys + j) * width];
    const scaled = score * attributes.scale;
    for (let c = 0; c < width; c++) {
      dq[q + c]! += scaled * key![k + c]!;
      dk[k + c]! += scaled * query![q + c]!;
      dv[k + c]! += weight * gradient![q + c]!;
    }
  });
  return [[[groups, queries, width], dq], [[groups, keys, width], dk], [[groups, keys, width], dv]];
});

register(ATTENTION_BIAS_GRADIENT, (arrays, sizes, attributes) => {
  const { queries, keys, biasGroups } = sizes;
  const sums = new Float64Array(biasGroups * queries * keys);
  forEachScore(arrays, sizes, attributes, ({ group, i, j }, _weight, score) => {
    sums[((group % biasGroups) * queries + i) * keys + j]! += score;
  });
  return [[[biasGroups, queries, keys], Float32Array.from(sums)]];
});
