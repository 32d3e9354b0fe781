/** Writes a segmentation for `tools/oracles/volume_dicom.py` to read: `write_seg.ts SCAN TARGET label,label,…`. */
import { createVolume } from "../../volume.ts";
import { readDicom } from "../read_dicom.ts";
import { writeDicomSeg } from "../write_dicom_seg.ts";

const [scanPath, target, values] = Deno.args as [string, string, string];
const scan = await readDicom(scanPath);
const labels = createVolume(Uint8Array.from(values.split(",").map(Number)), scan.shape, { affine: scan.affine });
await writeDicomSeg(labels, scanPath, target, {
  segments: [{ label: "one" }, { label: "zwei ä" }],
  copyIdentity: true,
  algorithmName: "a network",
});
