import { strict as assert } from "node:assert";
import fc from "fast-check";
import { splitBySubject, type SplitCase } from "../mod.ts";

const cases = (subjects: readonly string[]): SplitCase[] =>
  subjects.map((subject, index) => ({ id: `case ${index}`, subject }));

/** Some scans of some subjects, some of equal content. */
const someCases = fc.array(
  fc.record({
    subject: fc.integer({ min: 0, max: 12 }).map((n) => `s${n}`),
    contentHash: fc.integer({ min: 0, max: 60 }).map((n) => `h${n}`),
  }),
  { minLength: 2, maxLength: 40 },
).map((list) => list.map((entry, index): SplitCase => ({ id: `case ${index}`, ...entry })));

const ids = (list: readonly SplitCase[]): string[] => list.map(({ id }) => id);

Deno.test("splitBySubject: no subject and no content on both sides, nothing lost, whatever the cases", () => {
  fc.assert(
    fc.property(
      someCases,
      fc.double({ min: 0.01, max: 0.95, noNaN: true }),
      fc.string(),
      (list, heldOutFraction, seed) => {
        let split;
        try {
          split = splitBySubject(list, { heldOutFraction, seed });
        } catch (error) {
          assert.ok(error instanceof RangeError && /all scans show one subject/.test(error.message));
          return;
        }
        const { training, heldOut } = split;
        assert.deepEqual([...ids(training), ...ids(heldOut)].sort(), ids(list).sort());
        assert.ok(training.length > 0 && heldOut.length > 0);
        for (const key of ["subject", "contentHash"] as const) {
          assert.ok(
            new Set(training.map((entry) => entry[key])).isDisjointFrom(new Set(heldOut.map((entry) => entry[key]))),
            key,
          );
        }
      },
    ),
    { seed: 11, numRuns: 300 },
  );
});

Deno.test("splitBySubject: holds out the share asked for, to half a subject, and does not depend on the order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 3, maxLength: 20 }),
      fc.double({ min: 0.05, max: 0.9, noNaN: true }),
      fc.string(),
      (sizes, heldOutFraction, seed) => {
        const list = cases(sizes.flatMap((size, subject) => new Array<string>(size).fill(`s${subject}`)));
        const { heldOut } = splitBySubject(list, { heldOutFraction, seed });
        const target = heldOutFraction * list.length;
        assert.ok(Math.abs(heldOut.length - target) <= Math.max(...sizes), `${heldOut.length} of ${target}`);
        const reversed = splitBySubject(list.toReversed(), { heldOutFraction, seed });
        assert.deepEqual(ids(reversed.heldOut).sort(), ids(heldOut).sort());
      },
    ),
    { seed: 12, numRuns: 200 },
  );
});

Deno.test("splitBySubject: every seed draws others, and each subject is drawn about equally often", () => {
  const list = cases(Array.from({ length: 20 }, (_, n) => `s${n}`));
  const counts = new Map<string, number>();
  for (let seed = 0; seed < 400; seed++) {
    const { heldOut } = splitBySubject(list, { heldOutFraction: 0.25, seed: String(seed) });
    assert.equal(heldOut.length, 5);
    for (const { subject } of heldOut) counts.set(subject, (counts.get(subject) ?? 0) + 1);
  }
  for (const count of counts.values()) assert.ok(Math.abs(count - 100) < 40, `${[...counts.values()]}`);
});

Deno.test("splitBySubject: another subject's coming changes at most one other's side when sizes are equal", () => {
  const list = cases(Array.from({ length: 30 }, (_, n) => `s${n}`));
  const before = new Set(splitBySubject(list).heldOut.map(({ subject }) => subject));
  const after = new Set(splitBySubject([...list, { id: "new", subject: "new" }]).heldOut.map(({ subject }) => subject));
  assert.ok(before.symmetricDifference(after).size <= 2, `${[...before]} and ${[...after]}`);
});

Deno.test("splitBySubject: a data set's own split is kept, and a subject on both of its sides is held out with a finding", () => {
  const list: SplitCase[] = [
    { id: "a", subject: "1", split: "train" },
    { id: "b", subject: "2", split: "validation" },
    { id: "c", subject: "2", split: "train" },
    { id: "d", subject: "3" },
  ];
  const { training, heldOut, findings } = splitBySubject(list, { heldOutFraction: 0.9 });
  assert.deepEqual(ids(training), ["a", "d"]);
  assert.deepEqual(ids(heldOut), ["b", "c"]);
  assert.deepEqual(findings.map(({ code, path }) => [code, path]), [["subject-on-both-sides", "c"]]);
});

Deno.test("splitBySubject: equal content ties subjects together over several steps", () => {
  const list: SplitCase[] = [
    { id: "a", subject: "1", contentHash: "x" },
    { id: "b", subject: "2", contentHash: "x" },
    { id: "c", subject: "2", contentHash: "y" },
    { id: "d", subject: "3", contentHash: "y" },
    { id: "e", subject: "4", contentHash: "z" },
  ];
  for (let seed = 0; seed < 10; seed++) {
    const { training, heldOut } = splitBySubject(list, { heldOutFraction: 0.4, seed: String(seed) });
    assert.deepEqual([training.length, heldOut.length].sort(), [1, 4]);
  }
});

Deno.test("splitBySubject: a fraction of 0 and no cases hold out nothing; bad fractions and a single subject are refused", () => {
  assert.equal(splitBySubject(cases(["1", "1"]), { heldOutFraction: 0 }).heldOut.length, 0);
  assert.deepEqual(splitBySubject([]), { training: [], heldOut: [], findings: [] });
  for (const heldOutFraction of [-0.1, 1, NaN]) {
    assert.throws(
      () => splitBySubject(cases(["1", "2"]), { heldOutFraction }),
      new RegExp(`RangeError.*heldOutFraction is out of range: got ${heldOutFraction}`),
    );
  }
  assert.throws(
    () => splitBySubject(cases(["1", "1"])),
    /all scans show one subject: got 2 scans of 1, expected two subjects/,
  );
});
