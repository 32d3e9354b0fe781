import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";

/**
 * Puts the page's program and NiiVue into one script for a browser.
 *
 * @returns The script's text.
 * @throws Error when the bundler fails; its message is in ours.
 */
export async function bundleClient(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "med3d-view-"));
  try {
    const out = join(folder, "client.js");
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "bundle",
        "-q",
        "--config",
        fileURLToPath(new URL("../../deno.json", import.meta.url)),
        "--platform",
        "browser",
        "--minify",
        "-o",
        out,
        fileURLToPath(new URL("./client.ts", import.meta.url)),
      ],
      env: { NO_COLOR: "1" },
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) {
      throw new Error(
        `Cannot build the viewer's page: the bundler failed: ${new TextDecoder().decode(stderr).trim()}. ` +
          `The first time it fetches NiiVue and esbuild from npm, which has to be reachable then.`,
      );
    }
    return await readFile(out, "utf8");
  } finally {
    await rm(folder, { recursive: true });
  }
}
