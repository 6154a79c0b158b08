"""Planted copies are found, honest pictures are not accused: on digits and on patches of photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from copyists import COPYISTS, Averages, clipped, copies, digits, photo_patches, with_noise

from ganvas.evaluation.memorisation.check import check_memorisation, pair_pictures
from ganvas.evaluation.memorisation.look import CopyFinder, Look
from ganvas.evaluation.memorisation.rates import Rate
from ganvas.evaluation.memorisation.reals import Reals

HONEST, PLANTED = 380, 20  # one in twenty


@dataclass(frozen=True)
class Case:
    """Training pictures, real ones that nobody trained on, and a look at those with copies of all kinds."""

    train: np.ndarray
    held_out: np.ndarray
    honest: np.ndarray
    look: Look
    alike: float  # share of honest pictures that may well be as near to a training picture as copies are

    def found(self, kind: str) -> float:
        """Share of the copies of a kind that were found."""
        start = HONEST + PLANTED * list(COPYISTS).index(kind)
        return float(self.look.copies()[start : start + PLANTED].double().mean())


def make_case(pictures: np.ndarray, alike: float) -> Case:
    half, rest = len(pictures) // 2, len(pictures) - HONEST
    train, held_out, honest = pictures[:half], pictures[half:rest], pictures[rest:]
    samples = np.concatenate([honest, *(copies(train, kind, PLANTED)[0] for kind in COPYISTS)])
    look = CopyFinder(Reals(train, held_out), Averages()).look(samples, np.arange(len(samples)))
    return Case(train, held_out, honest, look, alike)


@pytest.fixture(scope="module", params=["digits", "photos"])
def case(request, tmp_path_factory) -> Case:
    if request.param == "digits":
        return make_case(digits(), alike=0.02)
    return make_case(photo_patches()[:1500], alike=0.08)  # one photograph shows a grid of bars, whose patches repeat


@pytest.mark.parametrize(
    ("kind", "at_least"),
    [
        ("exact", 1.0),
        ("shifted", 0.9),
        ("mirrored", 0.9),
        ("mirrored and shifted", 0.85),
        ("brightness and contrast", 0.85),
        ("hue", 0.8),
        ("noise", 0.7),
        ("JPEG", 0.85),
    ],
)
def test_copies_are_found_whatever_was_done_to_them(case, kind, at_least):
    assert case.found(kind) >= at_least


def test_honest_pictures_are_hardly_ever_taken_for_copies(case):
    copies, real_copies = case.look.copies()[:HONEST], case.look.real_copies()
    ours, theirs = (Rate.of(int(some.sum()), len(some)) for some in (copies, real_copies))
    assert not ours.exceeds(theirs)
    assert max(ours.share, theirs.share) <= case.alike
    assert case.look.power() == 1


def test_the_finding_follows_one_copy_in_twenty(case):
    reals, features = Reals(case.train, case.held_out), Averages()
    honest = check_memorisation(case.honest, reals, features)
    assert honest.finding == "none"
    assert honest.copy_words().startswith("No sign of copying: ")
    mixed = check_memorisation(np.concatenate([case.honest[:300], case.train[:24]]), reals, features)
    assert mixed.finding == "copies"
    assert mixed.copy_words().startswith("Beware of copies: ")
    assert mixed.copies.low < mixed.copies.share < mixed.copies.high
    assert sum(pair.sample >= 300 for pair in mixed.pairs) >= 14, "the copies are shown first"


def test_training_pictures_set_the_scale_where_none_are_held_out():
    pictures = digits()
    train, honest = pictures[:400], pictures[400:600]
    found = check_memorisation(np.concatenate([honest, train[:20]]), Reals(train), Averages())
    assert found.left_out == "training pictures against the other training pictures"
    assert found.copies.hits >= 20
    assert check_memorisation(honest, Reals(train), Averages()).finding == "none"


def test_a_training_set_that_holds_its_pictures_many_times_accuses_nobody_and_hides_no_copy():
    pictures, rng = digits(), np.random.default_rng(0)
    alone, honest = pictures[:500], pictures[500:800]
    near = np.stack([with_noise(picture, rng) for picture in alone[:50]])  # a tenth is there slightly changed, too
    train = np.concatenate([alone.repeat(20, axis=0), near])
    for held_out in (None, pictures[800:1100]):
        found = check_memorisation(honest, Reals(train, held_out), Averages())
        assert found.finding == "none"
        assert found.copies.share <= 0.03
        assert found.views[0].searched == 550
        mixed = check_memorisation(np.concatenate([honest, alone[100:500]]), Reals(train, held_out), Averages())
        assert mixed.copies.hits >= 400
        assert mixed.finding == "copies"


def test_grey_mush_and_plain_pictures_are_copies_of_nothing():
    pictures = digits()
    mush = np.random.default_rng(0).normal(128, 3, (40, 1, 16, 16)).astype(np.uint8)
    plain = np.full((40, 1, 16, 16), 90, np.uint8)
    found = check_memorisation(np.concatenate([mush, plain]), Reals(pictures[:600]), Averages())
    assert found.copies.hits == 0


def test_what_is_said_of_a_pair_is_what_was_done():
    train, kinds = photo_patches()[:200], ["exact", "mirrored", "shifted"]
    samples = np.concatenate([*(copies(train, kind, 4)[0] for kind in kinds), clipped(0.5 * train[:4] + 60)])
    sources = np.concatenate([*(copies(train, kind, 4)[1] for kind in kinds), np.arange(4)])
    found = check_memorisation(samples, Reals(train), Averages())
    pairs = {pair.sample: pair for pair in found.pairs}
    assert len(pairs) == 16
    assert sum(pair.train == sources[pair.sample] for pair in found.pairs) >= 15
    assert [pairs[i].match for i in range(4)] == ["as it is"] * 4
    assert all("mirrored" in pairs[i].match for i in range(4, 8))
    assert all("moved by" in pairs[i].match for i in range(8, 12))
    assert all("other colours" in pairs[i].match for i in range(12, 16))


def test_the_sheet_shows_a_sample_its_nearest_by_pixels_and_its_nearest_by_features():
    pictures = digits()
    train, samples = pictures[:100], pictures[100:110]
    found = check_memorisation(samples, Reals(train), Averages())
    sheet = pair_pictures(found, samples, train)
    assert sheet.shape == (3 * 10, 16, 16, 1)
    second = found.pairs[1]
    for place, picture in zip((3, 4, 5), (samples[second.sample], train[second.train]), strict=False):
        assert np.array_equal(sheet[place, ..., 0], picture[0])
    assert np.array_equal(sheet[5, ..., 0], train[second.train_by_features, 0])


def test_the_same_pictures_get_the_same_result():
    pictures = digits()
    args = pictures[:50], Reals(pictures[50:300]), Averages()
    assert check_memorisation(*args) == check_memorisation(*args)


def test_sixteen_bits_are_checked_alike():
    pictures = digits()
    eight = check_memorisation(pictures[:60], Reals(pictures[40:300]), Averages())
    wide = pictures.astype(np.uint16) * 257
    sixteen = check_memorisation(wide[:60], Reals(wide[40:300]), Averages())
    assert sixteen.copies == eight.copies
    assert eight.copies.hits >= 20
