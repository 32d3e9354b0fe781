/** Why a caption is not good. */
export type CaptionFaultCode =
  | "empty"
  | "truncated"
  | "refused"
  | "malformed"
  | "repeated-within"
  | "repeated-across"
  | "wrong-plane"
  | "wrong-modality"
  | "not-language"
  | "instruction-like"
  | "url"
  | "identifying";

/** A fault of a caption. */
export interface CaptionFault {
  /** Which check found it. */
  readonly code: CaptionFaultCode;
  /** What was found, in words; never a part of the caption itself. */
  readonly message: string;
  /** Whether asking the same model once more can help. */
  readonly askAgain: boolean;
  /** Whether the text must not be kept even in quarantine, since it may name a person or be meant for a reader that obeys. */
  readonly withhold: boolean;
}

/** Makes a fault. */
export function faultOf(
  code: CaptionFaultCode,
  message: string,
  { askAgain = true, withhold = false }: { readonly askAgain?: boolean; readonly withhold?: boolean } = {},
): CaptionFault {
  return { code, message, askAgain, withhold };
}
