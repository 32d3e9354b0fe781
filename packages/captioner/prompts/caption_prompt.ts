import { canonicalJson, type SliceContext } from "@med3d/volume";
import { createHash } from "node:crypto";

/** What a prompt says, before the facts of a slice are filled in. */
export interface PromptTemplate {
  /** Short name: lower-case letters, digits and hyphens. */
  readonly name: string;
  /** Raised whenever a word changes: captions are then made anew. */
  readonly version: number;
  /** The system message. Places for facts: `{modality}`, `{plane}`, `{position}`, `{window}`. */
  readonly system: string;
  /** The text beside the picture, with the same places. */
  readonly user: string;
  /** Whether the answer is asked for as JSON, as `readStructuredAnswer` reads it. */
  readonly structured: boolean;
}

/** A prompt with its identity. Made by {@linkcode definePrompt}. */
export interface CaptionPrompt extends PromptTemplate {
  /** `name@version`. */
  readonly id: string;
  /** SHA-256 of the whole template in lower-case hexadecimal. */
  readonly hash: string;
}

/** A prompt as it is sent. */
export interface FilledPrompt {
  /** The system message. */
  readonly system: string;
  /** The text beside the picture. */
  readonly user: string;
}

const PLACES = ["modality", "plane", "position", "window"];
const AXIS_ENDS = {
  axial: "inferior to superior",
  coronal: "posterior to anterior",
  sagittal: "left to right",
} as const;
const MODALITIES = { CT: "CT", MR: "MR", unknown: "medical" } as const;

/**
 * Gives a template its identity.
 *
 * @throws SyntaxError when the name, the version or a place for a fact is not one that is known.
 */
export function definePrompt(template: PromptTemplate): CaptionPrompt {
  const { name, version, system, user, structured } = template;
  if (!/^[a-z0-9-]{1,60}$/.test(name) || !Number.isSafeInteger(version) || version < 1) {
    throw new SyntaxError(
      `Cannot define a prompt: name or version is malformed: got ${
        JSON.stringify(`${name}@${version}`).slice(0, 100)
      }, ` +
        `expected such as slice-structured@1. Mend it.`,
    );
  }
  for (const [, place] of `${system}\n${user}`.matchAll(/\{(\w+)\}/g)) {
    if (PLACES.includes(place!)) continue;
    throw new SyntaxError(
      `Cannot define prompt ${name}@${version}: a place is unknown: got {${place}}, expected {${
        PLACES.join("}, {")
      }}. Mend it.`,
    );
  }
  const hash = createHash("sha256").update(canonicalJson({ name, version, system, user, structured })).digest("hex");
  return { name, version, system, user, structured, id: `${name}@${version}`, hash };
}

/**
 * Fills in the facts of a slice.
 *
 * @param prompt What {@linkcode definePrompt} made.
 * @param context Modality, plane and position; nothing else of a scan is known here.
 * @param window How intensities are shown, in words.
 */
export function fillPrompt(prompt: CaptionPrompt, context: SliceContext, window: string): FilledPrompt {
  const facts: Readonly<Record<string, string>> = {
    modality: MODALITIES[context.modality],
    plane: context.plane,
    position: `slice ${context.index + 1} of ${context.count}, counted from ${AXIS_ENDS[context.plane]}`,
    window,
  };
  const fill = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (_, place: string) => facts[place]!);
  return { system: fill(prompt.system), user: fill(prompt.user) };
}
