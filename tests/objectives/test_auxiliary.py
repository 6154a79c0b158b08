"""The losses of D's second heads where they can be worked out by hand."""

import math

import pytest
import torch
from torch.distributions import Normal

from ganvas.objectives.auxiliary import category_loss, class_loss, gaussian_code_loss


@pytest.mark.parametrize("loss", [class_loss, category_loss])
@pytest.mark.parametrize("classes", [2, 10])
def test_a_blind_classifier_scores_the_entropy_of_the_classes(loss, classes):
    labels = torch.tensor([0, 1, 1])
    torch.testing.assert_close(loss(torch.zeros(3, classes), labels), torch.full((3,), math.log(classes)))


@pytest.mark.parametrize("loss", [class_loss, category_loss])
def test_the_loss_is_minus_the_log_of_the_probability_of_the_right_class(loss):
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, math.log(3.0)]])  # 1/4 and 3/4
    expected = torch.tensor([math.log(4), math.log(4 / 3)])
    torch.testing.assert_close(loss(logits, torch.tensor([0, 1])), expected)


def test_a_sure_classifier_scores_nothing_or_its_margin():
    logits = torch.tensor([[50.0, 0.0, 0.0]] * 2)
    torch.testing.assert_close(class_loss(logits, torch.tensor([0, 2])), torch.tensor([0.0, 50.0]))


def test_the_gradient_of_the_class_loss_is_the_probability_minus_one_at_the_label():
    logits = torch.zeros(1, 4, requires_grad=True)
    class_loss(logits, torch.tensor([2])).sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[0.25, 0.25, -0.75, 0.25]]))


def test_the_density_of_a_standard_normal_at_its_middle():
    zeros = torch.zeros(2, 1)
    torch.testing.assert_close(gaussian_code_loss(zeros, zeros, zeros), torch.full((2,), 0.5 * math.log(2 * math.pi)))


def test_codes_add_up_and_agree_with_the_normal_distribution():
    torch.manual_seed(0)
    mean, log_std, codes = torch.randn(3, 5, 4).unbind()
    expected = -Normal(mean, log_std.exp()).log_prob(codes).sum(dim=1)
    torch.testing.assert_close(gaussian_code_loss(mean, log_std, codes), expected)


def test_a_blind_guess_scores_the_entropy_of_the_codes_and_none_scores_less():
    torch.manual_seed(0)
    codes, zeros = torch.randn(200_000, 2), torch.zeros(200_000, 2)
    entropy = 2 * 0.5 * (1 + math.log(2 * math.pi))  # 2.84
    blind = gaussian_code_loss(zeros, zeros, codes).mean().item()
    assert blind == pytest.approx(entropy, abs=0.01)
    for mean, log_std in ((0.1, 0.0), (0.0, 0.1), (0.0, -0.1)):
        assert gaussian_code_loss(zeros + mean, zeros + log_std, codes).mean() > blind


def test_the_best_spread_is_the_error_that_is_made():
    error = torch.full((1, 1), 0.3)
    log_std = torch.full((1, 1), math.log(0.3), requires_grad=True)
    gaussian_code_loss(torch.zeros(1, 1), log_std, error).sum().backward()
    torch.testing.assert_close(log_std.grad, torch.zeros(1, 1), atol=1e-6, rtol=0)


def test_no_continuous_code_costs_nothing():
    none = torch.zeros(3, 0)
    assert gaussian_code_loss(none, none, none).tolist() == [0, 0, 0]


def test_narrow_numbers_are_widened_before_they_are_squared():
    big = torch.full((1, 1), 300.0, dtype=torch.float16)  # its square is beyond float16
    zero = torch.zeros(1, 1, dtype=torch.float16)
    assert gaussian_code_loss(zero, zero, big).item() == pytest.approx(45_000, rel=1e-3)
    assert class_loss(torch.zeros(1, 2, dtype=torch.float16), torch.tensor([0])).dtype == torch.float32
