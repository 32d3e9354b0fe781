"""Segments a CT as bench/prediction_bench.ts does, by MONAI's sliding windows in PyTorch on the processor, and writes labels on the scan's own voxels.

Prints one line of JSON. Run with a Python that has torch, monai, nibabel, safetensors and dynamic-network-architectures:
    python tools/oracles/prediction_timing.py --scan ct.nii --weights model.safetensors --out labels.nii.gz --classes 25
"""

import argparse
import json

import monai
import nibabel
import numpy as np
import torch
from _pytorch_unet import load_unet
from monai.inferers import sliding_window_inference
from torch.nn.functional import interpolate

parser = argparse.ArgumentParser()
for name in ("scan", "weights", "out"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--features", default="8,16,32,64")
parser.add_argument("--patch", default="48,48,48")
parser.add_argument("--spacing", type=float, default=1.5)
parser.add_argument("--overlap", type=float, default=0.5)
parser.add_argument("--classes", type=int, default=25)
options = parser.parse_args()
features, patch = ([int(n) for n in text.split(",")] for text in (options.features, options.patch))

network, parameters = load_unet(options.weights, features, options.classes)
network.eval()
image = nibabel.load(options.scan)
canonical = nibabel.as_closest_canonical(image)
own = canonical.shape[::-1]
scan = torch.from_numpy(np.asarray(canonical.dataobj, dtype=np.float32).transpose(2, 1, 0).copy())[None, None]
spacing = canonical.header.get_zooms()[2::-1]
shape = [max(1, round(extent * edge / options.spacing)) for extent, edge in zip(own, spacing)]
with torch.inference_mode():
    if shape != list(own):
        scan = interpolate(scan, shape, mode="trilinear", align_corners=False)
    scan = scan.add_(160).div_(400).clamp_(0, 1)
    logits = sliding_window_inference(scan, patch, 2, network, overlap=options.overlap, mode="gaussian")
    labels = logits.argmax(1, keepdim=True).to(torch.uint8)
    if shape != list(own):
        labels = interpolate(labels, own, mode="nearest-exact")
voxels = labels[0, 0].numpy().transpose(2, 1, 0)
back = nibabel.orientations.ornt_transform(nibabel.io_orientation(canonical.affine), nibabel.io_orientation(image.affine))
nibabel.save(nibabel.Nifti1Image(nibabel.orientations.apply_orientation(voxels, back), image.affine), options.out)
print(json.dumps({
    "parameters": parameters,
    "version": f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, MONAI {monai.__version__}",
}))
