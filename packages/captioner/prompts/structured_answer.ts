import type { SliceContext } from "@med3d/volume";
import { z } from "zod";

/** What the structured prompt asks for. */
export interface StructuredAnswer {
  /** `"CT"`, `"MR"` or another word. */
  readonly modality: string;
  /** The plane that the model saw. */
  readonly plane: string;
  /** Visible structures, short phrases. */
  readonly anatomy: readonly string[];
  /** What is abnormal or conspicuous, a sentence each. */
  readonly findings: readonly string[];
  /** How sure the model says it is, 0…1. */
  readonly confidence: number;
}

const ANSWER = z.strictObject({
  modality: z.string().min(1).max(40),
  plane: z.string().min(1).max(40),
  anatomy: z.array(z.string().min(1).max(120)).max(30),
  findings: z.array(z.string().min(1).max(400)).max(20),
  confidence: z.number().min(0).max(1),
});

/** The answer's JSON schema, as `response_format` of chat completions takes it. A new object at every call. */
export function structuredAnswerFormat(): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(ANSWER);
  return { type: "json_schema", json_schema: { name: "slice_caption", strict: true, schema } };
}

/** An answer as it was meant, a plain text, or JSON that is not what was asked for. */
export type ReadAnswer =
  | { readonly kind: "structured"; readonly answer: StructuredAnswer }
  | { readonly kind: "plain" }
  | { readonly kind: "malformed"; readonly why: string };

/** Reads a model's answer: JSON, with or without a code fence around it, or else plain text. Never throws. */
export function readStructuredAnswer(content: string): ReadAnswer {
  const body = withoutFence(content.trim());
  if (!/^[{[]/.test(body)) return { kind: "plain" };
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: "malformed", why: "the JSON is broken or cut" };
  }
  const { success, data, error } = ANSWER.safeParse(value);
  if (success) return { kind: "structured", answer: data };
  const places = error.issues.slice(0, 3).map(({ code, path }) => `${path.map(String).join(".") || "(whole)"} ${code}`);
  return { kind: "malformed", why: `the JSON is not what was asked for: ${places.join(", ")}`.slice(0, 200) };
}

/** What stands in a code fence that holds the whole text. By position: a pattern would go back and forth over long white space. */
function withoutFence(text: string): string {
  if (text.length < 6 || !text.startsWith("```") || !text.endsWith("```")) return text;
  const inside = text.slice(3, -3);
  return (inside.startsWith("json") ? inside.slice(4) : inside).trim();
}

/** Words a structured answer as a caption. Modality and plane come from the slice's own facts, not from the model. */
export function wordStructuredAnswer({ anatomy, findings }: StructuredAnswer, context: SliceContext): string {
  const plane = context.plane[0]!.toUpperCase() + context.plane.slice(1);
  const sentences = [`${plane} ${context.modality === "unknown" ? "" : `${context.modality} `}slice.`];
  if (anatomy.length > 0) sentences.push(`Visible: ${anatomy.map((part) => part.replace(/[.\s]+$/, "")).join(", ")}.`);
  sentences.push(...findings.map((finding) => /[.!?]\s*$/.test(finding) ? finding : `${finding}.`));
  return sentences.join(" ");
}
