import { SeededRandom } from "../_seeded_random.ts";
import { deriveVolume, type Volume } from "../volume.ts";
import { blur } from "./_blur.ts";
import { addNoise, brighten, lowerResolution, raiseToGamma, stretchContrast } from "./_intensities.ts";
import type { AugmentRecipe, ChannelChance, DrawRange } from "./recipe.ts";

/** An image that is being changed in place, and what was done to it. */
interface Work {
  values: Float32Array;
  readonly lines: string[];
}

/** Changes intensities, each channel by what is drawn for it; a channel that nothing happens to stays the same object. */
export function augmentIntensities(
  channels: readonly Volume[],
  seed: string,
  options: { readonly recipe: AugmentRecipe; readonly thickAxis: number | undefined },
): Volume[] {
  const { recipe, thickAxis } = options;
  const works = channels.map((): Work | undefined => undefined);
  const shape = channels[0]!.shape;
  const change = (channel: number, line: string, how: (work: Work) => void): void => {
    const work = works[channel] ??= { values: Float32Array.from(channels[channel]!.data), lines: [] };
    how(work);
    work.lines.push(`augmented: ${line}`);
  };
  const each = (name: string, chance: Chanced, draw: (random: SeededRandom, channel: number) => void): void => {
    const random = new SeededRandom(`${seed}/${name}`);
    if (!random.chance(chance.probability)) return;
    channels.forEach((_, channel) => {
      if (random.chance(chance.channelProbability ?? 1)) draw(random, channel);
    });
  };

  const ofNoise = new SeededRandom(`${seed}/noise`);
  if (ofNoise.chance(recipe.noise.probability)) {
    const deviation = ofNoise.float(...recipe.noise.deviation);
    channels.forEach((_, channel) =>
      change(
        channel,
        `noise of deviation ${deviation.toFixed(5)}`,
        ({ values }) => addNoise(values, deviation, ofNoise),
      )
    );
  }
  each("blur", recipe.blur, (random, channel) => {
    const sigma = shape.map(() => random.float(...recipe.blur.sigmaVoxels)) as [number, number, number];
    const told = sigma.map((value) => value.toFixed(4)).join(", ");
    change(channel, `blurred by ${told} voxels along depth, height, width`, ({ values }) => blur(values, shape, sigma));
  });
  each("brightness", recipe.brightness, (random, channel) => {
    const factor = drawAroundOne(random, recipe.brightness.factor);
    change(channel, `brightness times ${factor.toFixed(5)}`, ({ values }) => brighten(values, factor));
  });
  each("contrast", recipe.contrast, (random, channel) => {
    const factor = drawAroundOne(random, recipe.contrast.factor);
    change(channel, `contrast times ${factor.toFixed(5)}`, ({ values }) => stretchContrast(values, factor));
  });
  each("low resolution", recipe.lowResolution, (random, channel) => {
    const share = random.float(...recipe.lowResolution.share);
    const counts = shape.map((extent, axis) =>
      axis === thickAxis ? extent : Math.max(1, Math.round(share * extent))
    ) as [
      number,
      number,
      number,
    ];
    change(channel, `resolution lowered to ${counts.join("×")} voxels and back`, (work) => {
      work.values = lowerResolution(work.values, shape, counts);
    });
  });
  for (const inverted of [true, false]) {
    const { exponent: range, ...chance } = inverted ? recipe.invertedGamma : recipe.gamma;
    each(inverted ? "inverted gamma" : "gamma", chance, (random, channel) => {
      const exponent = drawAroundOne(random, range);
      const line = `gamma ${exponent.toFixed(5)}${inverted ? " of the negative" : ""}`;
      change(channel, line, ({ values }) => raiseToGamma(values, exponent, inverted));
    });
  }
  return channels.map((channel, i) => {
    const work = works[i];
    return work?.lines.reduce((volume, line) => deriveVolume(volume, { data: work.values }, line), channel) ?? channel;
  });
}

type Chanced = Pick<ChannelChance, "probability"> & Partial<ChannelChance>;

/** Draws evenly below 1 half of the time, else evenly above. */
function drawAroundOne(random: SeededRandom, [least, largest]: DrawRange): number {
  const isBelow = random.chance(0.5);
  const share = random.float();
  if (isBelow && least < 1) return least + (Math.min(1, largest) - least) * share;
  const from = Math.max(least, 1);
  return from <= largest ? from + (largest - from) * share : least + (largest - least) * share;
}
