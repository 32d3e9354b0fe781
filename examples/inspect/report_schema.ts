import { z } from "zod";

/** Numbers that JSON has no word for (NaN, infinite) stand as null. */
const number = z.number().nullable();
const triple = z.tuple([z.number(), z.number(), z.number()]);

const finding = z.strictObject({
  severity: z.enum(["error", "warning", "info"]),
  code: z.string().regex(/^[a-z0-9-]+$/),
  path: z.string(),
  message: z.string().min(1),
  fix: z.string().min(1),
});

const grid = z.strictObject({
  shape: triple.describe("depth, height, width in voxels"),
  spacingMm: triple,
  orientation: z.string().regex(/^[LRAPSI]{3}$/).describe("where the indices (width, height, depth) grow to"),
  obliqueDegrees: z.number(),
  affine: z.array(z.number()).length(16).describe("row-major, voxel index (width, height, depth) to RAS+ millimetres"),
});

const labels = z.array(z.strictObject({ value: z.number(), voxels: z.int().nonnegative() }));

const file = z.strictObject({
  path: z.string(),
  grid: grid.optional().describe("absent where the file cannot be read"),
  canonical: grid.optional(),
  voxelType: z.string().optional(),
  statistics: z.strictObject({
    voxels: z.int(),
    nonFinite: z.int(),
    minimum: number,
    maximum: number,
    mean: number,
    standardDeviation: number,
    percentiles: z.strictObject({ p1: number, p25: number, p50: number, p75: number, p99: number }),
  }).optional(),
  labels: labels.optional().describe("where the voxels look like labels"),
  history: z.array(z.string()).optional().describe("what is done to the voxels, in order"),
  identifyingFields: z.record(z.string(), z.int()).optional().describe(
    "how many header fields that can name a patient are filled in; absent where the format is not looked into",
  ),
  findings: z.array(finding),
});

const scan = z.strictObject({
  id: z.string(),
  subject: z.string(),
  session: z.string().optional(),
  split: z.enum(["train", "validation"]).optional(),
  path: z.string(),
  shape: triple.optional(),
  spacingMm: triple.optional(),
  orientation: z.string().optional(),
  voxelType: z.string().optional(),
  minimum: number.optional(),
  maximum: number.optional(),
  mean: number.optional(),
  nonFinite: z.int().optional(),
  identifyingFields: z.int().optional(),
  label: z.strictObject({ path: z.string(), shape: triple.optional(), values: labels.optional() }).optional(),
});

const folder = z.strictObject({
  path: z.string(),
  kind: z.enum(["flat", "decathlon", "nnunet", "bids", "medmnist", "manifest"]).nullable().describe(
    "null where nothing was recognised",
  ),
  description: z.string(),
  cases: z.array(scan),
  labels: z.array(z.strictObject({
    value: z.number(),
    name: z.string().optional(),
    cases: z.int().nonnegative(),
    voxels: z.int().nonnegative(),
  })).describe("values of all label maps, declared ones that are nowhere among them"),
  findings: z.array(finding),
});

/** What `deno task inspect --json` prints. */
export const inspectReportSchema = z.strictObject({
  format: z.literal("med3d-inspect/1"),
  errors: z.int().nonnegative().describe("findings of severity error"),
  warnings: z.int().nonnegative(),
  files: z.array(file),
  folders: z.array(folder),
});

/** A report as it is printed. */
export type InspectReport = z.infer<typeof inspectReportSchema>;
