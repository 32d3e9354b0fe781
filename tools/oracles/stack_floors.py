"""What needs no network: floors for scans with a label map of one structure, and with classes by subject, in the splits of runs.

    python tools/oracles/stack_floors.py DATA [--segment RUN …] [--classify RUN … --csv PATIENTS.csv]

DATA holds images/ and labels/ with NIfTI files of equal names; RUN is a folder of `deno task finetune`, whose split.json says who is trained and
tested on; PATIENTS.csv has the columns subject and one class, 0 or 1. Needs nibabel, numpy, scipy and scikit-learn.

Segmentation: the mean training label map, brought to the size of each tested scan and cut at the level that is best on the training scans. It
ignores the image. Classification: logistic regression (scikit-learn's defaults, features standardised on the training scans) on features of
each scan; probabilities are averaged over a subject's scans, folds pooled, intervals by bootstrap over subjects (2000 draws, percentiles).
Features: number of slices; mean intensities of 4×8×8 cells of the z-scored scan; millilitres of the label map; and, from both of a subject's
scans, ejected share 1 - smallest / largest volume. The last two know the reference label maps.
"""

import argparse
import csv
import json
from pathlib import Path

import nibabel
import numpy as np
from scipy.ndimage import zoom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LEVELS = np.arange(0.05, 1, 0.05)
DRAWS = 2000


def read(path):
    file = nibabel.load(path)
    return np.asarray(file.dataobj, dtype=np.float32), float(np.prod(file.header.get_zooms()[:3])) / 1000


def resized(values, shape):
    return zoom(values, [to / size for to, size in zip(shape, values.shape)], order=1, grid_mode=True, mode="nearest")


def dice(one, other):
    return 2 * np.logical_and(one, other).sum() / max(1, one.sum() + other.sum())


def split_of(run):
    split = json.loads((Path(run) / "split.json").read_text())
    return split["training"], split["test"]


def segmentation_floor(data, runs):
    scores = []
    for run in runs:
        training, test = split_of(run)
        label = {scan["id"]: read(data / "labels" / f"{scan['id']}.nii.gz")[0] > 0 for scan in training + test}
        shape = np.max([label[scan["id"]].shape for scan in training], axis=0)
        prior = np.mean([resized(label[scan["id"]].astype(np.float32), shape) for scan in training], axis=0)
        fitted = {id: resized(prior, map.shape) for id, map in label.items()}
        best = max(LEVELS, key=lambda level: np.mean([dice(fitted[s["id"]] > level, label[s["id"]]) for s in training]))
        scores += [dice(fitted[scan["id"]] > best, label[scan["id"]]) for scan in test]
    print(f"prior without image: Dice {np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f} over {len(scores)} scans")


def features_of(data, scans):
    image = {scan["id"]: read(data / "images" / f"{scan['id']}.nii.gz")[0] for scan in scans}
    volume = {}
    for scan in scans:
        label, millilitres = read(data / "labels" / f"{scan['id']}.nii.gz")
        volume[scan["id"]] = float((label > 0).sum()) * millilitres
    own = {}
    for scan in scans:
        own.setdefault(scan["subject"], []).append(volume[scan["id"]])

    def cells(values):
        scored = (values - values.mean()) / values.std()
        return resized(scored, [8 * 4, 8 * 4, 4 * 4]).reshape(8, 4, 8, 4, 4, 4).mean((1, 3, 5)).ravel()

    return {
        "number of slices": {scan["id"]: [image[scan["id"]].shape[2]] for scan in scans},
        "intensities of 4×8×8 cells": {scan["id"]: cells(image[scan["id"]]) for scan in scans},
        "reference volume of the scan": {scan["id"]: [volume[scan["id"]]] for scan in scans},
        "reference ejected share": {
            scan["id"]: [1 - min(own[scan["subject"]]) / max(own[scan["subject"]])] for scan in scans
        },
    }


def classification_floors(data, runs, table):
    with open(table, newline="") as file:
        (key, value), *rows = csv.reader(file)
        assert key == "subject", f"{table}: the first column is {key}, expected subject"
        actual = {subject: int(cell) for subject, cell in rows}
    for name, feature in features_of(data, [scan for side in split_of(runs[0]) for scan in side]).items():
        said = {}
        for run in runs:
            training, test = split_of(run)
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit([feature[s["id"]] for s in training], [actual[s["subject"]] for s in training])
            for scan in test:
                probability = model.predict_proba([feature[scan["id"]]])[0, 1]
                said.setdefault(scan["subject"], []).append(probability)
        subjects = sorted(said)
        truth = np.array([actual[subject] for subject in subjects])
        mean = np.array([np.mean(said[subject]) for subject in subjects])
        measures = {
            "AUROC": lambda at: roc_auc_score(truth[at], mean[at]),
            "balanced accuracy": lambda at: balanced_accuracy_score(truth[at], mean[at] > 0.5),
        }
        random = np.random.default_rng(0)
        draws = [random.integers(0, len(truth), len(truth)) for _ in range(DRAWS)]
        draws = [at for at in draws if 0 < truth[at].sum() < len(truth)]
        everyone = np.arange(len(truth))
        print(f"{name}, {len(truth)} subjects:", end="")
        for title, measure in measures.items():
            low, high = np.percentile([measure(at) for at in draws], [2.5, 97.5])
            print(f" {title} {measure(everyone):.3f} [{low:.3f}, {high:.3f}]", end="")
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--segment", nargs="+", default=[], metavar="RUN")
    parser.add_argument("--classify", nargs="+", default=[], metavar="RUN")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    if options.classify and options.csv is None:
        parser.error("--classify needs --csv")
    if options.segment:
        segmentation_floor(options.data, options.segment)
    if options.classify:
        classification_floors(options.data, options.classify, options.csv)


main()
