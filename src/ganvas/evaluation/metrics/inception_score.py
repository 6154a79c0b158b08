"""The Inception Score: are the pictures each of one class, and all classes there?

    exp( mean over x of KL(p(y | x) || p(y)) )                                      (Salimans et al., 2016)

From 1 (all pictures alike, or all undecided) to the number of classes. It carries that name only for the
probabilities of the Inception network; from another classifier it is another number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked

SUM_TOLERANCE = 1e-3  # of a row of probabilities: half precision is within it, logits are not


@dataclass(frozen=True)
class InceptionScore:
    """Mean and standard deviation (divided by the number of splits, as the paper's figures are) over the splits."""

    value: float
    spread: float
    splits: int
    samples: int


class ScoreSums:
    """What the score needs of `count` probabilities that arrive in batches of any size: sums per split, in float64.

    Which split a sample belongs to is drawn from the seed: samples often come sorted by class, or in turns, and a
    split of one class would have score 1. Without knowing how many samples come the splits could not be equal.
    """

    def __init__(self, count: int, splits: int = 10, seed: int = 0) -> None:
        if not 1 <= splits <= count:
            raise ValueError(f"{splits} splits of {count} samples: give at least one sample for each split")
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        self.splits = splits
        self.added = 0
        self._split_of = torch.empty(count, dtype=torch.int64)
        self._split_of[order] = torch.arange(count) * splits // count
        self._negative_entropy = torch.zeros(splits, dtype=torch.float64)  # sum of p log p
        self._sums: Tensor | None = None  # [splits, K]

    def add(self, probabilities: Tensor) -> None:
        """Take the next batch in: [N, K]. Raises ValueError for what are no probabilities, or too many of them."""
        p = checked_probabilities(probabilities)
        split = self._split_of[self.added : self.added + len(p)]
        if len(split) < len(p):
            raise ValueError(
                f"{self.added + len(p)} samples were added, expected {len(self._split_of)}: give the count"
            )
        if self._sums is None:
            self._sums = torch.zeros(self.splits, p.shape[1], dtype=torch.float64)
        self._negative_entropy.index_add_(0, split, torch.xlogy(p, p).sum(1))
        self._sums.index_add_(0, split, p)
        self.added += len(p)

    def score(self) -> InceptionScore:
        """The score, once all samples are in; ValueError before."""
        if self._sums is None or self.added != len(self._split_of):
            raise ValueError(f"{self.added} samples were added, expected {len(self._split_of)}: add the others first")
        counts = torch.bincount(self._split_of, minlength=self.splits)
        mean = self._sums / counts[:, None]  # p(y), [splits, K]
        divergence = self._negative_entropy / counts - torch.xlogy(mean, mean).sum(1)
        scores = divergence.clamp_min(0).exp()  # rounding may leave a divergence a hair below 0
        return InceptionScore(float(scores.mean()), float(scores.std(correction=0)), self.splits, self.added)


def inception_score(probabilities: Tensor, splits: int = 10) -> InceptionScore:
    """The score of class probabilities that are all there: [N, K]. Raises ValueError as `ScoreSums`."""
    sums = ScoreSums(len(probabilities), splits)
    sums.add(probabilities)
    return sums.score()


def checked_probabilities(probabilities: Tensor) -> Tensor:
    """`probabilities` [N, K] as float64 on the CPU, rows summing to 1; ValueError if they are none."""
    p = checked("the set of class probabilities", probabilities).cpu()
    if bool((p < 0).any()) or bool(((p.sum(1) - 1).abs() > SUM_TOLERANCE).any()):
        raise ValueError(
            "the set of class probabilities has values below 0 or rows that do not sum to 1: apply softmax to logits"
        )
    return p / p.sum(1, keepdim=True)
