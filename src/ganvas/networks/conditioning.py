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


LABEL_PLANES = 8  # channels that a label fills at most: 8 numbers tell apart as many classes as anyone has


class LabelledPictures(nn.Module):
    """Pictures with their label as further channels, of one value each: [N, C, H, W], [N] -> [N, C + planes, H, W].

    The values are learned, N(0, 1) at the start, so that they are as large as pictures. Without classes the pictures
    are returned as they are. Raises ValueError for a painter of classes without labels.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        planes = min(classes, LABEL_PLANES)
        self.embedding = nn.Embedding(classes, planes) if classes else None
        self.channels = channels + planes

    def forward(self, images: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return images
        if labels is None:
            raise ValueError(f"this painter is conditional: give one of {self.embedding.num_embeddings} labels")
        planes = self.embedding(labels).to(images.dtype)  # [N, planes]
        return torch.cat([images, planes[:, :, None, None].expand(-1, -1, *images.shape[2:])], dim=1)


def labels_of(classes: int, labels: Tensor | None) -> Tensor | None:
    """The labels that a generator of so many classes listens to: None without classes, which ignores any.

    Raises ValueError for a conditional generator without labels.
    """
    if not classes:
        return None
    if labels is None:
        raise ValueError(f"this generator is conditional: give one of {classes} labels per picture")
    return labels


class ConditionalBatchNorm2d(nn.Module):
    """BatchNorm whose gain and bias are said by a condition (Dumoulin et al., 2017; de Vries et al., 2017).

    [N, C, H, W], condition -> [N, C, H, W]. `gain` and `bias` turn the condition into [N, C]: an embedding takes
    labels [N], a linear layer a vector [N, D]. What `gain` gives is added to 1, so that modules which give zero leave
    plain BatchNorm. Without the two the gain and the bias are learned numbers, and no condition is heard.
    """

    def __init__(
        self, features: int, gain: nn.Module | None = None, bias: nn.Module | None = None, eps: float = 1e-5
    ) -> None:
        super().__init__()
        if (gain is None) != (bias is None):
            raise ValueError("give a gain and a bias, or neither")
        self.norm = nn.BatchNorm2d(features, eps=eps, affine=gain is None)
        self.gain, self.bias = gain, bias

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        x = self.norm(x)
        if self.gain is None or self.bias is None:
            return x
        # Two numbers a channel in the map's own precision, so that under autocast the map keeps it.
        gain, bias = self.gain(condition).to(x.dtype), self.bias(condition).to(x.dtype)
        return torch.addcmul(bias[:, :, None, None], x, 1 + gain[:, :, None, None])


def batch_norm_of_labels(features: int, classes: int) -> ConditionalBatchNorm2d:
    """BatchNorm with a gain and a bias for each class, 1 and 0 at the start; without classes, of one for all."""
    if not classes:
        return ConditionalBatchNorm2d(features)
    gain, bias = nn.Embedding(classes, features), nn.Embedding(classes, features)
    nn.init.zeros_(gain.weight)
    nn.init.zeros_(bias.weight)
    return ConditionalBatchNorm2d(features, gain, bias)
