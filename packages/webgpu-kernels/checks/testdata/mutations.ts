/** Makes an error at the `site`-th place of a shader where it can; undefined where there are fewer. */
export type Mutation = (code: string, site: number) => string | undefined;

/** Replaces the `site`-th match. */
function replaceMatch(
  code: string,
  pattern: RegExp,
  site: number,
  change: (match: RegExpMatchArray) => string,
): string | undefined {
  const match = [...code.matchAll(pattern)][site];
  if (!match) return undefined;
  return code.slice(0, match.index) + change(match) + code.slice(match.index + match[0].length);
}

/** Replaces the `site`-th call of a function, given its arguments. */
function replaceCall(
  code: string,
  name: string,
  site: number,
  change: (args: string[]) => string,
): string | undefined {
  const match = [...code.matchAll(new RegExp(`\\b${name}\\(`, "g"))][site];
  if (!match) return undefined;
  const start = match.index + match[0].length;
  const args: string[] = [];
  let [depth, at, from] = [0, start, start];
  for (;; at++) {
    const character = code[at]!;
    if (character === "," && depth === 0) {
      args.push(code.slice(from, at));
      from = at + 1;
    }
    if ("([".includes(character)) depth++;
    if (")]".includes(character) && depth-- === 0) break;
  }
  args.push(code.slice(from, at));
  return code.slice(0, match.index) + change(args) + code.slice(at + 1);
}

/** Errors that a kernel's author can make. */
export const MUTATIONS = {
  /** A tap of a convolution, or another product, is left out. */
  "drops a product": (code, site) => replaceCall(code, "fma", site, ([a, b, c]) => `fma((${a}) * 0.0,${b},${c})`),
  /** A sum ends one element early. */
  "ends a loop early": (code, site) =>
    replaceMatch(
      code,
      /for \(var (\w+) = ([^;]+); \1 (<=?) ([^;]+);(?= \1(?: \+= | = \1 \+ )?(\d*))/g,
      site,
      ([, name, start, compare, end, step]) => `for (var ${name} = ${start}; ${name} ${compare} (${end}) - ${step || 1};`,
    ),
  /** A sum starts one element late. */
  "starts a loop late": (code, site) =>
    replaceMatch(code, /for \(var (\w+) = ([^;]+);/g, site, ([, name, start]) => `for (var ${name} = (${start}) + 1;`),
  /** A term is subtracted that is to be added. */
  "turns a sign": (code, site) => replaceMatch(code, / \+= (?!\w+\) \{)/g, site, () => " -= "),
  /** Padding, or another offset, is off by one. */
  "shifts by one": (code, site) =>
    replaceMatch(
      code,
      / - (?:(\d+)|\((-?\d+)\))(?![\d.u])| \+ (?:(-\d+)|\((-\d+)\))(?![\d.u])/g,
      site,
      ([, a, b, c, d]) => a ?? b ? ` - (${Number(a ?? b) + 1})` : ` + (${Number(c ?? d) - 1})`,
    ),
  /** The strides of two axes are exchanged. */
  "swaps strides": (code, site) => {
    const factors = [...code.matchAll(/ \* (\d+)(?![\d.u])/g)];
    const pairs = factors.flatMap((factor, i) => {
      const other = factors.slice(i + 1).find((candidate) => candidate[1] !== factor[1]);
      return other ? [[factor, other] as const] : [];
    });
    const pair = pairs[site];
    if (!pair) return undefined;
    const [a, b] = pair;
    return code.slice(0, a.index) + b[0] + code.slice(a.index + a[0].length, b.index) + a[0] +
      code.slice(b.index + b[0].length);
  },
  /** A small number that keeps a divisor from 0 is forgotten. */
  "forgets epsilon": (code, site) =>
    replaceMatch(code, / \+ (?:f32\((?:0\.0\d*|\d(?:\.\d+)?e-\d+)\)|0\.0\d+|\d(?:\.\d+)?e-\d+)/g, site, () => ""),
  /** The two outcomes of a condition are exchanged. */
  "exchanges outcomes": (code, site) => replaceCall(code, "select", site, ([no, yes, when]) => `select(${yes},${no},${when})`),
  /** An exponential is taken for its first two terms. */
  "bends an exponential": (code, site) => replaceCall(code, "exp", site, ([x]) => `(1.0 + (${x}))`),
  /** A constant is wrong by a twentieth. */
  "mistakes a constant": (code, site) =>
    replaceMatch(code, /\bf32\(([\d.]+(?:e[-+]?\d+)?)\)/g, site, ([, n]) => `f32(${Number(n) * 1.05 + 0.01})`),
  /** The smaller is taken for the larger. */
  "turns a comparison": (code, site) => replaceMatch(code, /(?<=if .*) > /g, site, () => " < "),
  /** Interpolation goes the wrong way. */
  "mixes the wrong way": (code, site) => replaceCall(code, "mix", site, ([a, b, share]) => `mix(${b}, ${a}, ${share})`),
} as const satisfies Record<string, Mutation>;

/** Names of {@linkcode MUTATIONS}. */
export type MutationName = keyof typeof MUTATIONS;
