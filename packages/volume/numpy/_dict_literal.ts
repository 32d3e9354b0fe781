/** Raised at what is no dictionary of strings, whole numbers, booleans and tuples. */
export class LiteralError extends Error {}

/** A value that a header of NumPy's can hold. */
export type Literal = string | number | boolean | null | readonly Literal[];

const LONGEST = 1 << 16;
const DEEPEST = 8;
const TOKEN =
  /\s*(?:(?<name>True|False|None)\b|(?<number>-?\d+)L?|'(?<single>(?:[^'\\]|\\.)*)'|"(?<double>(?:[^"\\]|\\.)*)"|(?<mark>[{}()[\],:])|(?<end>$))/y;

/**
 * Parses the Python dictionary that heads a `.npy` file. It is data, never run: what else Python allows there is refused.
 *
 * @param text The dictionary's text.
 * @returns Values by key.
 * @throws LiteralError when it is anything else.
 */
export function parseDictLiteral(text: string): Map<string, Literal> {
  if (text.length > LONGEST) throw new LiteralError(`it has ${text.length} characters`);
  const parser = new Parser(text);
  const entries = parser.dictionary();
  parser.end();
  return entries;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  dictionary(): Map<string, Literal> {
    const entries = new Map<string, Literal>();
    this.#expect("{");
    while (!this.#accept("}")) {
      const key = this.#value(1);
      if (typeof key !== "string") throw new LiteralError("a key is no string");
      this.#expect(":");
      entries.set(key, this.#value(1));
      if (!this.#accept(",")) {
        this.#expect("}");
        break;
      }
    }
    return entries;
  }

  end(): void {
    if (this.#next().groups!.end === undefined) throw new LiteralError("more follows it");
  }

  #value(depth: number): Literal {
    if (depth > DEEPEST) throw new LiteralError("it is nested too deeply");
    const { name, number, single, double, mark } = this.#next().groups!;
    if (name !== undefined) return name === "None" ? null : name === "True";
    if (number !== undefined) return Number(number);
    if (single !== undefined) return single;
    if (double !== undefined) return double;
    if (mark === "(") return this.#list(")", depth);
    if (mark === "[") return this.#list("]", depth);
    throw new LiteralError(`a value is missing at character ${this.#at}`);
  }

  #list(end: string, depth: number): Literal[] {
    const values: Literal[] = [];
    while (!this.#accept(end)) {
      values.push(this.#value(depth + 1));
      if (!this.#accept(",")) {
        this.#expect(end);
        break;
      }
    }
    return values;
  }

  #accept(mark: string): boolean {
    const before = this.#at;
    if (this.#next().groups!.mark === mark) return true;
    this.#at = before;
    return false;
  }

  #expect(mark: string): void {
    if (!this.#accept(mark)) throw new LiteralError(`"${mark}" is missing at character ${this.#at}`);
  }

  #next(): RegExpExecArray {
    TOKEN.lastIndex = this.#at;
    const found = TOKEN.exec(this.#text);
    if (found === null) throw new LiteralError(`character ${this.#at} is unexpected`);
    this.#at = TOKEN.lastIndex;
    return found;
  }
}
