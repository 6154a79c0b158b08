"""What is missing, and which samples are at the ends of a measure, in features made up for the purpose."""

from __future__ import annotations

import pytest
import torch

from ganvas.evaluation.metrics.manifold import density_and_coverage
from ganvas.explaining.clusters import assign, k_means
from ganvas.explaining.extremes import ROOM, Ranking, halves, realism, room, share_above, shares_outside
from ganvas.explaining.missing import compare_shares, find_missing, loneliness, uncovered_by_chance


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def four_kinds(n, seed, of=(0, 1, 2, 3)):
    """Points around the corners of a square, 20 apart: [n, 2] and which corner."""
    corners = torch.tensor([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]])
    which = torch.tensor(of)[torch.arange(n) % len(of)]
    return corners[which] + normal(n, 2, seed=seed), which


def test_a_class_left_out_is_named_missing_and_its_pictures_are_those_nobody_comes_near():
    real, real_labels = four_kinds(200, seed=1)
    fake, fake_labels = four_kinds(210, seed=2, of=(0, 1, 3))
    found = find_missing(real, fake, real_labels, fake_labels, ("zero", "one", "two", "three"))
    assert [group.name for group in found.named("missing")] == ["two"]
    (two,) = found.named("missing")
    assert (two.reals, two.samples, two.uncovered) == (50, 0, 50)
    assert set(real_labels[list(found.lonely)].tolist()) == {2}
    assert found.listed[0] is two
    assert any(words == "Missing: class two (0.0 % instead of 25.0 %)." for words in found.words)
    assert len(found.named("within chance")) == 3, "a third instead of a quarter may be chance in 200"


def test_without_labels_a_kind_left_out_is_found_by_clustering():
    real, corner = four_kinds(160, seed=1)
    fake, _ = four_kinds(160, seed=2, of=(0, 1, 3))
    found = find_missing(real, fake)
    assert len(found.groups) == 4
    (missing,) = found.named("missing")
    assert set(corner[list(missing.typical_reals)].tolist()) == {2}
    assert missing.uncovered == missing.reals == 40


def test_samples_like_the_real_pictures_miss_nothing():
    (real, labels), (fake, drawn) = four_kinds(200, seed=1), four_kinds(200, seed=2)
    found = find_missing(real, fake, labels, drawn, ("a", "b", "c", "d"))
    assert {group.finding for group in found.groups} == {"within chance"}
    assert found.uncovered / found.reals < 0.12
    assert found.words[1:] == ["None of the 4 classes is missing."]


def test_the_class_of_which_a_part_is_left_out_is_named_least_covered():
    (real, labels), (fake, drawn) = four_kinds(200, seed=1), four_kinds(200, seed=2)
    real[labels == 1] += torch.tensor([0.0, -9.0]) * (torch.arange(50) % 3 == 0)[:, None]
    found = find_missing(real, fake, labels, drawn, ("a", "b", "c", "d"))
    assert found.least_covered is not None
    assert found.words[-1] == f"Least covered is class b: nothing comes near {found.least_covered.uncovered} of 50."
    assert found.least_covered.uncovered >= 17


def test_a_class_too_rare_to_be_told_about_is_neither_missing_nor_least_covered():
    real, labels = torch.cat([normal(300, 2), normal(3, 2, seed=1) + 30]), torch.tensor([0] * 300 + [1] * 3)
    found = find_missing(real, normal(300, 2, seed=2), labels, torch.zeros(300, dtype=torch.int64), ("a", "b"))
    assert found.groups[1].finding == "too few to tell"
    assert found.words[1:3] == [
        "Too rare to tell from 300 samples: 1 of the 2 classes.",
        "None of the others is missing.",
    ]
    real[295:300] = real[302] = torch.tensor([40.0, 0.0])  # six nobody comes near, one of them of the rare class
    real[300:302] = 0
    found = find_missing(real, normal(300, 2, seed=2), labels, torch.zeros(300, dtype=torch.int64), ("a", "b"))
    assert found.groups[1].uncovered == 1
    assert found.least_covered is None, "one of three may be chance"


def test_with_too_few_samples_a_class_is_not_called_missing():
    assert compare_shares(reals=10, of_reals=1000, samples=0, of_samples=100) == "too few to tell"
    assert compare_shares(reals=100, of_reals=1000, samples=0, of_samples=100) == "missing"
    assert compare_shares(reals=100, of_reals=1000, samples=40, of_samples=1000) == "too seldom"
    assert compare_shares(reals=100, of_reals=1000, samples=200, of_samples=1000) == "too often"
    assert compare_shares(reals=100, of_reals=1000, samples=95, of_samples=1000) == "within chance"


def test_uncovered_are_those_of_coverage_and_by_chance_as_many_as_expected():
    real, fake = normal(600, 4), normal(400, 4, seed=1)
    uncovered = float((loneliness(real, fake) > 1).double().mean())
    assert uncovered == pytest.approx(1 - density_and_coverage(real, fake)[1])
    assert uncovered == pytest.approx(uncovered_by_chance(600, 400), abs=0.04)
    assert uncovered_by_chance(100_001, 100_000) == pytest.approx(2**-5, rel=1e-3)
    assert uncovered_by_chance(100, 0) == 1


def test_a_picture_that_is_there_often_has_a_ball_of_no_size():
    real = torch.cat([torch.zeros(7, 2), normal(20, 2) + 50])
    assert loneliness(real, torch.cat([torch.zeros(1, 2), normal(20, 2)]))[:7].tolist() == [0] * 7
    assert loneliness(real, normal(20, 2, seed=3))[:7].tolist() == [1e6] * 7


def test_k_means_finds_groups_that_are_apart_the_largest_first_and_the_same_each_time():
    points, corner = four_kinds(90, seed=1, of=(0, 0, 0, 3, 3, 2))
    centres = k_means(points, 3)
    assert torch.equal(centres, k_means(points, 3))
    torch.testing.assert_close(
        centres, torch.tensor([[0.0, 0.0], [20.0, 20.0], [0.0, 20.0]], dtype=torch.float64), atol=0.6, rtol=0
    )
    assert torch.equal(assign(points, centres), torch.tensor([0, -1, 2, 1])[corner])
    assert len(k_means(torch.zeros(5, 2), 3)) == 3, "equal pictures are no groups, and no error"


def test_realism_is_the_radius_over_the_distance_and_an_outlier_s_ball_counts_for_nothing():
    line = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [1000.0]])
    found = realism(line, torch.tensor([[2.0], [2.5], [8.0], [500.0]]), k=1)
    assert found[0] == 1000, "on top of a real picture it would be infinite"
    assert found[1:3].tolist() == pytest.approx([2.0, 0.25])
    assert found[3] < 0.01, "though within the outlier's ball"


def test_samples_of_a_kind_that_is_drawn_too_often_have_the_least_room():
    real, _ = four_kinds(200, seed=1)
    fake, kind = four_kinds(200, seed=2, of=(0, 1, 2, 3, 3, 3, 3, 3))
    found = room(real, fake)
    assert set(kind[found.argsort()[:50]].tolist()) == {3}
    assert float(found[kind == 3].median()) < 0.8 < 1.1 < float(found[kind < 3].median())
    alike, _ = four_kinds(200, seed=3)
    assert float(room(real, alike).median()) == pytest.approx(1, abs=0.1)
    assert float(room(real[:60], alike).median()) == pytest.approx(1, abs=0.1), "though there are fewer real ones"
    assert room(torch.zeros(11, 1), torch.ones(11, 1)).tolist() == [0] * 11, "equal samples have none"


def test_samples_outside_stand_beside_what_real_pictures_get_left_out_in_turn():
    real, fake = normal(400, 3), normal(400, 3, seed=1)
    outside, usual = shares_outside(real, fake)
    assert usual == pytest.approx(outside, abs=0.02)
    few = real[:60]
    left_out = [shares_outside(torch.cat([few[:i], few[i + 1 :]]), few[i : i + 1].repeat(6, 1))[0] for i in range(60)]
    assert shares_outside(few, fake)[1] == pytest.approx(sum(left_out) / 60)
    assert shares_outside(real, fake + 50)[0] == 1


def test_a_ranking_names_both_ends_the_outermost_first_and_what_nine_of_ten_real_pictures_get():
    found = Ranking.of(ROOM, torch.tensor([3.0, 1.0, 2.0, 5.0]), torch.arange(101.0))
    assert found.best == (3, 0)
    assert found.worst == (1, 2)
    assert found.usual == pytest.approx((5, 95))
    assert Ranking.of(ROOM, torch.tensor([3.0, 1.0]), None).usual is None


def test_real_pictures_have_as_much_room_among_each_other_as_samples_that_are_alike():
    (real, _), (fake, _) = four_kinds(400, seed=1), four_kinds(400, seed=2)
    usual = Ranking.of(ROOM, room(real, fake), room(*halves(real))).usual
    assert usual is not None
    assert usual[0] < 1 < usual[1]
    within = (room(real, fake) > usual[0]) & (room(real, fake) < usual[1])
    assert float(within.double().mean()) > 0.8


def test_the_share_of_pairs_told_apart_counts_equal_logits_half():
    assert share_above(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0])) == 1
    assert share_above(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])) == 0.5
    assert share_above(torch.tensor([0.0]), torch.tensor([0.0, 1.0, -1.0, -1.0])) == pytest.approx(2.5 / 4)
