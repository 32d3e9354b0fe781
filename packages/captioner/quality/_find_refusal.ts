import { type CaptionFault, faultOf } from "./caption_fault.ts";

const REFUSAL =
  /\bas an ai\b|\bi(?:'m| am) (?:sorry|unable|not able|just an?|not a (?:doctor|radiologist))|\bi (?:cannot|can't|can not|won't|must decline|do not have the ability|am not qualified)\b|\b(?:cannot|can't|unable to) (?:assist|help|provide|analy[sz]e|interpret|view|see|describe|process)\b|\bno image (?:was |is |has been )?(?:provided|attached|visible)|\bplease (?:provide|upload|consult|attach)|\bconsult (?:a|your|with) /i;

/** Looks for an answer that declines to describe. */
export function findRefusal(text: string): CaptionFault | undefined {
  return REFUSAL.test(text) ? faultOf("refused", "the model declined to describe the slice") : undefined;
}
