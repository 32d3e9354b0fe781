import { ClassificationNetwork, createSegmentationNetwork, SegmentationNetwork } from "@med3d/downstream";
import { createEncoder, type EncoderName, type EncoderOptionsByName } from "@med3d/encoder3d";
import { disposeParameters, joinParameters, loadStateDict, type Parameters, readSafetensors } from "@med3d/nn";
import { Random } from "random";
import { type ModelDescription, type StoredModel } from "./model_description.ts";

/** The part of a description that a network is made from. */
export type NetworkPlan = Pick<
  ModelDescription,
  "task" | "architecture" | "arguments" | "outChannels" | "supervisedStages" | "pooling"
>;

/** Either kind of network. */
export type Network = SegmentationNetwork | ClassificationNetwork;

/** Makes a network as a description has it, its first values drawn from a seed. */
export function createNetwork(plan: NetworkPlan, seed: string): Network {
  const { task, outChannels, supervisedStages, pooling } = plan;
  const name = plan.architecture as EncoderName;
  const random = new Random(seed);
  if (task === "segment") {
    const encoder = plan.arguments as Omit<EncoderOptionsByName[EncoderName], "random">;
    return createSegmentationNetwork(name, { encoder, outChannels, supervisedStages, random });
  }
  const options = { ...plan.arguments, random } as unknown as EncoderOptionsByName[EncoderName];
  return new ClassificationNetwork(createEncoder(name, options), { outputs: outChannels, pooling, random });
}

/** Parameters and buffers of a network under one map, as they are saved. */
export function weightsOf({ parameters, buffers }: Network): Parameters {
  return joinParameters({ "": parameters, buffers });
}

/** Makes a stored model's network and loads its weights. */
export function loadNetwork({ description, bytes }: StoredModel): Network {
  const network = createNetwork(description, "weights are loaded over these");
  loadStateDict(weightsOf(network), readSafetensors(bytes).tensors);
  return network;
}

/** Disposes of a network's parameters and buffers. */
export function disposeNetwork({ parameters, buffers }: Network): void {
  disposeParameters(parameters);
  disposeParameters(buffers);
}
