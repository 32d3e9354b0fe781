import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("./testdata/peak_memory.ts", import.meta.url));
const isLinux = Deno.build.os === "linux"; // elsewhere a process is not told what it held at most

for (
  const [step, interpolation, to] of [
    ["reorder", "nearest", "1"],
    ["resample", "linear", "0.9"],
    ["resample", "cubic", "0.9"],
    ["resample", "cubic", "1.1"],
    ["resample", "cubic", "2"],
  ] as const
) {
  Deno.test({
    name: `${step}, ${interpolation}, 1 → ${to} mm: holds no more than 2.5 times the voxels' bytes, the scan included`,
    ignore: !isLinux,
    fn: async () => {
      const args = ["run", "-A", "-q", "--no-check", PROGRAM, step, interpolation, to];
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      const multiple = Number(new TextDecoder().decode(stdout));
      assert.ok(multiple > 0.9 && multiple <= 2.5, `${multiple} times`);
    },
  });
}
