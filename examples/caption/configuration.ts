import { PLANES } from "@med3d/volume";
import { z } from "zod";

const positiveInteger = z.int().positive();

/** Shape of a captioning configuration: every key, its bounds and its default. */
export const captionSchema = z.strictObject({
  data: z.string().min(1).nullable().default(null).describe("scans: a folder, dataset.json or manifest"),
  phantoms: positiveInteger.min(4).default(48).describe("phantom scans, where there is no --data"),
  modality: z.enum(["CT", "MR"]).nullable().default(null).describe("what made the scans: CT or MR"),
  captioner: z.array(z.string().min(1)).min(1).max(2).default(["measuring"])
    .describe(
      "who describes slices: measuring, the http(s) address of an OpenAI-compatible server, folder PATH of a model, or reports FILE",
    ),
  model: z.string().min(1).nullable().default(null).describe("model as the server names it"),
  modelRevision: z.string().min(1).nullable().default(null)
    .describe("commit or digest of the model, kept with captions"),
  plainText: z.boolean().default(false).describe("ask for sentences in place of JSON, for models that cannot"),
  ctWindow: z.enum(["soft-tissue", "lung", "bone", "montage"]).default("soft-tissue").describe("how CT is shown"),
  maxPixels: z.int().min(32).max(2048).default(448).describe("longer side of the picture that is sent"),
  maskFace: z.boolean().default(false).describe(
    "blank faces of heads in what is shown; scans without a head are left out",
  ),
  legend: z.boolean().default(false).describe("write plane and position below the picture"),
  temperature: z.number().min(0).max(2).default(0).describe("sampling temperature of the model"),
  maxTokens: positiveInteger.default(512).describe("most tokens of an answer"),
  apiKeyVariable: z.string().regex(/^[A-Z_][A-Z0-9_]*$/).default("MED3D_API_KEY")
    .describe("environment variable with the server's key; a key is taken from nowhere else"),
  allowRemote: z.array(z.string().min(1)).default([]).describe("hosts beyond this machine that slices may go to"),
  acknowledgement: z.string().nullable().default(null)
    .describe("the sentence without which nothing leaves this machine; in a --config file only"),
  audit: z.string().min(1).nullable().default(null).describe("file that records what was sent where and when"),
  slicesPerVolume: positiveInteger.default(24).describe("slices per scan, over all planes"),
  planes: z.array(z.enum(PLANES)).min(1).default([...PLANES]).describe("planes that slices are taken from"),
  seed: z.int().nonnegative().default(0).describe("seed of the choice of slices"),
  out: z.string().min(1).default("captions.db").describe("store of the captions"),
  inFlight: positiveInteger.default(8).describe("slices that are asked about at once"),
  requestsPerMinute: z.number().positive().nullable().default(null).describe("most requests a minute"),
  timeoutSeconds: z.number().positive().default(120).describe("time a request may take"),
  maxRequests: positiveInteger.nullable().default(null).describe("most requests of this run"),
  maxCost: z.number().positive().nullable().default(null).describe("most that this run may cost; needs prices"),
  pricePerMillionPromptTokens: z.number().nonnegative().nullable().default(null).describe("price of what is sent"),
  pricePerMillionCompletionTokens: z.number().nonnegative().nullable().default(null)
    .describe("price of what is answered"),
  shard: z.string().regex(/^[1-9]\d*\/[1-9]\d*$/, "expected i/n such as 1/8").nullable().default(null)
    .describe("caption every n-th scan, from the i-th: 1/8 to 8/8 on eight machines"),
  retryQuarantined: z.boolean().default(false).describe("ask again about what is in quarantine"),
  leaseSeconds: positiveInteger.default(60).describe("time after which another run takes over a killed one's slices"),
  strict: z.boolean().default(false).describe("stop at the first unusable scan"),
});

/** A checked configuration of captioning. */
export type CaptionConfiguration = z.infer<typeof captionSchema>;

/** A shard in numbers: the `index`-th of `count`, from 0. */
export function parseShard(shard: string | null): { readonly index: number; readonly count: number } {
  const [first, count] = (shard ?? "1/1").split("/").map(Number);
  return { index: first! - 1, count: count! };
}
