from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evaluation.errors import DataMissingError, ProblemFileError
from evaluation.readability import Rating, load, save, spearman, standardised, train, trained_for
from evaluation.readability_features import NAMES, features


def made_up(count: int = 120) -> list[Rating]:
    """Snippets whose rating falls with their longest line, in two studies with other centres."""
    generator = random.Random(5)
    ratings: list[Rating] = []
    for number in range(count):
        width = generator.randint(1, 60)
        study, centre = ("a", 2.0) if number % 2 else ("b", 4.0)
        mean = centre - width / 60 + generator.gauss(0, 0.1)
        ratings.append(Rating(study, f"value_{number} = 1\nx = '{'y' * width}'\n", mean, (1, 2, 4, 2, 1)))
    return ratings


def test_every_feature_has_a_name_and_is_a_number() -> None:
    for code in ("", "x", "def f(a):\n    # why\n    return a\n", "(" * 10_000, "\ud800\0", "'" * 999):
        values = features(code)
        assert len(values) == len(NAMES)
        assert np.isfinite(values).all()


def test_features_by_hand() -> None:
    found = dict(zip(NAMES, features("if x:  # c\n    foo_bar = x == 1\n\n"), strict=True))
    assert found["max_indent"] == 4
    assert found["branches_per_line"] == 0.5
    assert found["comparisons_per_line"] == found["assignments_per_line"] == 0.5
    assert found["max_identifier_length"] == 7
    assert found["comment_line_share"] == 0.5


def test_studies_are_put_on_one_scale() -> None:
    ratings = made_up()
    values = standardised(ratings)
    for study in "ab":
        rows = [i for i, rating in enumerate(ratings) if rating.study == study]
        assert values[rows].mean() == pytest.approx(0, abs=1e-9)
        assert values[rows].std() == pytest.approx(1)


def test_a_dependence_that_is_there_is_found_out_of_fold() -> None:
    model = train(made_up(), "hash")
    assert model.cv_spearman > 0.8
    assert model.score("v = 1\nx = 'yy'\n") > model.score("v = 1\nx = '" + "y" * 58 + "'\n")
    assert 0 <= model.score("(" * 5000) <= 10
    assert model.score(" \n") == 0


def test_ratings_without_pattern_are_not_learnt() -> None:
    generator = random.Random(1)
    shuffled = [Rating(r.study, r.code, generator.random(), r.histogram) for r in made_up()]
    assert abs(train(shuffled, "hash").cv_spearman) < 0.3


@pytest.mark.parametrize("seed", range(5))
def test_spearman_equals_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.integers(0, 6, 40).astype(float), generator.integers(0, 6, 40).astype(float)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0])


def test_a_saved_model_scores_the_same(tmp_path: Path) -> None:
    model = train(made_up(), "hash")
    save(model, tmp_path / "m.json")
    assert load(tmp_path / "m.json") == model


@pytest.mark.parametrize("change", [{"weights": [1.0]}, {"format": 0}, {"features": []}, {"quantiles": None}])
def test_a_model_of_another_shape_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "m.json"
    save(train(made_up(), "hash"), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ProblemFileError, match="Train it again"):
        load(path)


def test_a_model_is_trained_once_for_the_ratings_that_are_there(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    with pytest.raises(DataMissingError):
        trained_for(data, cache)
    (data / "readability").mkdir(parents=True)
    rows = [
        {
            "dataset": r.study,
            "language": "python",
            "code": r.code,
            "mean_rating": r.mean,
            "rating_hist_1to5": r.histogram,
        }
        for r in made_up()
    ]
    path = data / "readability" / "readability_ratings.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    first = trained_for(data, cache)
    assert trained_for(data, cache) == first
    path.write_text("\n".join(map(json.dumps, rows[:-1])))
    assert trained_for(data, cache).training_sha256 != first.training_sha256
