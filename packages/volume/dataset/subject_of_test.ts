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
  ["s0011/ct.nii.gz", "s0011", "TotalSegmentator's folders"],
  ["p1/image1.nii", "p1", "a person's folder before a number of scans"],
  ["patient007/ses-1/anat/T1.nii.gz", "patient007", "folders of one kind of scans are passed over"],
  ["train/HGG/BraTS19_2013_10_1/BraTS19_2013_10_1_flair.nii.gz", "BraTS19_2013_10_1", "folder and name agree"],
  ["fold_0/case_12_left.nii", "case_12", "a folder of many persons"],
  ["2019/site2/case_12.nii", "case_12", "years and sites are no persons"],
  ["Task04_Hippocampus/imagesTr/hippocampus_001.nii.gz", "hippocampus_001", "a Decathlon's folders"],
  ["patients/p1.nii", "p1", "a letter and a number is rather a person than a time"],
  ["anna/T1.nii", "anna", "a name that says only how"],
  ["left/001.nii", "001", "the side as a folder"],
  ["lh_001.nii", "001", "the side in front"],
  ["001-right.nii", "001", "a hyphen before the side"],
  ["hippo_001L.nii.gz", "hippo_001", "the side as a letter"],
  ["left_ventricle.nii", "left_ventricle", "no digit, no side"],
];

for (const [path, subject, why] of CASES) {
  Deno.test(`subjectOf: ${path} shows ${subject}: ${why}`, () => assert.equal(subjectOf(path), subject));
}
