import { USUAL_ARGUMENTS } from "../_dynamic_architecture.ts";
import type { PlainUNet } from "../plain_unet.ts";
import type { ResidualEncoderUNet } from "../residual_encoder_unet.ts";
import type { Json } from "./sidecar.ts";

/** Settings that cannot be read off the encoder. */
interface UNetSettings {
  readonly convBias: boolean;
  readonly decoderConvsPerStage: number;
}

/** Arguments of `PlainConvUNet` or `ResidualEncoderUNet` in dynamic-network-architectures that make this encoder. */
export function uNetArguments(
  kind: "plain-unet" | "residual-unet",
  { channels, strides, kernelSizes, parameters }: PlainUNet | ResidualEncoderUNet,
  { convBias, decoderConvsPerStage }: UNetSettings,
): Record<string, Json> {
  const steps = strides.map((stride, i) => stride.map((n, axis) => n / (strides[i - 1]?.[axis] ?? 1)));
  const block = kind === "plain-unet" ? /^stages\.(\d+)\.0\.convs\.(\d+)\./ : /^stages\.(\d+)\.blocks\.(\d+)\./;
  const counts = channels.map(() => 0);
  for (const name of parameters.keys()) {
    const [, stage, index] = block.exec(name) ?? [];
    if (stage !== undefined) counts[Number(stage)] = Math.max(counts[Number(stage)]!, Number(index) + 1);
  }
  return {
    n_stages: channels.length,
    features_per_stage: channels,
    kernel_sizes: kernelSizes,
    strides: steps,
    [kind === "plain-unet" ? "n_conv_per_stage" : "n_blocks_per_stage"]: counts,
    n_conv_per_stage_decoder: channels.slice(1).map(() => decoderConvsPerStage),
    ...USUAL_ARGUMENTS as Record<string, Json>,
    conv_bias: convBias,
  };
}
