/**
 * Plants errors in the shaders of every family of kernels and holds the comparisons of `kernels_test.ts` to noticing them: for every shader and kind of
 * error that can be made in it, one that is made at one of the first places must be caught, and in all families most of those tried.
 */
import { strict as assert } from "node:assert";
import { selectBackend } from "../backend.ts";
import { testOnBackends, withRewrittenShaders } from "../testing.ts";
import { type Comparison, COMPARISONS, worstError } from "./testdata/comparisons.ts";
import { type MutationName, MUTATIONS } from "./testdata/mutations.ts";

/** Places of a shader at which an error is tried until one is caught; spread over all. */
const MOST_SITES = 8;
/** Places that are looked for. */
const MOST_KNOWN_SITES = 400;
/** What the comparisons allow on WebGPU. */
const TOLERANCE = 1e-4;

const SUMS: MutationName[] = ["ends a loop early", "starts a loop late", "turns a sign", "drops a product"];

/** Kinds of errors for each family, by the beginning of its name. Each must be possible in one of its shaders at least. */
const PLANTED: Record<string, MutationName[]> = {
  "conv3d": ["drops a product", "ends a loop early", "shifts by one", "swaps strides"],
  "conv3dTranspose": ["drops a product", "ends a loop early", "shifts by one", "swaps strides"],
  "conv3d by tiles": ["drops a product", "ends a loop early", "shifts by one", "swaps strides"],
  "conv3d by tiles 1": [], // a dispatch for each place in the stride, some of which no tap reaches
  "conv3dTranspose by tiles": ["drops a product", "ends a loop early", "shifts by one", "swaps strides"],
  "instance norm": [...SUMS, "forgets epsilon", "swaps strides"],
  "group norm": [...SUMS, "forgets epsilon", "swaps strides"],
  "layer norm": [...SUMS, "forgets epsilon", "swaps strides"],
  "attention": ["ends a loop early", "turns a sign", "bends an exponential", "mistakes a constant", "swaps strides"],
  "GELU": ["exchanges outcomes", "bends an exponential"],
  "resizing": ["mixes the wrong way", "ends a loop early", "turns a sign", "exchanges outcomes"],
  "maxPool3d": ["ends a loop early", "starts a loop late", "shifts by one", "turns a comparison", "turns a sign"],
  "avgPool3d": [],
  "Adam": ["forgets epsilon", "mistakes a constant"],
  "Sinkhorn": ["bends an exponential", "ends a loop early"],
  "transport's adjoint": ["ends a loop early"],
  "Dice": ["ends a loop early", "turns a sign", "exchanges outcomes", "mistakes a constant", "bends an exponential"],
};

/** What is no error in a shader although it looks like one. */
const HARMLESS: readonly { shader: RegExp; mutation: MutationName; why: string }[] = [
  {
    shader: /maxPool\/gather/,
    mutation: "shifts by one",
    why: "a window too many is looked at, whose maximum is another cell",
  },
  {
    shader: /instanceNorm\/inputGradient\/.*,1\]/,
    mutation: "drops a product",
    why: "with slope 1 the sign of the value is of no account",
  },
];

/** Shaders with the error, some of those that can be made, from all over the code. */
function mutantsOf(name: MutationName, key: string, code: string): string[] {
  if (HARMLESS.some(({ shader, mutation }) => mutation === name && shader.test(key))) return [];
  const all: string[] = [];
  for (let mutant; all.length < MOST_KNOWN_SITES && (mutant = MUTATIONS[name](code, all.length));) all.push(mutant);
  const step = Math.max(1, all.length / MOST_SITES);
  return Array.from({ length: Math.min(MOST_SITES, all.length) }, (_, i) => all[Math.floor(i * step)]!);
}

/** Kinds of errors for a comparison: those of the longest beginning that fits. */
function plantedIn({ name }: Comparison): MutationName[] {
  const fitting = Object.keys(PLANTED).filter((family) => name.startsWith(family));
  return PLANTED[fitting.reduce((a, b) => b.length > a.length ? b : a)]!;
}

/** Own shaders that a comparison runs, by key, with their code. */
async function shadersOf({ run }: Comparison): Promise<Map<string, string>> {
  const shaders = new Map<string, string>();
  await withRewrittenShaders((key, code) => {
    if (key.startsWith("med3d/")) shaders.set(key, code);
    return code;
  }, run);
  return shaders;
}

for (const comparison of COMPARISONS.filter((candidate) => plantedIn(candidate).length > 0)) {
  testOnBackends(`planted errors are noticed: ${comparison.name}`, async ({ backend }) => {
    if (backend === "cpu") return; // has no shaders
    const shaders = await shadersOf(comparison);
    const missed: string[] = [];
    for (const name of plantedIn(comparison)) {
      let possible = false;
      for (const [key, code] of shaders) {
        const mutants = mutantsOf(name, key, code);
        if (mutants.length === 0) continue;
        possible = true;
        let caught = false;
        for (const mutant of mutants) {
          const { result, rewritten } = await withRewrittenShaders(
            (own, source) => own === key ? mutant : source,
            comparison.run,
          );
          assert.ok(rewritten > 0, key);
          caught = worstError(result).error > (comparison.tolerance ?? TOLERANCE);
          if (caught) break;
        }
        if (!caught) missed.push(`${name} in ${key}`);
      }
      if (!possible) missed.push(`${name}: no shader has a place for it`);
    }
    assert.deepEqual(missed, []);
    assert.ok(
      worstError(await comparison.run()).error <= (comparison.tolerance ?? TOLERANCE),
      "the shaders are themselves again",
    );
  });
}

Deno.test("withRewrittenShaders: is refused on cpu", async () => {
  await selectBackend({ backend: "cpu" });
  await assert.rejects(
    withRewrittenShaders((_key, code) => code, () => Promise.resolve()),
    /got "cpu", expected "webgpu"/,
  );
});
