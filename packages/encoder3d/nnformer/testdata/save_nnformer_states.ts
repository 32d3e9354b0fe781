/**
 * Loads every oracle's weights into the networks here and saves them again for the published code, so that PyTorch can check the round trip:
 *
 *     deno run -A packages/encoder3d/nnformer/testdata/save_nnformer_states.ts FOLDER
 *     python tools/oracles/encoder3d_nnformer.py check FOLDER
 */
import { readFile, writeFile } from "node:fs/promises";
import { loadStateDict, readSafetensors, saveStateDict, writeSafetensors } from "@med3d/nn";
import { selectBackend } from "@med3d/webgpu-kernels";
import { toNnFormerStateDict } from "../../mod.ts";
import { type NetworkOptions, networkOf } from "./oracle_network.ts";

await selectBackend({ backend: "cpu" });
const { tensors, metadata } = readSafetensors(await readFile(new URL("nnformer.safetensors", import.meta.url)));
for (const [name, options] of Object.entries(JSON.parse(metadata["cases"]!) as Record<string, NetworkOptions>)) {
  const { encoder, parameters } = networkOf(options, "round trip");
  const prefix = `${name}/state/`;
  const stored = [...tensors].filter(([key]) => key.startsWith(prefix));
  loadStateDict(parameters, new Map(stored.map(([key, tensor]) => [key.slice(prefix.length), tensor])));
  const complete = toNnFormerStateDict(await saveStateDict(parameters), encoder);
  await writeFile(`${Deno.args[0]}/${name}.safetensors`, writeSafetensors(complete));
}
