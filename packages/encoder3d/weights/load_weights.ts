import { loadStateDict, type Parameters, readSafetensors, type Triple } from "@med3d/nn";
import type { Encoder3D } from "../contract.ts";
import { fitTensors } from "./_fit_tensors.ts";
import { nameTensors } from "./_name_tensors.ts";
import { targetFacts } from "./_target_facts.ts";
import { formatWeightsReport, type WeightsReport } from "./weights_report.ts";

/** What weights are loaded into: an encoder or other module with its buffers, or any parameters by name. */
export type WeightsTarget = Pick<Encoder3D, "parameters" | "buffers"> | Parameters;

/** Options of {@linkcode loadWeights}. */
export interface LoadWeightsOptions {
  /** What stands in front of the wanted tensors' names in the file, `"teacher.encoder."` for example; others are left aside. Default: found. */
  readonly prefix?: string;
  /** Whether anything less than all of the target's tensors is enough, as long as it is one. Default false. */
  readonly partial?: boolean;
  /** Least share of the target's tensors, from 0 to 1, that has to be loaded. Default 1; where `partial`, more than 0. */
  readonly minimumMatched?: number;
  /** Whether tensors of other shapes are adapted where there is a rule. Default true. */
  readonly adapt?: boolean;
  /** Channels of the target's volume, to which the layer that reads it is adapted. Default: the encoder's; bare parameters are not adapted. */
  readonly inChannels?: number;
  /** Tokens `[depth, height, width]` of the volume that the stored table of positions is for. Default: a cube. */
  readonly sourceGrid?: Triple;
  /** Cells `[depth, height, width]` of the windows that the stored tables of offsets are for. Default: cubes. */
  readonly sourceWindow?: Triple;
}

/**
 * Loads a safetensors file into an encoder, decoder, head, or whatever has named parameters.
 *
 * Names: the second names that nnU-Net's state dicts hold, MONAI's tables of offsets and never used norms are set aside; a prefix of parallel or
 * compiled models (`module.`, `_orig_mod.`) goes; then the one prefix to take away or put in front that yields most of the target's names is
 * found (`encoder.`, `backbone.`, `swinViT.`, …). What the file holds besides, such as a decoder, is reported and no error.
 *
 * Shapes: of the layer that reads the volume the input channels are dealt out in turn, divided among those that share one, and added where one
 * gets several, so that a volume whose channels are all alike gives what it gave; tables of positions are resized trilinearly to the target's grid
 * of tokens, and tables of offsets in windows to its windows. Half and bfloat16 files are widened.
 *
 * Nothing is changed unless enough is loaded.
 *
 * @param target Assigned in place. Of an encoder the grid of tokens, the windows and the input channels are known; of bare parameters the first
 * two are taken to be cubes.
 * @param bytes The whole file. `.pt` and `.pth` files are turned into safetensors by `tools/convert/to_safetensors.py`.
 * @returns What was loaded and what not; {@linkcode formatWeightsReport} prints it.
 * @throws SyntaxError when the bytes are no safetensors file.
 * @throws RangeError when less is loaded than asked for, naming what is missing and the nearest names in the file; when several prefixes fit
 * equally well; or when an option is out of range.
 */
export function loadWeights(
  target: WeightsTarget,
  bytes: Uint8Array | ArrayBuffer,
  options: LoadWeightsOptions = {},
): WeightsReport {
  const { partial = false, minimumMatched = partial ? Number.MIN_VALUE : 1, adapt = true } = options;
  if (!(minimumMatched >= 0 && minimumMatched <= 1)) {
    throw new RangeError(
      `Cannot load weights: minimumMatched is out of range: got ${minimumMatched}, expected a number from 0 to 1.`,
    );
  }
  const { sourceGrid, sourceWindow, inChannels } = options;
  const wanted = tensorsOf(target);
  const { tensors } = readSafetensors(bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes);
  const { named, ...names } = nameTensors(tensors, new Set(wanted.keys()), options.prefix);
  const facts = adapt && {
    ...targetFacts(target),
    ...(inChannels !== undefined && { inChannels }),
    ...(sourceGrid && { sourceGrid }),
    ...(sourceWindow && { sourceWindow }),
  };
  const { ready, ...fitted } = fitTensors(wanted, named, {
    facts,
    leftOver: names.unexpected.map(({ storedName }) => storedName),
  });
  const report: WeightsReport = { ...names, ...fitted };
  if (report.share < minimumMatched) refuse(report, minimumMatched);
  loadStateDict(wanted, ready, { strict: false });
  return report;
}

function tensorsOf(target: WeightsTarget): Parameters {
  if (!("parameters" in target)) return target;
  return new Map([...target.parameters, ...(target.buffers ?? [])]);
}

function refuse(report: WeightsReport, minimum: number): never {
  const expected = minimum === 1 ? "all" : minimum < 1e-9 ? "at least one" : `at least ${100 * minimum} %`;
  const loaded = report.matched.length + report.adapted.length;
  throw new RangeError(
    `Cannot load weights: they do not fit the network: got ${loaded} of its tensors, expected ${expected}. ` +
      `Pass { partial: true } to load what fits, a prefix, or take another file.\n${
        formatWeightsReport(report, { rows: 5 })
      }`,
  );
}
