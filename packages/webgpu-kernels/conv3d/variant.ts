import { readEnvironment } from "../_environment.ts";
import type { DeviceKind } from "./_device_kind.ts";
import type { GatherDirection } from "./_gather_shader.ts";
import type { ConvolutionGeometry } from "./_geometry.ts";
import { tiledGatherCount } from "./_tiled_gather_shader.ts";

/**
 * How a convolution's sums are shared out on WebGPU: `direct`, each invocation loads what it needs into registers; `tiled`, a workgroup
 * multiplies tiles of matrices in its shared memory.
 */
export type Conv3dVariant = "direct" | "tiled";

/** A convolution or one of its gradients. */
export type Conv3dSum = GatherDirection | "filterGradient";

const CHOICES = ["auto", "direct", "tiled"];

/** Columns below which most of a tile would be empty. */
const FEWEST_COLUMNS = 16;
/** Terms or rows below which filling tiles costs more than it saves. */
const FEWEST_TERMS = 32;
/** Dispatches that the gradient of a strided convolution may be split into; more would be too small each. */
const MOST_DISPATCHES = 8;

let forced: Conv3dVariant | undefined;

/**
 * Forces a variant of the 3D convolution kernels on WebGPU, for all shapes, from the next operation on. Both give the same numbers within
 * float32's precision.
 *
 * @param variant `auto` goes back to what the environment variable `MED3D_CONV3D` says, and where that is not set to choosing by device
 * and shape: `direct` where WebGPU runs on the processor, and for few channels; else `tiled`.
 */
export function setConv3dVariant(variant: Conv3dVariant | "auto"): void {
  forced = variant === "auto" ? undefined : variant;
}

/** The variant that a shape is computed by. */
export function chooseVariant(geometry: ConvolutionGeometry, sum: Conv3dSum, device: DeviceKind): Conv3dVariant {
  const wanted = forced ?? wantedByEnvironment();
  if (wanted !== "auto") return wanted;
  if (device === "processor") return "direct";
  const { inChannels, outChannels, axes } = geometry;
  const taps = axes.reduce((product, { kernel }) => product * kernel, 1);
  const [columns, terms] = sum === "inputGradient"
    ? [inChannels, taps * outChannels]
    : [outChannels, taps * inChannels];
  const dispatches = sum === "filterGradient" ? 1 : tiledGatherCount(geometry, sum);
  return columns >= FEWEST_COLUMNS && terms >= FEWEST_TERMS && dispatches <= MOST_DISPATCHES ? "tiled" : "direct";
}

function wantedByEnvironment(): Conv3dVariant | "auto" {
  const wanted = readEnvironment("MED3D_CONV3D") || "auto";
  if (CHOICES.includes(wanted)) return wanted as Conv3dVariant | "auto";
  throw new RangeError(
    `Cannot choose a variant of the 3D convolution: it is unknown: got "${wanted}", expected one of ${
      CHOICES.join(", ")
    }. ` +
      `Change the environment variable MED3D_CONV3D.`,
  );
}
