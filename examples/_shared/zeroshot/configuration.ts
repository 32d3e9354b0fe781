import { PLANES } from "@med3d/volume";
import { z } from "zod";
import { AGGREGATES } from "./scores.ts";

const path = z.string().min(1).nullable().default(null);
const positiveInteger = z.int().positive();

/** Shape of what is asked of a finished pretraining run: every key, its bounds and its default. */
export const zeroshotSchema = z.strictObject({
  weights: z.string().min(1).describe("folder of a finished deno task pretrain"),
  prompts: path.describe("JSON that maps each class to a sentence or several; phantoms have their own"),
  csv: path.describe("CSV of classes: id or subject, and one column with the class's number from 0"),
  find: z.string().trim().min(1).nullable().default(null).describe("text; scans and slices are ranked by it"),
  top: positiveInteger.default(10).describe("scans and slices that --find prints"),
  retrieval: z.boolean().default(false)
    .describe("caption slices and measure retrieval and modality gap, as pretraining does"),
  captions: path.describe("store of captions for --retrieval; null takes the run's, or the measuring captioner"),
  planes: z.array(z.enum(PLANES)).min(1).default([...PLANES]).describe("planes that are asked about"),
  perPlane: positiveInteger.default(8).describe("slices of each plane, evenly spread"),
  margin: z.number().min(0).lt(0.5).default(0.1).describe("share of each plane's axis passed over at either end"),
  aggregate: z.enum(AGGREGATES).default("mean").describe("how the slices of a scan become one: mean or max"),
  temperature: z.number().positive().default(0.07).describe("of the softmax over classes"),
  includeSeen: z.boolean().default(false)
    .describe("ask about scans that the weights were made from too; marked, and in no figure"),
  resamples: positiveInteger.default(2000).describe("draws of the bootstrap"),
  seed: z.int().nonnegative().default(0).describe("seed of the bootstrap"),
  encoder2d: path.describe("folder of the run's 2D encoder, where it has moved"),
  modality: z.enum(["CT", "MR"]).nullable().default(null).describe("what made the scans: CT or MR"),
  out: z.string().min(1).default("zeroshot").describe("folder of what is written"),
  backend: z.enum(["auto", "webgpu", "cpu"]).default("auto").describe("what to compute on: auto, webgpu or cpu"),
  strict: z.boolean().default(false).describe("stop at the first unusable scan"),
});

/** What is asked of a finished pretraining run. */
export type ZeroshotConfiguration = z.infer<typeof zeroshotSchema>;
