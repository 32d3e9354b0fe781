import { strict as assert } from "node:assert";
import { BENCHES, describeCommand, resultsText, selectBenches, UsageError } from "./_benches.ts";

const named = (name: string) => BENCHES.find((bench) => bench.name === name)!;

Deno.test("selectBenches: all that do not take long, or those named, each with the options it knows", () => {
  assert.deepEqual(selectBenches([]).benches, BENCHES.filter(({ name }) => !["psat", "predict"].includes(name)));
  assert.deepEqual(selectBenches(["psat"]).benches, [named("psat")]);
  const several = selectBenches(["conv3d", "norms", "--write", "--python", "python3", "--runs", "7"]);
  assert.deepEqual(several.benches.map(({ name }) => name), ["conv3d", "norms"]);
  assert.ok(several.write);
  assert.deepEqual(several.argsOf(named("conv3d")), ["--python", "python3", "--runs", "7"]);
  assert.deepEqual(several.argsOf(named("norms")), ["--runs", "7"]);
  const one = selectBenches(["step", "--size", "16,16,16", "--no-stock"]);
  assert.ok(!one.write);
  assert.deepEqual(one.argsOf(named("step")), ["--size", "16,16,16", "--no-stock"]);
});

Deno.test("selectBenches: refuses unknown benches, and options of one where several run", () => {
  assert.throws(() => selectBenches(["conv2d"]), {
    constructor: UsageError,
    message: /got "conv2d", expected one of conv3d/,
  });
  assert.throws(() => selectBenches(["--size", "1,2,3"]), { constructor: UsageError, message: /got "--size"/ });
});

Deno.test("describeCommand: leaves out where things lie on this machine", () => {
  assert.equal(describeCommand(named("step"), ["--python", "/a/b/python"]), "deno task bench step --python python");
});

Deno.test("resultsText: replaces all but the remarks", () => {
  const result = {
    title: "Norms",
    command: "deno task bench norms",
    text: "cpu\n\ntable",
    date: new Date("2026-11-24T10:00Z"),
  };
  const text = resultsText("# old\n\nold table\n\n## Remarks\n\nWhat bounds it.\n", result);
  assert.equal(
    text,
    "# Norms, 2026-11-24\n\n`deno task bench norms`\n\n```\ncpu\n\ntable\n```\n\n## Remarks\n\nWhat bounds it.\n",
  );
  assert.equal(resultsText(text, result), text);
  assert.ok(!resultsText("# old\n", result).includes("old"));
});
