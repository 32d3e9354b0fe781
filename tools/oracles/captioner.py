"""Makes packages/captioner/testdata/encoders.json: what scikit-learn and numpy make of small texts and matrices.

Run from the repository's root: python tools/oracles/captioner.py
"""
import json
from pathlib import Path

import numpy as np
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

random = np.random.default_rng(20)


def rounded(array):
    return np.round(np.asarray(array, dtype=np.float64), 12).tolist()


def texts():
    words = [f"w{k}" for k in range(40)]
    share = 1 / np.arange(1, 41)
    share /= share.sum()
    return [" ".join(random.choice(words, size=random.integers(4, 25), p=share)) for _ in range(30)]


def tfidf(documents):
    vectorizer = TfidfVectorizer(analyzer=str.split, sublinear_tf=True, min_df=2)
    matrix = vectorizer.fit_transform(documents)
    svd = TruncatedSVD(n_components=8, algorithm="arpack").fit(matrix)
    return {
        "documents": documents,
        "vocabulary": vectorizer.get_feature_names_out().tolist(),
        "idf": rounded(vectorizer.idf_),
        "matrix": rounded(matrix.toarray()),
        "singularValues": rounded(svd.singular_values_),
        "components": rounded(svd.components_),
    }


def pca():
    # Wider than rank + oversampling, with a decaying spectrum, so that the randomised search has something to miss.
    left, _ = np.linalg.qr(random.normal(size=(60, 50)))
    right, _ = np.linalg.qr(random.normal(size=(70, 50)))
    matrix = left @ np.diag(0.8 ** np.arange(50)) @ right.T + random.normal(size=70)
    model = PCA(n_components=6, svd_solver="full").fit(matrix)
    return {
        "matrix": rounded(matrix),
        "singularValues": rounded(model.singular_values_),
        "components": rounded(model.components_),
    }


def cca():
    shared = random.normal(size=(80, 3))
    x = shared @ random.normal(size=(3, 6)) + random.normal(size=(80, 6))
    y = shared @ random.normal(size=(3, 5)) + random.normal(size=(80, 5))
    x -= x.mean(0)
    y -= y.mean(0)
    model = CCA(n_components=3, scale=False, max_iter=20000, tol=1e-14).fit(x, y)
    xs, ys = model.transform(x, y)
    plain = [abs(np.corrcoef(xs[:, k], ys[:, k])[0, 1]) for k in range(3)]

    share = 0.2
    def inverse_root(s):
        values, vectors = np.linalg.eigh(s + share * np.trace(s) / len(s) * np.eye(len(s)))
        return vectors @ np.diag(values**-0.5) @ vectors.T

    wx, wy = inverse_root(x.T @ x / 80), inverse_root(y.T @ y / 80)
    u, s, vt = np.linalg.svd(wx @ (x.T @ y / 80) @ wy)
    return {
        "x": rounded(x),
        "y": rounded(y),
        "correlations": rounded(plain),
        "firstScores": rounded(xs / xs.std(0)),
        "secondScores": rounded(ys / ys.std(0)),
        "regularisation": share,
        "regularisedCorrelations": rounded(s[:5]),
        "regularisedFirst": rounded((wx @ u)[:, :3].T),
        "regularisedSecond": rounded((wy @ vt.T)[:, :3].T),
    }


path = Path("packages/captioner/testdata/encoders.json")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps({"text": tfidf(texts()), "pca": pca(), "cca": cca()}) + "\n")
print(path, path.stat().st_size)
