"""A small gated PixelCNN (van den Oord et al., 2016): each pixel given those above it and those to its left."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REACH = 5  # rows above and columns beside a pixel that the first layer sees


class GatedLayer(nn.Module):
    """The vertical stack of what is above, the horizontal one of what is in the row as well (their figure 2).

    The caller pads: a row of zeros above v, a column of zeros before h. So the same layer serves a whole picture in
    training and one row or pixel, with its neighbour from before, in sampling.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.above = nn.Conv2d(width, 2 * width, (2, 3), padding=(0, 1))
        self.to_row = nn.Conv2d(2 * width, 2 * width, 1)
        self.before = nn.Conv2d(width, 2 * width, (1, 2))
        self.out = nn.Conv2d(width, width, 1)

    def go_down(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, H + 1, W] -> the next v [N, C, H, W], and what the row is told of it [N, 2 C, H, W]."""
        above = self.above(v)
        return gate(above), self.to_row(above)

    def go_right(self, h: Tensor, told: Tensor) -> Tensor:
        """[N, C, H, W + 1] and [N, 2 C, H, W] -> the next h [N, C, H, W]."""
        step: Tensor = self.out(gate(self.before(h) + told))
        return h[..., 1:] + step


class PixelCnn(nn.Module):
    """levels: [N, 28, 28] int64 in [0, count) -> logits [N, count, 28, 28] of every pixel given those before it.

    So small, it sees nine pixels around and is not told where in the picture it is: strokes may stand anywhere.
    """

    def __init__(self, count: int, width: int = 32, layers: int = 4) -> None:
        super().__init__()
        self.count, self.width = count, width
        self.first_above = nn.Conv2d(1, width, (REACH, 2 * REACH + 1), padding=(0, REACH))
        self.first_before = nn.Conv2d(1, width, (1, REACH))
        self.layers = [GatedLayer(width) for _ in range(layers)]
        self.stack = nn.ModuleList(self.layers)
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, 2 * width, 1), nn.ReLU(), nn.Conv2d(2 * width, count, 1))

    def forward(self, levels: Tensor) -> Tensor:
        x = self.scaled(levels)[:, None]  # [N, 1, 28, 28]
        v = self.first_above(F.pad(x, (0, 0, REACH, 0))[:, :, :-1])  # row i sees those from i - 5 to i - 1
        h = self.first_before(F.pad(x, (REACH, 0))[..., :-1])  # column j sees from j - 5 to j - 1
        for layer in self.layers:
            v, told = layer.go_down(F.pad(v, (0, 0, 1, 0)))
            h = layer.go_right(F.pad(h, (1, 0)), told)
        logits: Tensor = self.head(h)
        return logits

    def scaled(self, levels: Tensor) -> Tensor:
        """Levels to [-1, 1]; what lies outside of a picture counts as 0, which tells it from the black background."""
        return 2 * levels / (self.count - 1) - 1

    def nats(self, levels: Tensor, random: torch.Generator) -> Tensor:
        """The exact negative log-likelihood: [N, 28, 28] -> [N] nats a picture. Nothing is drawn from `random`."""
        return F.cross_entropy(self(levels), levels, reduction="none").sum(dim=(1, 2))

    @torch.inference_mode()
    def sample(self, n: int, random: torch.Generator, size: int = 28) -> Tensor:
        """Pixel by pixel -> levels [n, size, size] float. Each layer is computed once per pixel, as in training."""
        x = torch.zeros(n, 1, size + REACH, size + 2 * REACH)  # scaled, with the padding of both stacks
        rows_before = [torch.zeros(n, self.width, 1, size) for _ in self.layers]
        levels = torch.zeros(n, size, size)
        for row in range(size):
            v = self.first_above_row(x, row)
            told = []
            for number, layer in enumerate(self.layers):
                both = torch.cat([rows_before[number], v], dim=2)
                rows_before[number] = v
                v, of_this_row = layer.go_down(both)
                told.append(of_this_row)
            before = [torch.zeros(n, self.width, 1, 1) for _ in self.layers]
            for column in range(size):
                h = self.first_before(x[:, :, row + REACH : row + REACH + 1, column : column + REACH])
                for number, layer in enumerate(self.layers):
                    both = torch.cat([before[number], h], dim=3)
                    before[number] = h
                    h = layer.go_right(both, told[number][..., column : column + 1])
                drawn = torch.multinomial(self.head(h).flatten(1).softmax(1), 1, generator=random)[:, 0]
                levels[:, row, column] = drawn
                x[:, 0, row + REACH, column + REACH] = self.scaled(drawn)
        return levels

    def first_above_row(self, x: Tensor, row: int) -> Tensor:
        """The first vertical layer of one row, from a picture that carries its padding: -> [n, C, 1, size]."""
        conv = self.first_above
        return F.conv2d(x[:, :, row : row + REACH], conv.weight, conv.bias)


def gate(x: Tensor) -> Tensor:
    """tanh of one half of the channels, let through by the sigmoid of the other (equation 2)."""
    signal, door = x.chunk(2, dim=1)
    return signal.tanh() * door.sigmoid()
