/** What a test of a null hypothesis says. */
export interface TestResult {
  /** The test's statistic. */
  readonly statistic: number;
  /** Two-sided probability of data as far from the null hypothesis as these. */
  readonly pValue: number;
  /** `"exact"` where all possibilities were counted, else how it was approximated. */
  readonly method: "exact" | "normal" | "student" | "draws";
}
