import { strict as assert } from "node:assert";
import { subjectOf } from "../mod.ts";

const CASES: readonly [path: string, subject: string, why: string][] = [
  ["sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz", "sub-01", "BIDS entity in the name"],
  ["sub-A7/T1.nii", "sub-A7", "BIDS entity of a folder"],
  ["site-x/subject.nii", "subject", "no entity without its own hyphen"],
  ["images/SC-HF-I-01_p07.nii.gz", "SC-HF-I-01", "phase"],
  ["PGBM-003_t1_FLAIR.nii.gz", "PGBM-003", "time and sequence"],
  ["PGBM-003_t1_T1post.nii.gz", "PGBM-003", "time and sequence with agent"],
  ["imagesTr/BRATS_001_0002.nii.gz", "BRATS_001", "nnU-Net channel"],
  ["patient101_frame14.nii.gz", "patient101", "frame"],
  ["patient101_ED.nii.gz", "patient101", "end of the heart's cycle"],
  ["OAS30001_left.NII.GZ", "OAS30001", "side"],
  ["scan12_v1_run-02.nii", "scan12", "several parts"],
  ["hippocampus_001.nii.gz", "hippocampus_001", "nothing to take off"],
  ["volume_p1.nii", "volume_p1", "a digit must stay"],
  ["t1.nii", "t1", "the whole name is never taken off"],
];

for (const [path, subject, why] of CASES) {
  Deno.test(`subjectOf: ${path} shows ${subject}: ${why}`, () => assert.equal(subjectOf(path), subject));
}
