/**
 * Loads every oracle's weights into the networks here and saves them again for MONAI, so that PyTorch can check the round trip:
 *
 *     deno run -A packages/encoder3d/vit/testdata/save_monai_states.ts FOLDER
 *     python tools/oracles/encoder3d_transformers.py check FOLDER
 */
import { readFile, writeFile } from "node:fs/promises";
import {
  joinParameters,
  loadStateDict,
  type Parameters,
  readSafetensors,
  saveStateDict,
  type Triple,
  writeSafetensors,
} from "@med3d/nn";
import { selectBackend } from "@med3d/webgpu-kernels";
import { Random } from "random";
import {
  type Encoder3D,
  ReconstructionHead,
  SwinUnetrEncoder,
  toMonaiStateDict,
  type UnetrDecodable,
  UnetrDecoder,
  UnetrEncoder,
  ViTEncoder,
} from "../../mod.ts";
import { type MonaiFacts, waveParameters } from "./monai_oracle.ts";

const random = new Random("round trip");

function withDecoder(encoder: Encoder3D & UnetrDecodable): Parameters {
  const decoder = new UnetrDecoder(encoder, { random });
  const head = new ReconstructionHead(decoder.outChannels, 2, { random });
  const output = joinParameters({ "out.conv.conv": head.parameters });
  return new Map([...encoder.parameters, ...decoder.parameters, ...output]);
}

const NETWORKS: Record<string, (facts: MonaiFacts) => Parameters> = {
  vit: (facts) => new ViTEncoder({ ...facts, random }).parameters,
  unetr: (facts) => withDecoder(new UnetrEncoder({ ...facts, random })),
  swin_unetr: (facts) => withDecoder(new SwinUnetrEncoder({ ...facts, random })),
};

await selectBackend({ backend: "cpu" });
for (const [folder, make] of Object.entries(NETWORKS)) {
  const fixture = new URL(`../../${folder}/testdata/${folder}`, import.meta.url).href;
  const cases: Record<string, MonaiFacts & { windowSize?: Triple }> = JSON.parse(
    await readFile(new URL(`${fixture}.json`), "utf8"),
  );
  const { tensors } = readSafetensors(await readFile(new URL(`${fixture}.safetensors`)));
  for (const [name, facts] of Object.entries(cases)) {
    const prefix = `${name}/state/`;
    const stored = [...tensors].filter(([key]) => key.startsWith(prefix));
    const parameters = make(facts);
    loadStateDict(
      parameters,
      new Map([
        ...stored.map(([key, tensor]) => [key.slice(prefix.length), tensor] as const),
        ...waveParameters(facts),
      ]),
    );
    const { windowSize } = facts;
    const complete = toMonaiStateDict(await saveStateDict(parameters), windowSize ? { windowSize } : {});
    await writeFile(`${Deno.args[0]}/${folder}_${name}.safetensors`, writeSafetensors(complete));
  }
}
