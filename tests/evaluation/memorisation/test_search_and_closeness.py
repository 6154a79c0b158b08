"""Many queries are looked up among many pictures a piece at a time; nearness is read against the next ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from copyists import Averages

from ganvas.evaluation.memorisation import reals, search
from ganvas.evaluation.memorisation.closeness import closeness, copy_threshold, stricter
from ganvas.evaluation.memorisation.look import BY_FEATURES, CopyFinder, Seen
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.evaluation.memorisation.search import (
    NOBODY,
    Found,
    Gallery,
    Queries,
    different_rows,
    search_features,
    search_pixels,
)


def noise(n: int, seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 1, side, side), dtype=np.uint8)


def gallery_of(images: np.ndarray, kin: np.ndarray | None = None) -> Gallery:
    return Gallery(images, np.arange(len(images)), torch.arange(len(images)) if kin is None else torch.tensor(kin))


def queries_of(images: np.ndarray, kin: torch.Tensor | None = None) -> Queries:
    return Queries(images, np.arange(len(images)), torch.full((len(images),), NOBODY) if kin is None else kin)


def test_what_is_found_does_not_depend_on_the_size_of_the_pieces(monkeypatch):
    images, others = noise(50, seed=0), noise(9, seed=1)
    features = Averages(4)
    vectors = features.extract(others)

    def look() -> list[torch.Tensor]:
        gallery, queries = gallery_of(images), queries_of(others)
        found = search_pixels([queries], gallery)[0]
        by_features = search_features(vectors, vectors, queries.kin, gallery, features.extract(images), 5)
        return [found.as_is.distances, found.recoloured.distances, by_features.distances, by_features.places]

    whole = look()
    monkeypatch.setattr(search, "PIECE", 7)
    monkeypatch.setattr(search, "ALIGNED_AT_ONCE", 2)
    for one, other in zip(whole, look(), strict=True):
        torch.testing.assert_close(one, other)


def test_several_sets_of_queries_share_one_search():
    gallery, one, other = gallery_of(noise(30, seed=0)), queries_of(noise(4, seed=1)), queries_of(noise(3, seed=2))
    together = search_pixels([one, other], gallery)
    torch.testing.assert_close(together[1].as_is.distances, search_pixels([other], gallery)[0].as_is.distances)


def test_a_query_finds_itself_but_for_its_kin():
    images = noise(12, seed=0)
    gallery = gallery_of(images, np.repeat([0, 1, 2, 3], 3))
    found = search_pixels([queries_of(images)], gallery)[0].as_is
    assert found.places[:, 0].tolist() == list(range(12))
    left_out = search_pixels([queries_of(images, gallery.kin)], gallery)[0].as_is
    kin = gallery.kin[left_out.places]
    assert not ((kin == gallery.kin[:, None]) & left_out.distances.isfinite()).any()


def test_the_nearest_by_features_are_those_at_the_least_angle():
    images = noise(40, seed=0)
    vectors, base = Averages(4).extract(noise(6, seed=1)), Averages(4).extract(images)
    found = search_features(vectors, vectors, torch.full((6,), NOBODY), gallery_of(images), base, 3)
    cosine = torch.nn.functional.cosine_similarity(vectors[:, None], base[None], dim=2)
    assert found.places[:, 0].tolist() == cosine.argmax(1).tolist()
    torch.testing.assert_close(found.distances[:, 0], (2 - 2 * cosine.amax(1)).sqrt(), atol=1e-3, rtol=0)


def test_a_place_found_twice_counts_once_at_its_nearer_distance():
    places = torch.tensor([[4, 7, 4]])
    found = Found.sorted(torch.tensor([[3.0, 2.0, 1.0]]), places, places == 0, places, torch.zeros(1))
    assert found.places.tolist() == [[4, 7, 4]]
    assert found.distances.tolist() == [[1, 2, torch.inf]]


def test_the_others_are_those_that_are_not_kin_of_the_nearest():
    distances, places = torch.tensor([[1.0, 2.0, 4.0, 6.0]]), torch.tensor([[0, 1, 2, 3]])
    found = Found(distances, places, places == 9, places, torch.zeros(1))
    assert found.others(torch.tensor([0, 1, 2, 3])).item() == 4
    assert found.others(torch.tensor([5, 5, 6, 6])).item() == 5
    assert found.others(torch.tensor([5, 5, 5, 5])).isnan()


def test_equal_pictures_count_once():
    images = noise(6, seed=0)[[0, 1, 0, 2, 1, 3]]
    assert different_rows(images, np.array([0, 1, 2, 3, 4, 5])).tolist() == [0, 1, 3, 5]


def test_features_that_are_known_say_what_is_searched_by_features(monkeypatch):
    monkeypatch.setattr(reals, "MOST_SEARCHED", 10)
    train, features = noise(100, seed=0), Averages(4)
    rows = np.arange(1, 100, 3)
    known = Seen(rows, features.extract(train[rows]))
    look = CopyFinder(Reals(train), features, known).look(train[[4, 97]], np.arange(2))
    assert look[BY_FEATURES].searched == len(rows)
    assert look[BY_FEATURES].train_rows.tolist() == [4, 97]
    assert look["pixels"].train_rows.tolist() == [4, 97]
    assert look["pixels"].searched == len(np.union1d(rows, reals.spread(100, 10)))


def test_closeness_is_the_nearest_over_the_others():
    nearest, others = torch.tensor([0.0, 1.0, 0.5, torch.inf]), torch.tensor([0.4, 2.0, torch.nan, 1.0])
    found = closeness(nearest, others, usual_others=1.0)
    torch.testing.assert_close(found, torch.tensor([0.01, 0.5, 0.5, 1.0]), atol=1e-3, rtol=0)
    assert closeness(torch.tensor([0.1]), torch.tensor([torch.nan]), float("nan")).tolist() == [1]
    assert closeness(torch.zeros(1), torch.zeros(1), 0.0).tolist() == [1], "equal to all is nearer to none"


def test_the_threshold_is_half_of_what_is_typical_or_three_standard_deviations_down():
    bell = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.001, 0.999, 999))
    assert copy_threshold((0.05 * bell).exp() * 0.8) == pytest.approx(0.4)
    assert copy_threshold((0.5 * bell).exp() * 0.8) == pytest.approx(0.8 * np.exp(-1.5), rel=0.01)


def test_pictures_that_the_data_hold_twice_do_not_lower_the_threshold():
    alone = torch.linspace(0.7, 0.9, 850)
    twice = torch.cat([torch.full((150,), 0.02), alone])
    assert copy_threshold(twice) == pytest.approx(copy_threshold(alone), rel=0.05)
    assert copy_threshold(torch.zeros(10)) == 0


def test_thresholds_are_lowered_until_few_real_pictures_count_as_copies():
    alone = torch.linspace(1.5, 2.5, 960)
    assert stricter(torch.cat([torch.full((20,), 0.1), alone])) == 1, "one in fifty is let be"
    assert stricter(torch.cat([torch.full((40,), 0.6), alone])) == 0.5
    assert stricter(torch.cat([torch.full((40,), 0.1), alone])) == 0.35, "not without end"


def test_held_out_pictures_set_the_scale_from_fifty_on_without_those_whose_group_was_trained_on():
    train, held_out = noise(30, seed=0), noise(60, seed=1)
    left_out, words = Reals(train, held_out).left_out(gallery_of(train))
    assert (len(left_out), words) == (60, "held-out pictures against training ones")
    fewer, words = Reals(train, held_out[:49]).left_out(gallery_of(train))
    assert (len(fewer), words) == (30, "training pictures against the other training pictures")
    groups = Reals(train, held_out, np.arange(30), np.arange(25, 85))
    assert groups.strangers().tolist() == list(range(5, 60))
    left_out, _ = groups.left_out(groups.gallery())
    assert left_out.rows.tolist() == list(range(5, 60))
    split, words = Reals(train, held_out, np.arange(30), np.arange(15, 75)).left_out(groups.gallery())
    assert (len(split), words) == (30, "training pictures against the training pictures of other groups")
