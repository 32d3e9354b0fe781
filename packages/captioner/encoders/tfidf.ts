/** A sparse row: columns ascending, and a value for each. */
export interface SparseRow {
  /** Column of each value. */
  readonly columns: Int32Array;
  /** Values. */
  readonly values: Float64Array;
}

/** Which terms count, and how much. */
export interface TermWeights {
  /** Terms in ascending order of code units. */
  readonly vocabulary: readonly string[];
  /** Inverse document frequency of each: `ln((1 + n) / (1 + df)) + 1`. */
  readonly idf: Float64Array;
}

/** Options of {@linkcode fitTermWeights}. */
export interface TermWeightOptions {
  /** Least number of documents that a term must occur in. Default 2. */
  readonly minDocuments?: number;
  /** Most terms kept; those in the most documents, ties in the order of code units. Default 6000. */
  readonly maxTerms?: number;
}

/**
 * Chooses a vocabulary and weighs it by smoothed inverse document frequency.
 *
 * @param documents Terms of each document. Their order does not matter.
 * @throws RangeError when an option is not a positive integer.
 */
export function fitTermWeights(
  documents: readonly (readonly string[])[],
  options: TermWeightOptions = {},
): TermWeights {
  const { minDocuments = 2, maxTerms = 6000 } = options;
  for (const [name, value] of Object.entries({ minDocuments, maxTerms })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(
        `Cannot fit term weights: ${name} is out of range: got ${value}, expected a positive integer. Leave it out.`,
      );
    }
  }
  const frequency = new Map<string, number>();
  for (const terms of documents) {
    for (const term of new Set(terms)) frequency.set(term, (frequency.get(term) ?? 0) + 1);
  }
  const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  const vocabulary = [...frequency]
    .filter(([, count]) => count >= minDocuments)
    .sort(([a, countA], [b, countB]) => countB - countA || byCodeUnits(a, b))
    .slice(0, maxTerms)
    .map(([term]) => term)
    .sort(byCodeUnits);
  const idf = Float64Array.from(
    vocabulary,
    (term) => Math.log((1 + documents.length) / (1 + frequency.get(term)!)) + 1,
  );
  return { vocabulary, idf };
}

/**
 * Makes TF-IDF vectors: sublinear term frequency `1 + ln tf` times idf, each row of Euclidean length 1.
 *
 * Checked against scikit-learn's TfidfVectorizer with `sublinear_tf` and its defaults otherwise.
 *
 * @param weights Vocabulary and idf.
 * @returns A function from the terms of a document to its row: empty where no term is known.
 */
export function tfidfEncoder({ vocabulary, idf }: {
  readonly vocabulary: readonly string[];
  readonly idf: ArrayLike<number>;
}): (terms: readonly string[]) => SparseRow {
  const columnOf = new Map(vocabulary.map((term, column) => [term, column]));
  return (terms) => {
    const counts = new Map<number, number>();
    for (const term of terms) {
      const column = columnOf.get(term);
      if (column !== undefined) counts.set(column, (counts.get(column) ?? 0) + 1);
    }
    const columns = Int32Array.from(counts.keys()).sort();
    const values = new Float64Array(columns.length);
    columns.forEach((column, index) => values[index] = (1 + Math.log(counts.get(column)!)) * idf[column]!);
    const length = Math.hypot(...values);
    return { columns, values: values.map((value) => value / length) };
  };
}
