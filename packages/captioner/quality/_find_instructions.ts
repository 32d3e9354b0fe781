import { type CaptionFault, faultOf } from "./caption_fault.ts";
import { firstMatch } from "./_reading.ts";

const URLS: Readonly<Record<string, RegExp>> = {
  "an address": /\b[a-z][a-z0-9+.-]{1,12}:\/\/|\bwww\.|\bhxxps?\b|\b(mailto|javascript|data|vbscript):\S/i,
  "a domain":
    /\b[a-z0-9-]{2,63}\s?(\.|\[\.\]|\(dot\)|\sdot\s)\s?(com|org|net|io|edu|gov|info|biz|ai|app|dev|co|me|ru|cn|de|uk|fr|eu|xyz|example|test|local)\b/i,
  "an internet number": /\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b/,
  "escaped letters": /&#?\w{2,8};|%[0-7][0-9a-f](?=\w)/i,
  "a link or markup": /\]\(|<\/?[a-z!][^>]{0,200}>|&lt;/i,
};

const INSTRUCTIONS: Readonly<Record<string, RegExp>> = {
  "an order to set aside instructions":
    /\b(ignore|disregard|forget|override|bypass|discard|skip)\b.{0,40}\b(instruction|prompt|rule|guideline|direction|polic|constraint|context|previous|above|prior|safety|caption|text)/i,
  "talk of prompts or instructions":
    /\b(system|developer|hidden|initial|original|secret|new|following|these|your|updated)\s+(prompt|message|instruction|directive|command|order)s?\b/i,
  "a role that is handed out":
    /\b(you are (now|no longer|an?|the)\b|act as\b|pretend\b|role-?play|from now on|developer mode|jailbreak|do anything now)/i,
  "the mark-up of a conversation":
    /<\|?\s*(im_start|im_end|system|user|assistant|endoftext)|\[\/?(inst|system)\]|<<sys>>|^\s*#{2,}|\b(system|assistant|user|human|developer)\s*:/i,
  "an order to a reader":
    /\b(you|assistant|model|ai|llm|reader|agent)\s+(must|should|shall|need to|have to|will now|are to)\b/i,
  "an order to answer something":
    /\b(respond|reply|answer|output|print|say|write|return|repeat|classify|label|mark|report|tag)\s+(only|with|that|exactly|every|all|this|the\s+(word|slice|scan|image|patient|following)|as)\b/i,
  "an order not to tell":
    /\b(do not|don't|never)\s+(tell|mention|report|reveal|disclose|describe|say|include|flag|warn)\b/i,
  "an order to send or fetch":
    /\b(send|upload|post|forward|email|exfiltrate|transmit|leak|download|fetch|visit|click|open|install|call)\b.{0,30}\b(to|at|from|the|this|here|link|site|page|server|file|key|password|token|function|tool)\b/i,
  "a note to a machine":
    /\b(note|message|attention|hint|reminder|dear|hey|hello)\b.{0,12}\b(model|ai|llm|assistant|agent|bot|crawler|captioner)s?\b/i,
  "an order in another language":
    /\b(ignor(a|e|ez|iere?n?|eer|ar)|vergiss|vergessen sie|olvida|oubliez?|dimentica|esque[cç]a|negeer|vergeet|antworte|responda?|r[eé]pondez?|rispondi|schreib|escribe|escreva|[eé]crivez?|scrivi)\b.{0,60}\b(alle|todas?|toutes?|tutt[aeio]|anterior\w*|vorherig\w*|pr[eé]c[eé]dent\w*|instru\w*|anweisung\w*|istruzion\w*|normal\w*|zuvor|nur|s[oó]lo)/i,
  "talk to a reader": /\b(you|your|yours|kindly|please(?! (provide|upload|consult|attach)))\b/i,
  "a new task":
    /\b(new|next|real|actual) task\b|\b(set|put) aside\b|\bstop (describ|caption|analy)\w+|\bdo (what|as|exactly)\b|\bregardless of what\b|\bfrom (here|now|this point) on(wards?)?\b|\bforget (what|everything|all|that)\b/i,
  "an order about other slices":
    /\b(treat|call|consider|label|mark|rate|report|describe) (each|every|all|any)\b|\b(every|each|all) (later|further|following|future|other|next) (caption|answer|response|study|scan|report)s?\b|\b(as|wanted) output\b/i,
  "talk of encoded text": /\b(encoded|decode[ds]?|base ?64|rot13|cipher)\b/i,
  "letters that are no word": /\b[A-Z]*[a-z0-9]+[A-Z]+[a-z0-9]+[A-Z]+[a-z0-9]+[A-Z]/,
  "a command or code":
    /\b(curl|wget|sudo|chmod|powershell|cmd\.exe)\b|\brm\s+-|\b(drop|alter|truncate)\s+table\b|\b(select|delete)\b.{1,80}\bfrom\b.{1,80}[;=]|\b(eval|exec|system|require|import)\s*\(|\$\(|`[^`]{1,200}`|\{\{|<script|\btool_call|\bapi[_ ]?key|\bpasswords?\b/i,
};

/** Looks for addresses and for words meant for a reader that obeys. The text as `asRead` gives it. */
export function findInstructions(text: string): CaptionFault | undefined {
  const url = firstMatch(text, URLS);
  if (url !== undefined) return faultOf("url", `it holds ${url}`, { withhold: true });
  const order = firstMatch(text, INSTRUCTIONS) ?? firstMatch(undisguised(text), INSTRUCTIONS);
  return order === undefined ? undefined : faultOf("instruction-like", `it holds ${order}`, { withhold: true });
}

const DIGITS_AS_LETTERS: Readonly<Record<string, string>> = { 0: "o", 1: "i", 3: "e", 4: "a", 5: "s", 7: "t" };

/** Words whose letters are spaced out or written as digits. */
function undisguised(text: string): string {
  return text.replace(/\b(?:[a-z] ){3,40}[a-z]\b/gi, (letters) => letters.replaceAll(" ", ""))
    .replace(
      /\b[a-z0-9]{3,30}\b/gi,
      (word) =>
        (word.match(/[a-z]/gi)?.length ?? 0) < 3
          ? word
          : word.replace(/[013457]/g, (digit) => DIGITS_AS_LETTERS[digit]!),
    );
}
