"""The gradient of the instance norm is that of the formula, in every memory order and for a single picture."""

import pytest
import torch

from ganvas.networks.instance_norm import InstanceNorm, instance_norm


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("order_of_gradient", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_does_not_depend_on_the_memory_order(n, order, order_of_gradient):
    generator = torch.Generator().manual_seed(0)
    x, gradient = (torch.randn(n, 8, 4, 4, generator=generator) for _ in range(2))
    exact = x.double().requires_grad_()
    centred = exact - exact.mean(dim=(2, 3), keepdim=True)
    by_formula = centred / (exact.var(dim=(2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    (expected,) = torch.autograd.grad(by_formula, exact, gradient.double())
    given = x.contiguous(memory_format=order).requires_grad_()
    layer = InstanceNorm(8)
    for y in (instance_norm(given), layer(given)):
        (found,) = torch.autograd.grad(y, given, gradient.contiguous(memory_format=order_of_gradient))
        torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)
