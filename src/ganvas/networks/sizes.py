"""How a network that doubles its size stage by stage reaches any height and width exactly."""

from __future__ import annotations

Size = tuple[int, int]  # height, width


def doublings(resolution: Size, start: int) -> list[Size]:
    """Sizes from the first feature map to the picture, each at most twice the one before.

    The shorter side starts at no more than `start`. Halving rounds up, so a stage doubles and then crops at most one
    row and one column: (28, 28) with start 4 gives [(4, 4), (7, 7), (14, 14), (28, 28)].
    """
    sizes = [resolution]
    while min(sizes[0]) > start:
        height, width = sizes[0]
        sizes.insert(0, ((height + 1) // 2, (width + 1) // 2))
    return sizes


def halvings(resolution: Size, kernel: int, padding: int, stages: int) -> Size:
    """What `stages` convolutions of stride 2 leave: (28, 28) with kernel 4, padding 1, stages 2 -> (7, 7)."""
    height, width = resolution
    for _ in range(stages):
        height, width = (height + 2 * padding - kernel) // 2 + 1, (width + 2 * padding - kernel) // 2 + 1
    return height, width
