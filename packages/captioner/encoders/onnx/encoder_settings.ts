/** Kinds of encoders, by the `model_type` of their `config.json`. */
export const ENCODER_KINDS = ["clip", "siglip", "biomedclip", "bert"] as const;

/** What a frozen encoder from ONNX weights is; `bert` is a sentence encoder without an image model. */
export type EncoderKind = typeof ENCODER_KINDS[number];

/** What of a slice's intensities is shown, from black to white. */
export type EncoderWindow =
  | {
    /** The middle, in the slice's own unit: HU in CT. */
    readonly center: number;
    /** From black to white, in the same unit. */
    readonly width: number;
  }
  | {
    /** Percentiles of each slice's pixels, 0…100, ascending. */
    readonly percentiles: readonly [number, number];
  };
