"""CRS: how readable code is, as people rated code.

Definition  a ridge regression from `readability_features` to human ratings (Buse and Weimer 2008, Dorn 2012,
            Scalabrino et al. 2018; standardised within each study and language, whose scales have different centres),
            put on the paper's scale of 0 to 10 by rank: 8 means that 80 % of the rated snippets are predicted less
            readable.
Source      the paper, Table 1, names "CRS" and its scale; regressors on such features: Buse and Weimer 2010.
Check       Spearman correlation with the ratings by 10-fold cross-validation (repeated snippets in one fold), beside
            the raters' ceiling: how one rater agrees with the mean of the others. Measured on 528 ratings: 0.58
            (0.52 to 0.68 by study), one rater 0.36 to 0.51. The regressor may pass one rater, since it is fitted to
            the mean of many; the ceiling is drawn from histograms, so a rater's own habits are not taken out, and the
            penalty is chosen on the same folds: both make the comparison a little kind to the regressor.
Fails       it sees looks, not meaning: good names on wrong code score high. The rated snippets are fragments of 5 to
            50 lines in Java, CUDA and Python; whole programs and other languages are a guess. Differences below some
            0.5 are noise: see `cv_spearman`. Text that is no code gets a number too; an empty answer gets 0.

Trained models are JSON with the hash of the ratings; nothing is unpickled. The ratings have no licence, so neither
they nor a trained model belongs in the repository: a model is trained where the data is (about 2 s).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.errors import DataMissingError, ProblemFileError
from evaluation.readability_features import NAMES, features

RATINGS_FILE: Final = "readability/readability_ratings.jsonl"
_PENALTIES: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_FOLDS: Final = 10
_FORMAT: Final = 1
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rating:
    """One rated snippet. `histogram` counts the ratings 1 to 5."""

    study: str
    code: str
    mean: float
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadabilityModel:
    """A trained regressor and how good it is.

    cv_spearman       with the ratings standardised per study, over all snippets, out of fold
    cv_by_study       the same within each study
    rater_spearman    one rater with the mean of the others in that study (simulated from the histograms)
    quantiles         101 quantiles of the training predictions, for the scale of 0 to 10
    """

    training_sha256: str
    num_snippets: int
    means: list[float]
    scales: list[float]
    weights: list[float]
    penalty: float
    quantiles: list[float]
    cv_spearman: float
    cv_by_study: dict[str, float]
    rater_spearman: dict[str, float]

    def score(self, code: str) -> float:
        """Give CRS, 0 to 10; 0 for an empty text."""
        if not code.strip():
            return 0.0
        row = (np.array(_used(code)) - np.array(self.means)) / np.array(self.scales)
        predicted = float(np.clip(row, -4, 4) @ np.array(self.weights))
        return float(np.interp(predicted, self.quantiles, np.linspace(0, 10, len(self.quantiles))))


def load_ratings(data: Path) -> tuple[list[Rating], str]:
    """Read the ratings below a data folder; give them and their file's hash. Raises DataMissingError."""
    path = data / RATINGS_FILE
    try:
        content = path.read_bytes()
        rows = [json.loads(line) for line in content.decode("utf-8").split("\n") if line.strip()]
        ratings = [
            Rating(
                f"{r['dataset']} {r['language']}",
                r["code"],
                float(r["mean_rating"]),
                tuple(r["rating_hist_1to5"]),
            )
            for r in rows
        ]
    except FileNotFoundError as error:
        raise DataMissingError(f"expected the human ratings in {path}; they are not there") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ProblemFileError(f"{path}: expected rows of ratings; {error}") from error
    return ratings, hashlib.sha256(content).hexdigest()


def train(ratings: Sequence[Rating], training_sha256: str) -> ReadabilityModel:
    """Fit the regressor; the penalty is the one with the best cross-validated correlation."""
    x = np.array([_used(rating.code) for rating in ratings])
    y = standardised(ratings)
    folds = _folds(ratings)
    predictions = {penalty: _out_of_fold(x, y, folds, penalty) for penalty in _PENALTIES}
    penalty = max(_PENALTIES, key=lambda p: spearman(predictions[p], y))
    means, scales, weights = _fit(x, y, penalty)
    fitted = np.clip((x - means) / scales, -4, 4) @ weights
    studies = sorted({rating.study for rating in ratings})
    rows = {study: [i for i, r in enumerate(ratings) if r.study == study] for study in studies}
    return ReadabilityModel(
        training_sha256=training_sha256,
        num_snippets=len(ratings),
        means=means.tolist(),
        scales=scales.tolist(),
        weights=weights.tolist(),
        penalty=penalty,
        quantiles=np.quantile(fitted, np.linspace(0, 1, 101)).tolist(),
        cv_spearman=spearman(predictions[penalty], y),
        cv_by_study={s: spearman(predictions[penalty][i], y[i]) for s, i in rows.items()},
        rater_spearman={s: _rater_agreement([ratings[n] for n in i]) for s, i in rows.items()},
    )


def standardised(ratings: Sequence[Rating]) -> Array:
    """Give the mean ratings with mean 0 and deviation 1 within each study and language."""
    values = np.array([rating.mean for rating in ratings])
    for study in {rating.study for rating in ratings}:
        rows = np.array([rating.study == study for rating in ratings])
        deviation = values[rows].std()
        values[rows] = (values[rows] - values[rows].mean()) / (deviation if deviation > 0 else 1.0)
    return values


def save(model: ReadabilityModel, path: Path) -> None:
    """Write a model as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"format": _FORMAT, "features": NAMES, **asdict(model)}), encoding="utf-8")
    part.replace(path)


def load(path: Path) -> ReadabilityModel:
    """Read a model. Raises ProblemFileError for one of another format or with values that are no numbers."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        is_ours = content.pop("format") == _FORMAT and content.pop("features") == list(NAMES)
        model = ReadabilityModel(**content)
        is_ours = is_ours and _has_right_shape(model)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProblemFileError(f"{path}: expected a readability model; {error}. Train it again") from error
    if not is_ours:
        raise ProblemFileError(f"{path}: expected a readability model of this version. Train it again")
    return model


def _has_right_shape(model: ReadabilityModel) -> bool:
    numbers = [*model.means, *model.scales, *model.weights, *model.quantiles]
    sizes = {len(model.means), len(model.scales), len(model.weights)}
    return sizes == {2 * len(NAMES)} and len(model.quantiles) == 101 and bool(np.isfinite(numbers).all())


def trained_for(data: Path, cache: Path) -> ReadabilityModel:
    """Give the model of the ratings below a data folder: from the cache when it was trained on them, else trained."""
    ratings, digest = load_ratings(data)
    path = cache / f"crs-{digest[:16]}.json"
    if path.exists():
        try:
            model = load(path)
        except ProblemFileError:
            path.unlink()
        else:
            if model.training_sha256 == digest:
                return model
    model = train(ratings, digest)
    with contextlib.suppress(OSError):  # no cache: trained again next time
        save(model, path)
    return model


def spearman(a: Array, b: Array) -> float:
    """Give Spearman's rank correlation, ties at their mean rank; 0 where one side does not vary."""
    ranks_a, ranks_b = _ranks(a), _ranks(b)
    if ranks_a.std() == 0 or ranks_b.std() == 0:
        return 0.0
    return float(np.corrcoef(ranks_a, ranks_b)[0, 1])


def _used(code: str) -> list[float]:
    # Rises that flatten: each number, and its logarithm.
    values = features(code)
    return [*values, *(float(np.log1p(value)) for value in values)]


def _fit(x: Array, y: Array, penalty: float) -> tuple[Array, Array, Array]:
    means, scales = x.mean(axis=0), x.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    z = np.clip((x - means) / scales, -4, 4)
    weights = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ y)
    return means, scales, weights


def _folds(ratings: Sequence[Rating]) -> Array:
    # By a hash of the text without blanks: repeated snippets fall into one fold.
    hashes = (hashlib.sha256("".join(rating.code.split()).encode()).digest() for rating in ratings)
    return np.array([int.from_bytes(digest[:4], "big") % _FOLDS for digest in hashes])


def _out_of_fold(x: Array, y: Array, folds: Array, penalty: float) -> Array:
    predicted = np.zeros(len(y))
    for fold in range(_FOLDS):
        inside, outside = folds == fold, folds != fold
        if inside.any() and outside.any():
            means, scales, weights = _fit(x[outside], y[outside], penalty)
            predicted[inside] = np.clip((x[inside] - means) / scales, -4, 4) @ weights
    return predicted


def _rater_agreement(ratings: Sequence[Rating], rounds: int = 50) -> float:
    """Draw one rating of each snippet from its histogram and correlate with the others' mean; average of rounds."""
    generator = np.random.default_rng(0)
    total = 0.0
    for _ in range(rounds):
        single, others = np.zeros(len(ratings)), np.zeros(len(ratings))
        for i, rating in enumerate(ratings):
            counts = np.array(rating.histogram, dtype=np.float64)
            drawn = generator.choice(5, p=counts / counts.sum())
            counts[drawn] -= 1
            single[i] = drawn + 1
            others[i] = (counts * np.arange(1, 6)).sum() / max(1.0, counts.sum())
        total += spearman(single, others)
    return total / rounds


def _ranks(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2)[inverse]
