"""Consistency regularisation: what D says of a picture and of its augmented copy shall agree (Zhao et al., 2020)."""

from __future__ import annotations

from torch import Tensor


def consistency_penalty(logits: Tensor, augmented_logits: Tensor) -> Tensor:
    """Squared difference of the logits: [N] or [N, K], twice -> [N]; of K logits the mean.

    Balanced consistency (bCR, "Improved consistency regularization", algorithm 1) adds 10 times that of the reals and
    10 times that of the fakes to D's loss; D and G then learn from the pictures as they are. Gradients go both ways.
    """
    return (logits - augmented_logits).square().reshape(len(logits), -1).mean(dim=1)
