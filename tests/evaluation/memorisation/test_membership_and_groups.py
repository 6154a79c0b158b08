"""What samples give away of who was trained on, of single pictures and of patients."""

from __future__ import annotations

import numpy as np
import pytest
from copyists import Averages, digits, with_noise

from ganvas.data.sources import open_source
from ganvas.data.store import StoreOptions, open_store
from ganvas.evaluation.memorisation.card import memorisation_card
from ganvas.evaluation.memorisation.check import check_memorisation
from ganvas.evaluation.memorisation.membership import area_under_curve, bootstrap_interval, measure_membership
from ganvas.evaluation.memorisation.reals import Reals
from medical_examples import make_dicom_series

SLICES = 6


def distances(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_the_area_is_the_chance_that_a_training_picture_is_nearer():
    assert area_under_curve(distances(1, 2), distances(3, 4)) == 1
    assert area_under_curve(distances(3, 4), distances(1, 2)) == 0
    assert area_under_curve(distances(1, 3), distances(2, 4)) == 0.75
    assert area_under_curve(distances(5, 5), distances(5, 5, 5)) == 0.5


def test_the_interval_holds_chance_for_equal_sets_and_narrows_with_more_pictures():
    rng = np.random.default_rng(1)
    low, high = bootstrap_interval(rng.normal(size=400), rng.normal(size=400))
    assert low < 0.5 < high
    assert high - low == pytest.approx(2 * 1.96 * (1 / 12 / 200) ** 0.5, rel=0.15)  # Hanley and McNeil, 1982, at 0.5
    few_low, few_high = bootstrap_interval(rng.normal(size=20), rng.normal(size=20))
    assert few_high - few_low > 2 * (high - low)


@pytest.fixture(scope="module")
def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training, held-out and honest pictures."""
    pictures = digits()
    return pictures[:500], pictures[500:900], pictures[900:1600]


def test_honest_samples_give_nothing_away(parts):
    train, held_out, honest = parts
    found = measure_membership(honest, Averages().extract(honest), Reals(train, held_out), Averages())
    assert [leak.space for leak in found.leaks] == ["pixels", "features"]
    for leak in found.leaks:
        assert leak.area == pytest.approx(0.5, abs=0.05)
        assert leak.low < 0.5 < leak.high
        assert (leak.training, leak.held_out, leak.unit) == (500, 400, "pictures")


def test_copies_give_nearly_everything_away(parts):
    train, held_out, _ = parts
    rng = np.random.default_rng(0)
    copied = np.stack([with_noise(picture[..., ::-1], rng) for picture in train])
    found = check_memorisation(copied, Reals(train, held_out), Averages())
    in_pixels = next(leak for leak in found.membership.leaks if leak.space == "pixels")
    assert in_pixels.area > 0.95
    assert in_pixels.low > 0.9
    assert found.membership_words().startswith("Beware: training pictures give themselves away")
    assert found.membership_words() in found.short_words()


def patients(pictures: np.ndarray, seed: int) -> np.ndarray:
    """Six slices of each, alike but for noise: [6N, C, H, W]."""
    rng = np.random.default_rng(seed)
    return np.stack([with_noise(picture, rng) for picture in pictures for _ in range(SLICES)])


@pytest.fixture(scope="module")
def clinic() -> Reals:
    """100 patients to train on, 40 held out, of whom two were trained on as well."""
    pictures = digits()
    groups = np.arange(140).repeat(SLICES)
    held_out_groups = groups[100 * SLICES :].copy()
    held_out_groups[: 2 * SLICES] = [0] * SLICES + [1] * SLICES
    images = patients(pictures[:140], seed=0)
    return Reals(images[: 100 * SLICES], images[100 * SLICES :], groups[: 100 * SLICES], held_out_groups)


def test_copies_count_for_the_patient_whose_picture_they_are(clinic):
    honest = patients(digits()[200:240], seed=1)
    taken = np.stack([clinic.train[7 * SLICES + 2], clinic.train[7 * SLICES + 5], clinic.train[93 * SLICES]])
    found = check_memorisation(np.concatenate([honest, taken.repeat(9, axis=0)]), clinic, Averages())
    assert found.groups is not None
    assert found.finding == "copies", "the slices of a patient look alike, and still a copy of one stands out"
    assert {7, 93} <= {one.group for one in found.groups.worst}
    assert [one.group for one in found.groups.worst][:2] == [7, 93]
    assert [one.copies for one in found.groups.worst][:2] == [18, 9]
    assert found.groups.copied.hits <= 4
    assert found.groups.copied.total == 100
    assert found.groups.split == 2
    assert "most often to those of group 7, 18 of them" in found.group_words()
    card = memorisation_card(found)
    assert "| 7 | 18 | " in card
    assert "2 groups have pictures both in training and held out" in card


def test_the_slices_of_a_patient_do_not_make_honest_samples_suspicious(clinic):
    honest = patients(digits()[200:260], seed=2)
    for reals in (clinic, Reals(clinic.train, None, clinic.train_groups)):
        found = check_memorisation(honest, reals, Averages())
        assert found.finding == "none"
        assert found.real_copies.share <= 0.03
        assert found.groups is not None
        assert found.groups.copied.hits <= 3


def test_membership_is_told_of_patients_without_those_on_both_sides(clinic):
    rng = np.random.default_rng(3)
    copied = np.stack([with_noise(clinic.train[row], rng) for row in range(0, len(clinic.train), SLICES)])
    found = measure_membership(copied, Averages().extract(copied), clinic, Averages())
    worst = found.worst
    assert worst is not None
    assert (worst.unit, worst.training, worst.held_out) == ("groups", 100, 38)
    assert worst.area > 0.9
    honest = patients(digits()[200:260], seed=2)
    nothing = measure_membership(honest, Averages().extract(honest), clinic, Averages()).worst
    assert nothing is not None
    assert nothing.low < 0.5


def test_patients_of_a_medical_source_are_split_whole_and_reach_the_check(tmp_path):
    folder = make_dicom_series(tmp_path / "ct", slices=4, side=16, patients=12)
    store = open_store(open_source(str(folder)), StoreOptions())
    reals = Reals.of(store)
    assert reals.train_groups is not None
    assert reals.held_out_groups is not None
    assert len(reals.train_groups) == store.train_count
    assert not set(reals.train_groups.tolist()) & set(reals.held_out_groups.tolist())
    assert len(reals.strangers()) == store.held_out_count > 0
