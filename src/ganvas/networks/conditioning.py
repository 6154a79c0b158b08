"""How a label enters the networks: one mechanism for G, one for D, shared by the families of this package."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# A one-hot label of length 1 drowns in a 100-wide normal z of length 10; three times that is heard from the first step.
LABEL_SCALE = 3.0


class LabelledNoise(nn.Module):
    """z with its label appended: [N, z_dim], [N] int64 -> [N, z_dim + classes] (Mirza and Osindero, 2014)."""

    def __init__(self, z_dim: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.width = z_dim + classes

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        if not self.classes:
            return z
        if labels is None:
            raise ValueError(f"this generator is conditional: give one of {self.classes} labels per picture")
        return torch.cat([z, LABEL_SCALE * F.one_hot(labels, self.classes).to(z.dtype)], dim=1)


class Projection(nn.Module):
    """The part of D's logit that knows the label: <embedding(c), features> (Miyato and Koyama, 2018).

    [N, features], [N] int64 -> [N]; zeros without classes. Starts at zero, so that D begins as an unconditional one.
    """

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, features) if classes else None
        if self.embedding is not None:
            nn.init.zeros_(self.embedding.weight)

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return features.new_zeros(len(features))
        if labels is None:
            raise ValueError(f"this discriminator is conditional: give one of {self.embedding.num_embeddings} labels")
        embedded: Tensor = self.embedding(labels)  # [N, features]
        return (embedded * features).sum(dim=1)
