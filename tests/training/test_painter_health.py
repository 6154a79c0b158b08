"""What is measured of painters, what is said of it, and that runs tell it: of known pictures, and of sick runs."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganvas.games.pairing import Pair
from ganvas.networks.contract import Discriminator, Painter
from ganvas.settings import OF_GENERATION
from ganvas.training.diagnosis import Diagnostician
from ganvas.training.diagnosis_words import HELPS_PAINTERS, WORDS
from ganvas.training.measurement import Measurement
from ganvas.training.painter_monitor import PainterMonitor, Watched, as_it_is, ranked_right

EVERY = 400
HEALTHY = {"spread": 0.6, "raw_spread": 0.6, "far": 0.2, "error": 0.6, "changed": 0.6, "beside_input": 0.8,
           "d_right": 0.97, "logit_size": 8.0, "held_gap": 0.05, "held_sigmas": 0.6, "g_grad": 30.0, "d_grad": 1.0,
           "moving": 0.03}  # fmt: skip


class Paints(Painter):
    """The given pictures, whatever the input; or what a function makes of it."""

    def __init__(self, paint):
        super().__init__()
        self.in_channels = self.out_channels = 3
        self.paint, self.weight = paint, nn.Parameter(torch.ones(1))

    def forward(self, images, labels=None, random=None):
        return self.paint(images) if callable(self.paint) else self.paint[: len(images)]


class Brightness(Discriminator):
    """Logits of four patches: their mean values."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def details(self, images, labels=None):
        return {"logits": self.weight * F.avg_pool2d(images.mean(1, keepdim=True), images.shape[2] // 2).flatten(1)}


class Game:
    """As much of a game as an inspection looks at."""

    def __init__(self, G, D):
        self.G, self.D = G, D


class State:
    images = 800

    def __init__(self, G, D, averaged=None):
        self.game, self.G_ema = Game(G, D), averaged or copy.deepcopy(G)


def pictures(n=16, seed=0):
    """Coloured halves: [n, 3, 8, 8]."""
    generator = torch.Generator().manual_seed(seed)
    return F.interpolate(torch.rand(n, 3, 2, 2, generator=generator) * 2 - 1, size=(8, 8), mode="nearest")


def inspect(paint, pairs=None, D=None, **watched):
    pairs = pairs or Pair(pictures(), pictures(seed=1))
    monitor = PainterMonitor([Watched(pairs, None, **{"has_targets": True, **watched})], batch=5)
    return monitor.inspect(State(Paints(paint), D)).numbers


def test_a_painter_of_the_targets_is_as_varied_and_without_error():
    pairs = Pair(pictures(), pictures(seed=1))
    numbers = inspect(Lookup(pairs), pairs)
    assert (numbers["spread"], numbers["changed"]) == (pytest.approx(1), pytest.approx(1))
    assert (numbers["error"], numbers["beside_input"]) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert numbers["far"] == pytest.approx(0, abs=1e-6)


class Lookup:
    """Paints the target of an input."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __call__(self, images):
        rows = [int((self.pairs.inputs - one).abs().flatten(1).sum(1).argmin()) for one in images]
        return self.pairs.targets[rows]


def test_a_painter_of_its_input_has_changed_nothing_and_one_of_a_single_picture_has_no_spread():
    same = inspect(lambda images: images)
    assert same["changed"] == pytest.approx(0, abs=1e-6)
    assert same["beside_input"] == pytest.approx(1)
    one = inspect(pictures(1).expand(16, -1, -1, -1))
    assert one["spread"] == pytest.approx(0, abs=1e-6)
    assert one["changed"] > 0.5


def test_without_targets_nothing_is_said_of_errors_and_changes_are_measured_by_any_wanted_picture():
    numbers = inspect(lambda images: 0.9 * images, has_targets=False)
    assert "error" not in numbers
    assert "beside_input" not in numbers
    assert 0 < numbers["changed"] < 0.1


def test_only_the_hole_counts_where_there_is_one():
    mask = torch.zeros(16, 1, 8, 8)
    mask[:, :, :4] = 1
    targets = pictures(seed=1)
    inputs = torch.cat([targets * (1 - mask), mask], dim=1)
    grey = inspect(lambda images: images[:, :3], Pair(inputs, targets, mask))
    assert (grey["changed"], grey["beside_input"]) == (pytest.approx(0, abs=1e-6), pytest.approx(1))
    outside = inspect(lambda images: images[:, :3] + 5 * (1 - mask[: len(images)]), Pair(inputs, targets, mask))
    assert outside["beside_input"] == pytest.approx(1)


def test_inputs_are_taken_as_they_are_at_the_size_and_in_the_channels_of_the_targets():
    targets = torch.zeros(2, 3, 8, 8)
    for inputs in (torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 8, 8)):
        assert as_it_is(Pair(inputs, targets)).shape == (2, 3, 8, 8)
    assert as_it_is(Pair(torch.zeros(2, 2, 8, 8), targets)) is None


def test_patches_are_ranked_as_pairs_with_ties_half():
    assert ranked_right(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])) == 1
    assert ranked_right(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])) == 0.5
    assert ranked_right(torch.tensor([1.0]), torch.tensor([1.0, 1.0, 0.0])) == pytest.approx(2 / 3)


def test_d_is_asked_about_each_patch_and_sees_the_input_where_it_should():
    dark = Pair(pictures(), torch.full((16, 3, 8, 8), 0.5))
    assert inspect(lambda images: 0 * images, dark, Brightness())["d_right"] == 1
    monitor = PainterMonitor([Watched(dark, dark, has_targets=True)], batch=16, d_sees_input=True)
    numbers = monitor.inspect(State(Paints(lambda images: 0 * images), Brightness())).numbers
    assert numbers["margin"] == pytest.approx(0.25)  # half of the channels are the input's
    assert numbers["held_gap"] == 0


def test_of_two_directions_the_worse_counts():
    both = nn.ModuleDict({"AtoB": Paints(lambda images: images), "BtoA": Paints(lambda images: -images)})
    pairs = Pair(pictures(), pictures(seed=1))
    ways = [Watched(pairs, None, has_targets=False, direction=way) for way in ("AtoB", "BtoA")]
    D = nn.ModuleDict({"A": Brightness(), "B": Brightness()})
    assert PainterMonitor(ways, batch=16).inspect(State(both, D)).numbers["changed"] == pytest.approx(0, abs=1e-6)


def doctor(**facts):
    return Diagnostician(20_000, **{"objective": "least_squares", "pictures": 700, "paints": True, **facts})


def look(diagnostician, *numbers):
    """One inspection each; what was said, as (number of the inspection, kind)."""
    said = []
    for now in numbers:
        i = diagnostician.course.inspections + 1
        found = diagnostician.look(Measurement.of(i * EVERY, {**HEALTHY, **now}))
        said += [(i, news) for news in found]
    return [(i, news.kind) for i, news in said], [news.text for _, news in said]


def test_a_plateau_of_a_d_that_is_nearly_always_right_is_healthy_for_a_painter():
    assert look(doctor(), *[{}] * 60) == ([], [])
    assert look(doctor(), *[{"d_right": 0.998, "far": 0.5}] * 60) == ([], [])


def test_a_painter_that_returns_its_input_is_named_when_it_stays_so():
    kinds, (text,) = look(doctor(), *[{"changed": 0.001, "error": 0.7}] * 12)
    assert kinds == [(10, "identity")]
    assert "G returns its input unchanged, though D tells it from the wanted kind 97 % of the time" in text
    without_d = doctor()
    still = {name: HEALTHY[name] for name in ("spread", "far", "error")} | {"changed": 1e-5, "beside_input": 1.0}
    (said,) = [d for i in range(1, 12) for d in without_d.look(Measurement.of(i * EVERY, still))]
    assert said.text.startswith("G returns its input unchanged, and nothing improves (since 400 images)")
    early = [{"changed": 0.01, "error": 0.5 * 0.9**i} for i in range(10)]
    assert look(doctor(), *early, *[{}] * 30)[0] == []


def test_what_d_cannot_tell_from_the_wanted_kind_may_be_left_alone():
    assert look(doctor(), *[{"changed": 0.001, "d_right": 0.8, "far": 0.05}] * 20)[0] == []


def test_a_restoration_that_is_worse_than_its_input_does_harm_unless_it_learns_by_eye():
    sick = {name: value for name, value in HEALTHY.items() if not name.startswith(("d_", "held", "logit"))}
    sick["beside_input"] = 1.2
    diagnostician, told = doctor(), []
    for i in range(1, 12):
        told += diagnostician.look(Measurement.of(i * EVERY, sick))
    assert [(d.kind, d.images) for d in told] == [("harm", 8 * EVERY)]
    assert "differs 1.2 times as much from the target as its input does" in told[0].text
    assert look(doctor(), *[{"beside_input": 1.2}] * 20)[0] == []  # there is a D
    by_eye = doctor()
    assert not any(by_eye.look(Measurement.of(i * EVERY, {**sick, "perceptual": 0.3})) for i in range(1, 20))


def test_patches_that_cannot_be_told_apart_are_named():
    kinds, (text,) = look(doctor(), *[{"contrast_of_chance": 0.97}] * 12)
    assert kinds == [(10, "contrast_lost")]
    assert "at 97 % of the loss of guessing" in text


def test_one_picture_for_all_inputs_is_a_collapse_and_the_advice_is_of_settings_that_painters_have():
    kinds, (text,) = look(doctor(), *[{"spread": 0.0, "raw_spread": 0.0}] * 4)
    assert kinds == [(3, "full_collapse")]
    assert "the same whatever the input" in text
    foreign = [f"--{name.replace('_', '-')}" for name in OF_GENERATION]
    for sign, (_, helps) in WORDS.items():
        words = HELPS_PAINTERS.get(sign, helps).replace("--augment", "")
        assert not any(f"{name} " in words or f"{name}," in words for name in foreign), sign
