import type { DicomDataset } from "./_dataset.ts";
import type { TagName } from "./_tags.ts";

/** FrameType of a functional group, in the modalities that have one. */
export function frameTypes(group: DicomDataset | undefined): string[][] {
  if (!group) return [];
  const sequences = ["MrImageFrameTypeSequence", "CtImageFrameTypeSequence"] as const;
  return sequences.flatMap((name) => group.items(name)).map((item) => item.texts("FrameType"));
}

/** Collects what may tell frames at one place apart; what varies without need is ignored later. */
export function marksOf(
  dataset: DicomDataset,
  groups: readonly (DicomDataset | undefined)[],
  pointers: readonly (number | undefined)[],
): Map<string, string> {
  const within = (sequence: TagName, name: TagName) =>
    groups.flatMap((group) => group?.items(sequence) ?? []).map((item) => item.texts(name).join("\\"))
      .find((text) => text !== "") ?? "";
  const numberWithin = (sequence: TagName, name: TagName) =>
    groups.flatMap((group) => group?.items(sequence) ?? []).map((item) => item.numbers(name).join("\\"))
      .find((text) => text !== "") ?? "";
  const plain = (name: TagName) => dataset.texts(name).join("\\");
  const direction = groups.flatMap((group) => group?.items("MrDiffusionSequence") ?? [])
    .flatMap((item) => item.items("DiffusionGradientDirectionSequence"))
    .map((item) => item.numbers("DiffusionGradientOrientation").join("\\"));
  const type = groups.flatMap((group) => frameTypes(group))[0]?.join("\\") ?? plain("ImageType");
  const entries: [string, string][] = [
    [
      "temporal position",
      numberWithin("FrameContentSequence", "TemporalPositionIndex") || plain("TemporalPositionIdentifier"),
    ],
    ["echo time", numberWithin("MrEchoSequence", "EffectiveEchoTime") || plain("EchoTime")],
    ["echo number", plain("EchoNumbers")],
    [
      "b-value",
      numberWithin("MrDiffusionSequence", "DiffusionBValue") || dataset.numbers("DiffusionBValue").join() ||
      plain("SiemensBValue"),
    ],
    ["gradient direction", direction.join() || dataset.numbers("DiffusionGradientOrientation").join("\\")],
    ["image type", type],
    ["stack", within("FrameContentSequence", "StackId")],
    ["segment", numberWithin("SegmentIdentificationSequence", "ReferencedSegmentNumber")],
    ["trigger time", plain("TriggerTime")],
    ["acquisition", plain("AcquisitionNumber")],
    ["content time", plain("ContentTime")],
  ];
  const indices = groups.flatMap((group) => group?.items("FrameContentSequence") ?? [])
    .map((item) => item.numbers("DimensionIndexValues")).find((numbers) => numbers.length > 0) ?? [];
  pointers.forEach((_, i) => entries.push([`dimension ${i + 1}`, String(indices[i] ?? "")]));
  return new Map(entries.filter(([, value]) => value !== ""));
}
