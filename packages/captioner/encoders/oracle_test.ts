import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { denseMap, dot, meanVector, sparseMap } from "./_vectors.ts";
import { canonicalCorrelation } from "./canonical_correlation.ts";
import { fitTermWeights, tfidfEncoder } from "./tfidf.ts";
import { truncatedSvd } from "./truncated_svd.ts";

const { text, pca, cca } = JSON.parse(
  await readFile(join(import.meta.dirname!, "..", "testdata", "encoders.json"), "utf8"),
);
const documents: string[][] = text.documents.map((document: string) => document.split(" "));

function assertClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, index) => {
    assert.ok(Math.abs(actual[index]! - value) <= tolerance, `${index}: got ${actual[index]}, expected ${value}`);
  });
}

/** Equal up to the sign that a decomposition leaves open. */
function assertSameAxes(actual: readonly Float64Array[], expected: number[][], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((axis, index) => {
    const sign = Math.sign(dot(axis, Float64Array.from(expected[index]!)));
    assertClose(axis.map((value) => sign * value), expected[index]!, tolerance);
  });
}

const rowsOf = (matrix: number[][]): Float64Array[] => matrix.map((row) => Float64Array.from(row));

Deno.test("fitTermWeights and tfidfEncoder: equal scikit-learn's TfidfVectorizer with sublinear_tf and min_df", () => {
  const weights = fitTermWeights(documents);
  assert.deepEqual(weights.vocabulary, text.vocabulary);
  assertClose(weights.idf, text.idf, 1e-11);
  const encode = tfidfEncoder(weights);
  documents.forEach((terms, index) => {
    const dense = new Array<number>(weights.vocabulary.length).fill(0);
    const { columns, values } = encode(terms);
    columns.forEach((column, k) => dense[column] = values[k]!);
    assertClose(dense, text.matrix[index], 1e-11);
  });
});

Deno.test("fitTermWeights: keeps the terms of most documents under a cap, ties by code units", () => {
  const { vocabulary } = fitTermWeights([["b", "a", "c"], ["a", "c", "b"], ["a", "d", "d"]], {
    minDocuments: 1,
    maxTerms: 2,
  });
  assert.deepEqual(vocabulary, ["a", "b"]);
  assert.throws(() => fitTermWeights([], { minDocuments: 0 }), /Cannot fit term weights: minDocuments.*got 0/);
  assert.throws(() => fitTermWeights([], { maxTerms: 1.5 }), /Cannot fit term weights: maxTerms.*got 1.5/);
});

Deno.test("truncatedSvd: equals scikit-learn's TruncatedSVD on TF-IDF rows", () => {
  const encode = tfidfEncoder(fitTermWeights(documents));
  const map = sparseMap(documents.map(encode), text.vocabulary.length);
  const searched = truncatedSvd(map, { rank: 8 }); // a sketch of 24 of 30 directions, in a flat spectrum
  assertClose(searched.singularValues, text.singularValues, 1e-6);
  assertSameAxes(searched.components, text.components, 1e-3);
  const exact = truncatedSvd(map, { rank: 14 }); // a sketch of all 30
  assertClose(exact.singularValues.slice(0, 8), text.singularValues, 1e-10);
  assertSameAxes(exact.components.slice(0, 8), text.components, 1e-8);
});

Deno.test("truncatedSvd: equals scikit-learn's PCA where the sketch is narrower than the matrix", () => {
  const rows = rowsOf(pca.matrix);
  const mean = meanVector(rows);
  const centred = rows.map((row) => row.map((value, index) => value - mean[index]!));
  const { singularValues, components } = truncatedSvd(denseMap(centred, mean.length), { rank: 6 });
  assertClose(singularValues, pca.singularValues, 1e-9);
  assertSameAxes(components, pca.components, 1e-6);
});

Deno.test("truncatedSvd: finds the rank of a deficient matrix and nothing in a zero one", () => {
  const axis = Float64Array.of(3, 4, 0);
  const deficient = [1, 2, -1, 5].map((scale) => axis.map((value) => scale * value));
  const { singularValues, components } = truncatedSvd(denseMap(deficient, 3), { rank: 3 });
  assertClose(singularValues, [5 * Math.sqrt(31)], 1e-9);
  assertSameAxes(components, [[0.6, 0.8, 0]], 1e-9);
  assert.equal(truncatedSvd(denseMap([new Float64Array(3)], 3), { rank: 2 }).components.length, 0);
});

Deno.test("truncatedSvd: a wide sketch stays wide, so all 120 directions of a large matrix are found", () => {
  const sparse = Array.from({ length: 300 }, (_, row) => ({
    columns: Int32Array.of(row % 120, 120 + ((row * 37) % 2600)).sort(),
    values: Float64Array.of(3, 0.1),
  }));
  const { singularValues } = truncatedSvd(sparseMap(sparse, 2800), { rank: 120 });
  assert.equal(singularValues.length, 120);
  assert.ok(singularValues.at(-1)! > 4, `smallest ${singularValues.at(-1)}`);
});

Deno.test("canonicalCorrelation: equals scikit-learn's CCA, correlations and scores", () => {
  const [x, y] = [rowsOf(cca.x), rowsOf(cca.y)];
  const found = canonicalCorrelation(x, y, { width: 3 });
  assertClose(found.correlations, cca.correlations, 1e-7);
  for (const [rows, axes, expected] of [[x, found.first, cca.firstScores], [y, found.second, cca.secondScores]]) {
    for (let axis = 0; axis < 3; axis++) {
      const scores = Float64Array.from(rows, (row: Float64Array) => dot(row, axes[axis]));
      const wanted = Float64Array.from(expected, (row: number[]) => row[axis]!);
      const sign = Math.sign(dot(scores, wanted));
      assertClose(scores.map((value) => sign * value), Array.from(wanted), 1e-4);
    }
  }
});

Deno.test("canonicalCorrelation: equals numpy with a ridge on both covariances", () => {
  const found = canonicalCorrelation(rowsOf(cca.x), rowsOf(cca.y), { width: 5, regularisation: cca.regularisation });
  assertClose(found.correlations, cca.regularisedCorrelations, 1e-9);
  assertSameAxes(found.first.slice(0, 3), cca.regularisedFirst, 1e-8);
  assertSameAxes(found.second.slice(0, 3), cca.regularisedSecond, 1e-8);
});

Deno.test("canonicalCorrelation: both sides of an axis share their sign", () => {
  const [x, y] = [rowsOf(cca.x), rowsOf(cca.y)];
  const { first, second, correlations } = canonicalCorrelation(x, y, { width: 3 });
  correlations.forEach((correlation, axis) => {
    const products = x.map((row, index) => dot(row, first[axis]!) * dot(y[index]!, second[axis]!));
    assert.ok(Math.abs(products.reduce((sum, value) => sum + value, 0) / x.length - correlation) < 1e-9);
  });
});
