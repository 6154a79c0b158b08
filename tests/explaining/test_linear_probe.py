"""The linear probe on features of which it is known what they hold."""

from __future__ import annotations

import pytest
import torch

from ganvas.explaining.probe import Accuracy, Probe, ridge_probe


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LABELS = torch.arange(300) % 3


@pytest.mark.parametrize("width", [20, 2000])
def test_features_that_hold_the_label_are_probed_without_a_mistake(width):
    hidden = normal(3, width, seed=5)
    features = 2 * hidden[LABELS] + normal(300, width)
    found = ridge_probe(features[:200], LABELS[:200], features[200:], LABELS[200:], 3)
    assert (found.hits, found.count) == (100, 100)


def test_noise_is_probed_at_chance():
    noise = normal(1200, 50, seed=1)
    labels = torch.arange(1200) % 3
    found = ridge_probe(noise[:600], labels[:600], noise[600:], labels[600:], 3)
    low, high = found.interval
    assert low < 1 / 3 < high


def test_the_scale_of_a_feature_and_constant_ones_do_not_matter():
    features = torch.cat([normal(3, 10, seed=5)[LABELS] + normal(300, 10), torch.full((300, 2), 7.0)], dim=1)
    one = ridge_probe(features[:200], LABELS[:200], features[200:], LABELS[200:], 3)
    scaled = features * torch.logspace(-3, 3, 12)
    other = ridge_probe(scaled[:200], LABELS[:200], scaled[200:], LABELS[200:], 3)
    assert abs(one.hits - other.hits) <= 1
    assert one.hits > 80
    nothing = ridge_probe(torch.ones(200, 4), LABELS[:200], torch.ones(100, 4), LABELS[200:], 3)
    assert nothing.share == pytest.approx(1 / 3, abs=0.02), "all are taken for the commonest class"


def test_ridge_regression_agrees_with_its_closed_form():
    """With the strength that leaving one out chose, found again by fitting as often as there are pictures."""
    features, labels = normal(3, 6, seed=5)[LABELS[:30]] + normal(30, 6), LABELS[:30]
    test = normal(3, 6, seed=5)[LABELS] + normal(300, 6, seed=9)
    x = ((features - features.mean(0)) / features.std(0, correction=0)).double()
    t = ((test - features.mean(0)) / features.std(0, correction=0)).double()
    y = torch.eye(3, dtype=torch.float64)[labels]

    def fitted(rows, ridge):
        mean = x[rows].mean(0)
        centred = x[rows] - mean
        weights = torch.linalg.solve(
            centred.T @ centred + ridge * torch.eye(6).double(), centred.T @ (y[rows] - y[rows].mean(0))
        )
        return lambda z: (z - mean) @ weights + y[rows].mean(0)

    scale = float(torch.linalg.eigvalsh(x @ x.T).clamp_min(0).mean())
    errors = {}
    for power in range(-4, 3):
        ridge = scale * 10.0**power
        left_out = [fitted([j for j in range(30) if j != i], ridge)(x[i : i + 1])[0] - y[i] for i in range(30)]
        errors[ridge] = float(torch.stack(left_out).square().mean())
    expected = fitted(list(range(30)), min(errors, key=errors.get))(t).argmax(1)
    assert ridge_probe(features, labels, test, LABELS, 3).hits == int((expected == LABELS).sum())


def test_words_claim_what_the_intervals_allow():
    def said(trained, untrained, pixels, told=False):
        found = Probe(*(Accuracy(hits, 200) for hits in (trained, untrained, pixels)), 0.1, 500, "pictures", told)
        return " ".join(found.words)

    assert "Training has taught it about the classes; it was never told the classes" in said(190, 100, 120)
    assert "taught it about the classes; it was told the classes." in said(190, 100, 100, told=True)
    assert "cannot be told: the ranges meet." in said(101, 100, 100)
    assert "it has lost something" in said(100, 180, 100)
    assert said(100, 100, 180).endswith("The pixels show more of the classes than what it makes of them.")
    assert Probe(reason="The pictures have no labels.").words == ["The pictures have no labels."]
