import { flatShader } from "../_flat_shader.ts";
import type { ShaderProgram } from "../program.ts";
import { channelValues, gatedGradient, layoutOf, program } from "./_instance_norm_shaders.ts";
import type { GroupNormAttributes, InstanceSizes } from "./_names.ts";

/** WGSL over every channel of every volume, with the first channel of its group at `first`. */
function perChannel(
  name: string,
  { batch, channels }: InstanceSizes,
  { inputs, groups, settings, code }: { inputs: readonly string[]; groups: number; settings: unknown; code: string },
): ShaderProgram {
  return flatShader({
    key: `groupNorm/${name}/${JSON.stringify([batch, channels, groups, settings])}`,
    inputs,
    outputShape: [2, batch, channels],
    invocations: batch * channels,
    body: `
  let first = index - index % ${channels / groups};
${code}`,
  });
}

/** Mean and reciprocal standard deviation of each channel's group, from mean and squared deviations of each channel. */
export function groupMomentsShader(sizes: InstanceSizes, { groups, epsilon }: GroupNormAttributes): ShaderProgram {
  const { batch, cells, channels } = sizes;
  const width = channels / groups;
  const each = batch * channels;
  return perChannel("moments", sizes, {
    inputs: ["moments"],
    groups,
    settings: [cells, epsilon],
    code: `
  var mean = 0.0;
  for (var i = first; i < first + ${width}; i++) { mean += moments[i]; }
  mean = mean / ${width}.0;
  var squares = 0.0;
  for (var i = first; i < first + ${width}; i++) {
    let deviation = moments[i] - mean;
    squares += moments[${each} + i] + ${cells}.0 * deviation * deviation;
  }
  result[index] = mean;
  result[${each} + index] = 1.0 / sqrt(squares / ${cells * width}.0 + ${epsilon});`,
  });
}

/** Means over each channel's group of scale × gradient, and of that × normalised value, from the sums of each channel. */
export function groupMeansShader(sizes: InstanceSizes, { groups }: GroupNormAttributes): ShaderProgram {
  const { batch, cells, channels } = sizes;
  const width = channels / groups;
  const each = batch * channels;
  return perChannel("means", sizes, {
    inputs: ["sums", "scale"],
    groups,
    settings: cells,
    code: `
  var mean = 0.0;
  var moment = 0.0;
  for (var i = first; i < first + ${width}; i++) {
    let factor = scale[i % ${channels}];
    mean += factor * sums[i];
    moment += factor * sums[${each} + i];
  }
  result[index] = mean / ${cells * width}.0;
  result[${each} + index] = moment / ${cells * width}.0;`,
  });
}

/** The gradient with respect to the input. */
export function groupInputGradientShader(
  sizes: InstanceSizes,
  shape: readonly number[],
  { slope, groups }: GroupNormAttributes,
): ShaderProgram {
  const layout = layoutOf(sizes);
  const { batch, cells } = layout;
  return program("groupInputGradient", layout, {
    inputs: ["x", "dy", "stats", "scale", "offset", "means"],
    outputShape: shape,
    invocations: batch * cells * layout.groups,
    settings: [slope, groups],
    code: `
  let at = index;
  let channel = index % ${layout.groups};
  let volume = index / ${cells * layout.groups};
${channelValues(layout)}
${gatedGradient(slope)}
  let meanGradient = means[volume * ${layout.groups} + channel];
  let moment = means[${batch * layout.groups} + volume * ${layout.groups} + channel];
  result[index] = root * (factor * gradient - meanGradient - normalised * moment);`,
  });
}
