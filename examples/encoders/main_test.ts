import { strict as assert } from "node:assert";
import { encoderTable } from "./encoder_table.ts";

const MAIN = new URL("main.ts", import.meta.url).pathname;
const narrow = ["--options", '{"features":[2,4]}', "plain-unet", "residual-unet"];

async function run(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--deny-net", MAIN, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("encoders: tables and JSON tell the size at the patch that is asked for", async () => {
  const table = await run("--patch", "8x16x16", ...narrow);
  assert.equal(table.code, 0, table.error);
  const lines = table.out.trim().split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[1]!, /^plain-unet +8×16×16 +0\.00 +0\.00 +[\d.]+ +2 4 +1 2$/);

  const { code, out, error } = await run("--json", "--patch", "8x16x16", "--batch", "2", ...narrow);
  assert.equal(code, 0, error);
  const { batch, encoders } = JSON.parse(out);
  assert.equal(batch, 2);
  assert.deepEqual(encoders.map(({ name }: { name: string }) => name), ["plain-unet", "residual-unet"]);
  assert.deepEqual(encoders[0].patch, [8, 16, 16]);
  // Four convolutions of 3³ cells: 1 → 2 → 2 at 8·16·16, 2 → 4 → 4 at an eighth of that; two volumes.
  assert.equal(encoders[0].multiplyAdds, 2 * 27 * (2048 * (2 + 4) + 256 * (8 + 16)));
  assert.equal(encoders[0].parameters, 27 * (2 + 4 + 8 + 16) + 3 * (2 + 2 + 4 + 4));
});

Deno.test("encoders: wrong names, options and patches are usage errors that name the nearest", async () => {
  const refused: readonly [string[], RegExp][] = [
    [["plain-unte"], /got "plain-unte".*Did you mean "plain-unet"\?/],
    [["--options", '{"feature":[2]}', "plain-unet"], /no such option: got "feature".*Did you mean "features"\?/],
    [["--options", "[1]", "plain-unet"], /--options is no JSON object: got \[1\]/],
    [
      ["--patch", "5", ...narrow],
      /the patch does not divide into cells: got \[5,5,5\], expected multiples of \[2,2,2\]/,
    ],
  ];
  for (const [args, message] of refused) {
    const { code, error } = await run(...args);
    assert.equal(code, 2, error);
    assert.match(error, message);
  }
});

Deno.test("encoderTable: aligns numbers and writes cubes short", () => {
  const described = {
    name: "vit",
    summary: "",
    patch: [96, 96, 96],
    parameters: 88.3e6,
    parameterBytes: 0,
    multiplyAdds: 19.9e9,
    activationBytes: 2 ** 20,
    levels: [{ channels: 768, stride: [16, 16, 16], size: [6, 6, 6] }],
  } as const;
  const [header, row] = encoderTable([described]).split("\n") as [string, string];
  assert.equal(row.replaceAll(/ +/g, " "), "vit 96 88.30 19.90 1.0 768 16");
  assert.equal(header.indexOf("multiply-adds (G)") + "multiply-adds (G)".length, row.indexOf("19.90") + 5);
});
