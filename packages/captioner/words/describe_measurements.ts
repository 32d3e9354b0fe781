import { createHash } from "node:crypto";
import type { MeasuredFocus, MeasuredRegion, SliceMeasurements } from "../measure/slice_measurements.ts";
import {
  DIRECTIONS,
  MODALITY_WORDS,
  placeWords,
  POSITION_ORIGIN,
  positionWords,
  regionNoun,
  SHAPE_WORDS,
} from "./_phrases.ts";
import { capitalise, countWord, joinWords, roundHu, roundMm, roundPercent, withArticle } from "./_quantities.ts";

/** Options of {@linkcode describeMeasurements}. */
export interface DescribeOptions {
  /** Fixes the choice among templates and the order of sentences. */
  readonly seed: string;
  /** Most connected regions that are described one by one. Default 3. */
  readonly maxRegions?: number;
  /** Most foci that are described one by one. Default 2. */
  readonly maxFoci?: number;
}

/** A region that takes this share of the body's extent in both directions is not described as lying somewhere. */
const SPANS = 0.85;

/** Picks one of several wordings. */
type Pick = <Wording>(wordings: readonly Wording[]) => Wording;

/**
 * Says measurements in radiological English, wording and order varied by the seed.
 *
 * Numbers are rounded as a reader would give them: lengths by 1 mm below 20, by 5 below 100, else by 10; shares by 1 % below 10, else
 * by 5; HU by 10. Nothing is said that was not measured; no diagnosis is made.
 *
 * @param measured What {@linkcode measureSlice} found.
 * @returns Sentences, each beginning with a capital and ending with a full stop.
 * @throws RangeError when `maxRegions` or `maxFoci` is not a non-negative integer.
 */
export function describeMeasurements(measured: SliceMeasurements, options: DescribeOptions): string {
  const { seed, maxRegions = 3, maxFoci = 2 } = options;
  for (const [name, value] of Object.entries({ maxRegions, maxFoci })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(
        `Cannot describe measurements: ${name} is out of range: got ${value}, expected a non-negative integer. Leave it out.`,
      );
    }
  }
  const pick = pickerFrom(seed);
  const opening = [sayPlane(measured, pick), sayBody(measured, pick)];
  const middle = [
    sayTissues(measured, pick),
    sayRegions(measured, maxRegions, pick),
    sayFoci(measured, maxFoci, pick),
    saySymmetry(measured, pick),
  ];
  const first = pick(middle.map((_, index) => index)); // begins anywhere and goes round, so that neighbours stay neighbours
  const sentences = [...opening, ...middle.slice(first), ...middle.slice(0, first), sayQuality(measured, pick)];
  return sentences.filter((sentence) => sentence !== "").map((sentence) => `${capitalise(sentence)}.`).join(" ");
}

/** Picks by the bytes of a hash, so that captions are the same on every machine and whatever generator is in fashion. */
function pickerFrom(seed: string): Pick {
  const bytes = createHash("sha512").update(seed).digest();
  let next = 0;
  return (wordings) => wordings[bytes[next++ % bytes.length]! % wordings.length]!;
}

function sayPlane({ modality, plane, relativePosition }: SliceMeasurements, pick: Pick): string {
  const where = positionWords(plane, relativePosition);
  const percent = Math.min(95, Math.max(5, 5 * Math.round(20 * relativePosition)));
  const level = `${percent} % ${POSITION_ORIGIN[plane]}`;
  const kind = MODALITY_WORDS[modality];
  return pick([
    `${plane} ${kind} slice ${where}, about ${level}`,
    `${plane} ${kind} image taken ${where} (${level})`,
    `this ${plane} ${kind} section lies ${where}, at ${level}`,
    `${kind} in ${plane} orientation, ${where}, ${level}`,
  ]);
}

function sayBody({ body, fieldMm, plane, percentiles, modality }: SliceMeasurements, pick: Pick): string {
  if (body.fraction === 0) {
    return pick(["only air is in the field of view", "the field of view holds no tissue, only air"]);
  }
  const [vertical, horizontal] = DIRECTIONS[plane];
  const [tall, wide] = body.extentMm.map(roundMm) as [number, number];
  if (!body.hasSurroundings) {
    const [fieldTall, fieldWide] = fieldMm.map(roundMm) as [number, number];
    return pick([
      `tissue fills the whole field of ${fieldTall} mm ${vertical} by ${fieldWide} mm ${horizontal}`,
      `the field of view, ${fieldTall} mm ${vertical} and ${fieldWide} mm ${horizontal}, lies inside the body`,
    ]);
  }
  const size = `${tall} mm ${vertical} and ${wide} mm ${horizontal}`;
  const share = roundPercent(body.fraction);
  const median = modality === "CT" ? `, median ${roundHu(percentiles[1])} HU` : "";
  return pick([
    `the body measures ${size} and takes ${share} % of the field of view${median}`,
    `the body outline spans ${size}, with ${share} % of the field covered${median}`,
    `body extent ${size}, ${share} % of the field of view, surrounded by air${median}`,
  ]);
}

function sayTissues({ tissues }: SliceMeasurements, pick: Pick): string {
  const present = tissues.filter(({ fraction }) => fraction >= 0.01).toSorted((a, b) => b.fraction - a.fraction);
  if (present.length === 0) return "";
  const list = joinWords(present.map(({ name, fraction }) => `${roundPercent(fraction)} % ${name}`));
  const [main, ...others] = present;
  const rest = joinWords(others.map(({ name, fraction }) => `${roundPercent(fraction)} % ${name}`));
  return pick([
    `by intensity the body is ${list}`,
    `composition: ${list}`,
    others.length > 0
      ? `the largest share is ${roundPercent(main!.fraction)} % ${main!.name}, besides ${rest}`
      : `nearly all of it is ${main!.name}`,
  ]);
}

function sayRegion(region: MeasuredRegion, pick: Pick): string {
  const [tall, wide] = region.extentMm.map(roundMm) as [number, number];
  const noun = withArticle(`${SHAPE_WORDS[region.shape]} ${regionNoun(region.tissue)}`);
  const place = placeWords(region.place);
  return pick([
    `${noun} of ${tall} × ${wide} mm ${place}`,
    `${noun} ${place} measuring ${tall} × ${wide} mm`,
  ]);
}

function sayRegions({ regions: all, body }: SliceMeasurements, most: number, pick: Pick): string {
  // What spans the body in both directions (its rim, its ground tissue) has no place of its own.
  const regions = all.filter(({ extentMm }) => extentMm.some((extent, axis) => extent < SPANS * body.extentMm[axis]!));
  const shown = regions.slice(0, most);
  if (shown.length === 0) return "";
  const list = joinWords(shown.map((region) => sayRegion(region, pick)));
  const further = regions.length - shown.length;
  const more = further > 0 ? `, besides ${countWord(further)} smaller ${further === 1 ? "area" : "areas"}` : "";
  return pick([`there is ${list}${more}`, `the largest connected areas are ${list}${more}`, `it shows ${list}${more}`]);
}

function sayFocus(focus: MeasuredFocus, ct: boolean, pick: Pick): string {
  const adjective = ct ? { bright: "hyperdense", dark: "hypodense" } : { bright: "hyperintense", dark: "hypointense" };
  const amount = ct
    ? `${Math.abs(roundHu(focus.difference))} HU`
    : `${roundPercent(Math.abs(focus.differenceShare))} % of the range`;
  const above = focus.kind === "bright" ? "above" : "below";
  const noun = `${pick([adjective, { bright: "bright", dark: "dark" }])[focus.kind]} focus`;
  return `${withArticle(`${SHAPE_WORDS[focus.shape]} ${noun}`)} of ${roundMm(focus.diameterMm)} mm ` +
    `${placeWords(focus.place)}, ${amount} ${above} its surroundings`;
}

function sayFoci({ foci, modality, body }: SliceMeasurements, most: number, pick: Pick): string {
  if (body.fraction === 0) return "";
  if (foci.length === 0) return pick(["no circumscribed focus stands out", "there is no bright or dark focus", ""]);
  const shown = foci.slice(0, most).map((focus) => sayFocus(focus, modality === "CT", pick));
  const further = foci.length - shown.length;
  const more = further > 0 ? [`${countWord(further)} further ${further === 1 ? "focus" : "foci"}`] : [];
  if (shown.length === 0) return `${countWord(further)} ${further === 1 ? "focus stands" : "foci stand"} out`;
  return `${pick(["there is", "noted:", "conspicuous:"])} ${[...shown, ...more].join("; ")}`;
}

function saySymmetry({ symmetry }: SliceMeasurements, pick: Pick): string {
  if (!symmetry) return "";
  const { correlation, brighterSide } = symmetry;
  const degree = correlation >= 0.9 ? "highly symmetric" : correlation >= 0.7 ? "fairly symmetric" : "asymmetric";
  const side = brighterSide ? `, the patient's ${brighterSide} side being brighter` : "";
  return pick([
    `the two sides are ${degree}${side}`,
    `left and right appear ${degree}${side}`,
    `the section is ${degree} about its midline${side}`,
  ]);
}

function sayQuality({ noise, percentiles: [low, , high], modality, body }: SliceMeasurements, pick: Pick): string {
  if (body.fraction === 0) return "";
  const level = noise.share < 0.015 ? "low" : noise.share < 0.05 ? "moderate" : "high";
  if (modality === "CT") {
    const deviation = 5 * Math.round(noise.deviation / 5);
    return pick([
      `noise is ${level} at about ${deviation} HU; intensities run from ${roundHu(low)} to ${roundHu(high)} HU`,
      `intensities range from ${roundHu(low)} to ${roundHu(high)} HU, with ${level} noise of about ${deviation} HU`,
    ]);
  }
  const contrast = high + low > 0 ? Math.min(1, Math.max(0, (high - low) / (high + low))) : 1;
  return pick([
    `noise is ${level} at ${roundPercent(noise.share)} % of the range; tissue contrast is ${roundPercent(contrast)} %`,
    `tissue contrast of ${roundPercent(contrast)} % with ${level} noise, ${roundPercent(noise.share)} % of the range`,
  ]);
}
