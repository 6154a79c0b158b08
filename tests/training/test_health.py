"""Mistakes of the first batch are found, healthy networks are not accused."""

import torch
from torch import nn

from ganvas.networks.fast import FastDiscriminator
from ganvas.training.health import check_first_batch, in_words, is_finite


def pictures(low=-1.0, high=1.0):
    torch.manual_seed(0)
    return torch.rand(8, 1, 8, 8) * (high - low) + low


class Logits(nn.Module):
    def __init__(self, *last):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), *last)

    def forward(self, images, labels=None):
        return self.layers(images)[:, 0]


def test_healthy_batches_are_not_accused():
    assert check_first_batch(FastDiscriminator((8, 8), 1, 8), pictures(), pictures(), None) == []


def test_reals_between_zero_and_one_are_noticed():
    (found,) = check_first_batch(Logits(), pictures(0, 1), pictures(), None)
    assert "[0, 1]" in found


def test_pictures_out_of_range_are_noticed():
    found = check_first_batch(Logits(), pictures(0, 255), pictures(-3, 3), None)
    assert "real pictures reach" in found[0]
    assert "meant is about -1 to 1" in found[1]


def test_a_sigmoid_at_the_end_of_d_is_noticed():
    (found,) = check_first_batch(Logits(nn.Sigmoid()), pictures(), pictures(), None)
    assert "sigmoid" in found


def test_a_sigmoid_that_is_no_module_is_noticed():
    class Hidden(Logits):
        def forward(self, images, labels=None):
            return super().forward(images).sigmoid()

    (found,) = check_first_batch(Hidden(), pictures(), pictures(), None)
    assert "sigmoid" in found


def test_logits_that_happen_to_lie_between_zero_and_one_are_not_accused():
    class Small(Logits):
        def forward(self, images, labels=None):
            return 0.5 + 0.1 * super().forward(images)

    assert check_first_batch(Small(), pictures(), pictures(), None) == []


def test_other_shapes_are_noticed():
    (found,) = check_first_batch(Logits(), pictures(), torch.zeros(8, 3, 8, 8), None)
    assert "(3, 8, 8)" in found


def test_words_speak_of_the_balance_and_of_numbers_that_are_not_finite():
    stats = {"d_accuracy": 0.7, "real_logit": 1.0, "fake_logit": -1.0}
    assert "balanced" in in_words(stats, "non_saturating")
    assert "slowly" in in_words({**stats, "d_accuracy": 0.999}, "hinge")
    assert "fooled" in in_words({**stats, "d_accuracy": 0.5}, "hinge")
    assert "reals 2 above" in in_words(stats, "wasserstein")
    assert not is_finite({**stats, "d_loss": float("nan")})
    assert "diverged" in in_words({**stats, "d_loss": float("nan")}, "hinge")
