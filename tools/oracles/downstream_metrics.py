"""Makes packages/downstream/testdata/metrics*.json: what the field's own libraries say about segmentations, predictions and pairs.

Run from the repository root: python tools/oracles/downstream_metrics.py
Needs monai, surface-distance, scipy, scikit-learn, torch.

Masks are made of boxes, ellipsoids and hashed noise that the tests make too, so that only the numbers are stored. Where a library gives NaN
or infinity (a structure that is missing on one side), the word is stored: the tests say what the package gives instead.
"""

import json
import pathlib
import warnings

import numpy as np

np.Inf, np.NaN = np.inf, np.nan  # surface-distance 0.1 is older than NumPy 2

import monai
import scipy
import scipy.ndimage
import sklearn
import sklearn.metrics
import surface_distance
import torch
from scipy import stats
from surface_distance import lookup_tables

for name in ("filters", "morphology"):  # and than SciPy 1.15
    if not hasattr(surface_distance.metrics.ndimage, name):
        setattr(surface_distance.metrics.ndimage, name, scipy.ndimage)

OUT = pathlib.Path("packages/downstream/testdata")


def uniform(seed, count):
    """Numbers in [0, 1) from an integer hash of a counter, exact in every language."""
    mask = np.uint64(0xFFFFFFFF)
    x = (np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(1000003)) & mask
    for _ in range(2):
        x = ((x >> np.uint64(16)) ^ x) * np.uint64(0x45D9F3B) & mask
    x = (x >> np.uint64(16)) ^ x
    return x.astype(np.float64) / 2**32


def word(value):
    """A number with 12 digits; NaN and infinity as words."""
    value = float(value)
    return float(f"{value:.12g}") if np.isfinite(value) else str(value)


# Segmentations


def paint(shape, parts):
    mask = np.zeros(shape, dtype=bool)
    z, y, x = np.indices(shape).astype(np.float64)
    for kind, *numbers in parts:
        if kind == "box":  # from low to high, high excluded
            z0, z1, y0, y1, x0, x1 = numbers
            mask[z0:z1, y0:y1, x0:x1] = True
        elif kind == "ball":
            cz, cy, cx, rz, ry, rx = numbers
            mask |= ((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1
        elif kind == "noise":  # seed, share
            mask |= uniform(numbers[0], mask.size).reshape(shape) < numbers[1]
        else:
            assert kind == "flip"  # seed, share: voxels that change
            mask ^= uniform(numbers[0], mask.size).reshape(shape) < numbers[1]
    return mask


def segmentation_cases():
    made = []

    def add(name, shape, spacing, reference, prediction, tolerance=1.0):
        made.append(dict(name=name, shape=shape, spacingMm=spacing, reference=reference, prediction=prediction, toleranceMm=tolerance))

    spacings = ([1, 1, 1], [3, 0.7, 0.7], [0.5, 1.25, 2], [5, 0.9, 1.1])
    for number, spacing in enumerate(spacings):
        tag = " x ".join(map(str, spacing))
        add(f"shifted boxes, {tag}", [10, 12, 14], spacing, [["box", 2, 7, 3, 9, 4, 10]], [["box", 3, 8, 3, 10, 3, 10]], 1.0)
        add(f"ellipsoids, {tag}", [14, 18, 20], spacing, [["ball", 6, 8, 9, 4.2, 5.1, 6.3]], [["ball", 7, 8.5, 10, 3.6, 5.4, 5.2]], 1.5)
        add(f"touching every border, {tag}", [9, 10, 11], spacing, [["box", 0, 9, 0, 10, 0, 11]], [["box", 0, 9, 0, 8, 0, 11]], 1.0)
        add(f"at the border, {tag}", [9, 10, 11], spacing, [["ball", 0, 0, 5, 4, 4, 4]], [["ball", 0, 1, 6, 4, 5, 4]], 0.8)
        add(f"single voxels, {tag}", [6, 7, 8], spacing, [["box", 2, 3, 2, 3, 3, 4]], [["box", 4, 5, 3, 4, 6, 7]], 2.0)
        add(f"one voxel in a corner, {tag}", [5, 5, 5], spacing, [["box", 0, 1, 0, 1, 0, 1]], [["box", 0, 2, 0, 1, 0, 1]], 0.5)
        add(f"thin sheets, {tag}", [8, 16, 16], spacing, [["box", 3, 4, 2, 14, 2, 14]], [["box", 4, 5, 2, 14, 3, 15]], 1.0)
        add(f"an upright sheet, {tag}", [12, 10, 12], spacing, [["box", 1, 11, 4, 5, 1, 11]], [["box", 1, 11, 1, 9, 5, 6]], 1.0)
        add(f"noise, {tag}", [8, 9, 10], spacing, [["noise", 11 + number, 0.3]], [["noise", 21 + number, 0.3]], 1.0)
        add(f"flipped voxels, {tag}", [12, 12, 12], spacing, [["ball", 6, 6, 5, 4, 4, 4]], [["ball", 6, 6, 5, 4, 4, 4], ["flip", 31 + number, 0.02]], 1.0)
        add(f"two parts, one missed, {tag}", [12, 14, 16], spacing, [["ball", 4, 4, 4, 2.5, 2.5, 2.5], ["ball", 8, 10, 12, 2, 3, 3]], [["ball", 4, 4, 4.5, 2.5, 2.5, 2.5]], 1.0)
    cube, ball = [["box", 2, 5, 2, 5, 2, 5]], [["ball", 4, 4, 4, 2.2, 2.2, 2.2]]
    for spacing in ([1, 1, 1], [3, 0.7, 0.7]):
        tag = " x ".join(map(str, spacing))
        add(f"equal, {tag}", [8, 8, 8], spacing, ball, ball)
        add(f"empty prediction, {tag}", [8, 9, 10], spacing, cube, [])
        add(f"empty reference, {tag}", [8, 9, 10], spacing, [], cube)
        add(f"both empty, {tag}", [8, 9, 10], spacing, [], [])
        add(f"all voxels in one, {tag}", [5, 6, 7], spacing, [["box", 0, 5, 0, 6, 0, 7]], cube)
    add("a hole", [10, 10, 10], [1, 1, 2], [["box", 1, 9, 1, 9, 1, 9]], [["box", 1, 9, 1, 9, 1, 9], ["flip", 5, 0.004]], 1.0)
    add("one slice", [1, 14, 16], [5, 0.8, 0.8], [["ball", 0, 6, 7, 1, 4, 5]], [["ball", 0, 7, 8, 1, 4, 4]], 1.0)
    add("one line", [1, 1, 20], [2, 2, 0.4], [["box", 0, 1, 0, 1, 3, 9]], [["box", 0, 1, 0, 1, 5, 14]], 1.0)
    add("one voxel in all", [1, 1, 1], [2, 3, 4], [["box", 0, 1, 0, 1, 0, 1]], [["box", 0, 1, 0, 1, 0, 1]], 1.0)
    add("no tolerance", [10, 10, 10], [1, 1, 1], [["ball", 5, 5, 5, 3, 3, 3]], [["ball", 5, 5, 6, 3, 3, 3]], 0.0)
    add("far apart", [20, 24, 30], [2, 1.3, 0.6], [["ball", 3, 3, 3, 2, 3, 3]], [["ball", 16, 20, 26, 3, 3, 3]], 2.5)
    return made


def by_surface_distance(prediction, reference, spacing, tolerance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distances = surface_distance.compute_surface_distances(reference, prediction, spacing)
        if len(distances["distances_gt_to_pred"]) + len(distances["distances_pred_to_gt"]) == 0:
            return dict(hausdorff95Mm="nan", hausdorffMm="nan", surfaceDice="nan", referenceToPredictionMm="nan", predictionToReferenceMm="nan")
        back, there = surface_distance.compute_average_surface_distance(distances)
        return dict(
            hausdorff95Mm=word(surface_distance.compute_robust_hausdorff(distances, 95)),
            hausdorffMm=word(surface_distance.compute_robust_hausdorff(distances, 100)),
            surfaceDice=word(surface_distance.compute_surface_dice_at_tolerance(distances, tolerance)),
            referenceToPredictionMm=word(back),
            predictionToReferenceMm=word(there),
        )


def by_monai(prediction, reference, spacing, tolerance):
    p, r = (torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference))
    metrics = monai.metrics
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = metrics.get_confusion_matrix(p, r)[0, 0]
        common = dict(include_background=True, spacing=[float(value) for value in spacing])
        return dict(
            dice=word(metrics.compute_dice(p, r, ignore_empty=False)),
            iou=word(metrics.compute_iou(p, r, ignore_empty=False)),
            sensitivity=word(metrics.compute_confusion_matrix_metric("sensitivity", counts)),
            precision=word(metrics.compute_confusion_matrix_metric("precision", counts)),
            hausdorff95Mm=word(metrics.compute_hausdorff_distance(p, r, percentile=95, **common)),
            hausdorffMm=word(metrics.compute_hausdorff_distance(p, r, **common)),
            averageSurfaceDistanceMm=word(metrics.compute_average_surface_distance(p, r, symmetric=True, **common)),
            surfaceDice=word(metrics.compute_surface_dice(p, r, [tolerance], **common)),
        )


def segmentations():
    cases = []
    for case in segmentation_cases():
        prediction, reference = (paint(case["shape"], case[side]) for side in ("prediction", "reference"))
        arguments = prediction, reference, case["spacingMm"], case["toleranceMm"]
        voxel = float(np.prod(case["spacingMm"])) / 1000
        cases.append({
            **case,
            "voxels": [int(prediction.sum()), int(reference.sum())],
            "volumesMl": [word(prediction.sum() * voxel), word(reference.sum() * voxel)],
            "surfaceDistance": by_surface_distance(*arguments),
            "monai": by_monai(*arguments),
        })
    return cases


def surfel_areas():
    """Areas by the package's own numbering of corners: bit 4 x + 2 z + y."""
    corners = [(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    kernel = lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    theirs = [sum(int(kernel[z, y, x]) for z, y, x in corners if code >> (4 * x + 2 * z + y) & 1) for code in range(256)]
    tables = []
    for spacing in ([1, 1, 1], [3, 0.7, 1.9]):
        areas = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
        tables.append(dict(spacingMm=spacing, areas=[word(areas[code]) for code in theirs]))
    return tables


def distance_maps():
    maps = []
    for number, (shape, spacing, share) in enumerate((([20, 30, 40], [2.5, 0.7, 0.9], 0.002), ([33, 17, 9], [1, 1, 1], 0.01), ([1, 40, 50], [4, 1, 3], 0.004))):
        sites = uniform(41 + number, int(np.prod(shape))).reshape(shape) < share
        distances = scipy.ndimage.distance_transform_edt(~sites, sampling=spacing)
        weights = uniform(51 + number, sites.size)
        maps.append(dict(
            shape=shape, spacingMm=spacing, share=share, seed=41 + number, sites=int(sites.sum()),
            largest=word(distances.max()), sum=word(distances.sum()), checksum=word((distances.ravel() * weights).sum()),
        ))
    return maps


# Predictions


def classification_cases():
    """Scores are multiples of 1/steps, so that there are ties; answers follow them loosely."""
    cases = []
    for number, (count, classes, steps, absent) in enumerate(((40, 2, 10, ()), (200, 3, 50, ()), (60, 4, 7, ()), (30, 5, 1000, (4,)), (12, 2, 4, ()), (150, 2, 3, ()), (80, 3, 1000, (1,)))):
        noise = np.floor(uniform(101 + number, count * classes).reshape(count, classes) * steps) / steps + 0.05
        actual = np.minimum(np.floor(uniform(201 + number, count) * classes), classes - 1).astype(int)
        for gone in absent:
            actual[actual == gone] = 0
        noise[np.arange(count), actual] += np.where(uniform(301 + number, count) < 0.6, 0.4, 0)
        probabilities = noise / noise.sum(1, keepdims=True)
        cases.append(dict(seed=number, cases=count, classes=classes, steps=steps, absent=list(absent), expected=multiclass(probabilities, actual, classes)))
    return cases


def calibration_error(confidence, right, bins=15):
    """By the paper's formula, independently of the package: no library at hand has it."""
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return error


def multiclass(probabilities, actual, classes):
    metrics = sklearn.metrics
    predicted = probabilities.argmax(1)
    one_hot = np.eye(classes)[actual]
    there = [label for label in range(classes) if 0 < one_hot[:, label].sum() < len(actual)]
    roc = {label: metrics.roc_auc_score(one_hot[:, label], probabilities[:, label]) for label in there}
    precision = {label: metrics.average_precision_score(one_hot[:, label], probabilities[:, label]) for label in there}
    support = one_hot.sum(0)
    brier = metrics.brier_score_loss(actual, probabilities, labels=list(range(classes)), scale_by_half=False)
    binary = dict(binaryBrier=word(metrics.brier_score_loss(actual, probabilities[:, 1]))) if classes == 2 else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(
            rocAuc=[word(roc[label]) if label in roc else None for label in range(classes)],
            weightedRocAuc=word(np.average([roc[label] for label in there], weights=support[there])),
            averagePrecision=[word(precision[label]) if label in precision else None for label in range(classes)],
            accuracy=word(metrics.accuracy_score(actual, predicted)),
            balancedAccuracy=word(metrics.balanced_accuracy_score(actual, predicted)),
            macroF1=word(metrics.f1_score(actual, predicted, average="macro")),
            weightedF1=word(metrics.f1_score(actual, predicted, average="weighted")),
            kappa=word(metrics.cohen_kappa_score(actual, predicted)),
            quadraticKappa=word(metrics.cohen_kappa_score(actual, predicted, weights="quadratic", labels=list(range(classes)))),
            confusion=metrics.confusion_matrix(actual, predicted, labels=list(range(classes))).tolist(),
            brier=word(brier),
            logLoss=word(metrics.log_loss(actual, probabilities, labels=list(range(classes)))),
            calibrationError=word(calibration_error(probabilities.max(1), predicted == actual)),
            meanAbsoluteError=word(np.abs(predicted - actual).mean()),
            **binary,
        )


def regressions():
    cases = []
    for number, count in enumerate((3, 25, 120)):
        actual = 40 + 30 * uniform(401 + number, count)
        predicted = actual * 0.8 + 12 * uniform(501 + number, count)
        metrics = sklearn.metrics
        cases.append(dict(seed=number, cases=count, expected=dict(
            meanAbsoluteError=word(metrics.mean_absolute_error(actual, predicted)),
            rootMeanSquaredError=word(metrics.root_mean_squared_error(actual, predicted)),
            rSquared=word(metrics.r2_score(actual, predicted)),
            pearson=word(stats.pearsonr(actual, predicted)[0]),
        )))
    return cases


# Statistics


def pairs():
    cases = []

    def add(name, a, b):
        a, b = np.asarray(a, float), np.asarray(b, float)
        case = dict(name=name, a=a.tolist(), b=b.tolist())
        difference = a - b
        kept = difference[difference != 0]
        tied = len(np.unique(np.abs(kept))) < len(kept)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            t = stats.ttest_rel(a, b)
            interval = t.confidence_interval(0.95)
            case["t"] = dict(statistic=word(t.statistic), p=word(t.pvalue), low=word(interval.low), high=word(interval.high))
            if len(kept) > 50:
                w = stats.wilcoxon(a, b, method="asymptotic")
            elif tied or len(kept) < len(difference):
                assert len(kept) <= 14, name
                w = stats.wilcoxon(kept, method=stats.PermutationMethod(n_resamples=np.inf))
            else:
                w = stats.wilcoxon(a, b, method="exact")
            case["wilcoxon"] = dict(statistic=word(w.statistic), p=word(w.pvalue))
            if len(a) <= 14:
                w = stats.permutation_test((difference,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf)
                case["permutation"] = dict(statistic=word(w.statistic), p=word(w.pvalue))
        cases.append(case)

    values = lambda seed, count: np.round(uniform(seed, count), 7)
    add("two", [1, 2.5], [0.5, 0.25])
    add("six, one way", [0.9, 0.8, 0.85, 0.7, 0.95, 0.6], [0.8, 0.75, 0.83, 0.66, 0.9, 0.52])
    add("ten", values(601, 10), values(602, 10))
    add("twelve with ties and zeros", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [1, 3, 2, 4, 4, 8, 5, 6, 9, 9, 10, 10])
    add("thirty", values(603, 30), values(604, 30) * 0.8)
    add("fifty", values(605, 50), values(606, 50) + 0.05)
    add("eighty with ties", np.floor(values(607, 80) * 20), np.floor(values(608, 80) * 20) + 1)
    add("two hundred", values(609, 200), values(610, 200) + 0.02)
    return cases


def bootstraps():
    """SciPy's own draws are stored, so that the intervals can be compared digit by digit, not up to chance."""
    cases = []
    for number, (count, power) in enumerate(((12, 1), (25, 4), (40, 0.3))):
        values = np.round(uniform(701 + number, count) ** power, 4)
        for method in ("percentile", "bca"):
            result = stats.bootstrap((values,), np.mean, n_resamples=199, method="BCa" if method == "bca" else method, rng=np.random.default_rng(number))
            many = stats.bootstrap((values,), np.mean, n_resamples=100_000, method="BCa" if method == "bca" else method, rng=np.random.default_rng(number))
            cases.append(dict(
                values=values.tolist(), method=method, draws=[float(f"{draw:.15g}") for draw in result.bootstrap_distribution],
                low=word(result.confidence_interval.low), high=word(result.confidence_interval.high),
                manyLow=word(many.confidence_interval.low), manyHigh=word(many.confidence_interval.high),
            ))
    return cases


def distributions():
    ts, degrees = (-40.0, -6.5, -2.0, -0.3, 0.0, 0.8, 3.1), (1, 2, 3.5, 7, 30, 400)
    zs, shares = (-37.0, -8.0, -3.0, -2.9, -1.0, -0.01, 0.0, 0.5, 2.5, 6.0), (1e-12, 0.001, 0.025, 0.4, 0.5, 0.9, 0.975, 0.9999)
    return dict(
        student=[[t, d, float(stats.t.cdf(t, d))] for t in ts for d in degrees],
        studentQuantile=[[share, d, float(stats.t.ppf(share, d))] for share in shares for d in degrees],
        normal=[[z, float(stats.norm.cdf(z))] for z in zs],
        normalQuantile=[[share, float(stats.norm.ppf(share))] for share in shares],
    )


def write(name, content):
    lines = []
    for key, value in content.items():
        if isinstance(value, list):
            lines.append(f"{json.dumps(key)}:[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]")
        else:
            lines.append(f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}")
    path = OUT / name
    path.write_text("{" + ",\n".join(lines) + "}\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    versions = dict(monai=monai.__version__, surfaceDistance="0.1", scipy=scipy.__version__, sklearn=sklearn.__version__)
    made = segmentations()
    print(len(made), "segmentations")
    write("metrics_segmentation.json", dict(versions=versions, cases=made, surfelAreas=surfel_areas(), distanceMaps=distance_maps()))
    write("metrics_classification.json", dict(versions=versions, multiclass=classification_cases(), regression=regressions()))
    write("metrics_statistics.json", dict(versions=versions, pairs=pairs(), bootstraps=bootstraps(), distributions=distributions()))
