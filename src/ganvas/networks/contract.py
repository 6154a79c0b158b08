"""What a generator, a painter and a discriminator are to the games: small base classes of plain `nn.Module`s.

Some families can do more, which the games ask for by these protocols: `Mapped`, `Coded`, `Classifying`, `Decoding`,
`Encoding`, `Layered`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn


class Chance(Protocol):
    """Random numbers for the pictures of a batch, which depend on the step and on nothing drawn before it."""

    def normal(self, n: int, *shape: int) -> Tensor:
        """N(0, 1): [n, *shape] float32."""

    def uniform(self, n: int, *shape: int) -> Tensor:
        """From 0 up to but not 1: [n, *shape] float32."""

    def integers(self, below: int, n: int, *shape: int) -> Tensor:
        """From 0 to below - 1: [n, *shape] int64."""


class Generator(nn.Module):
    """Noise to pictures: z [N, z_dim], labels [N] or None -> [N, C, H, W] about [-1, 1].

    A generator that draws numbers of its own while it is trained (noise in layers, mixed styles) says so by
    `uses_random` and takes them from `random`; without it, it is a function of z and the label alone.
    """

    uses_random: ClassVar[bool] = False
    classes: int

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not say what it draws")

    def grow(self, progress: float) -> None:
        """Called before a step with the share of the run that is over, for layers that come in one by one."""


class Painter(nn.Module):
    """Pictures to pictures: [N, in_channels, H, W] about [-1, 1] -> [N, out_channels, scale*H, scale*W] about [-1, 1].

    Every painter takes any H and W from a few pixels on. `multiple`: for H and W that are no multiples of it, the
    picture is mirrored at its right and lower edge; a part of a larger picture gives what the whole gives only if it
    begins at a multiple. `reach`: pixels of the input on each side that an output pixel depends on; -1 where it is the
    whole picture. A painter that draws numbers of its own while it is trained (dropout) says so by `uses_random`.
    """

    uses_random: ClassVar[bool] = False
    in_channels: int
    out_channels: int
    scale: int = 1
    multiple: int = 1
    reach: int
    classes: int = 0

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not say what it paints")


class Discriminator(nn.Module):
    """Pictures to logits: [N, C, H, W], labels [N] or None -> [N], or [N, K] of K judgements on each picture.

    `details` gives by name what it knows besides: "logits" always; "features" [N, F], the last layer before the logits;
    and what a family promises, such as "classes" [N, classes] of an auxiliary classifier.
    """

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        raise NotImplementedError(f"{type(self).__name__} does not say what it sees")

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.details(images, labels)["logits"]

    def grow(self, progress: float) -> None:
        """As for a generator."""

    def as_far_as_grown(self, real: Tensor) -> Tensor:
        """Reals with no more detail than G can paint now: [N, C, H, W] -> the same."""
        return real


@runtime_checkable
class Mapped(Protocol):
    """A generator whose z goes through a mapping network first: one w per layer makes the picture."""

    layers: int

    def mapping(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """[N, z_dim], [N] -> w [N, w_dim]."""

    def synthesis(self, ws: Tensor, random: Chance | None = None) -> Tensor:
        """[N, layers, w_dim] -> pictures [N, C, H, W]."""

    def truncate(self, ws: Tensor, psi: float) -> Tensor:
        """Towards the average w: [N, layers, w_dim] -> the same. psi 1 changes nothing, 0 leaves the average."""


@runtime_checkable
class Coded(Protocol):
    """A generator of which some of z are codes that a discriminator finds again."""

    def codes(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """[N, z_dim] -> category [N] int64, continuous codes [N, m]."""


@runtime_checkable
class Finding(Protocol):
    """A discriminator whose details hold the codes: "category" logits, "code_mean" and "code_log_std"."""

    Q: nn.Module


@runtime_checkable
class Classifying(Protocol):
    """A discriminator whose details hold "classes": logits [N, classes]."""

    classifier: nn.Module


@runtime_checkable
class Decoding(Protocol):
    """A discriminator that decodes pictures from its features."""

    def reconstruct(self, images: Tensor, quarters: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
        """[N, C, H, W], which quarter of each [N] -> pairs of what was decoded and what should have been."""


@runtime_checkable
class Encoding(Protocol):
    """A painter whose inner maps can be compared, place by place, with those of what it painted."""

    def encode(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """[N, in_channels, H, W] -> maps [N, F_i, h_i, w_i], from the picture on inwards."""


@runtime_checkable
class Layered(Protocol):
    """A discriminator of one or more scales whose details hold each scale's logits and the maps of its layers.

    "logits0" [N, K0], "logits1" ... and "map0.0" [N, F, h, w], "map0.1" ..., "map1.0" ...: first the scale, then the
    layer. Scale 0 sees the picture as it is, each further one at half the size of the one before.
    """

    scales: int
