import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Options by which a bench gets PyTorch's figures: a file made before, or a Python that has torch, which then computes them in the same run. */
export const PEER_OPTIONS = {
  pytorch: { type: "string" },
  python: { type: "string" },
} as const;

/**
 * What a script of tools/oracles found: read from the file given, or computed now by the Python given, else undefined.
 *
 * @param script The script's name; it prints one line of JSON last.
 */
export async function readPeer<T>(
  script: string,
  { pytorch, python }: { readonly pytorch?: string | undefined; readonly python?: string | undefined },
  args: readonly string[] = [],
): Promise<T | undefined> {
  if (pytorch !== undefined) return JSON.parse(await readFile(pytorch, "utf8"));
  if (python === undefined) return undefined;
  const path = fileURLToPath(new URL(`../tools/oracles/${script}`, import.meta.url));
  const { success, stdout } = await new Deno.Command(python, { args: [path, ...args], stderr: "inherit" }).output();
  if (!success) throw new Error(`Cannot time PyTorch: ${script} failed. Its message is above.`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}
