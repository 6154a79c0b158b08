"""The small networks of CUT in whose outputs patches are compared (Park et al., 2020, section 3 and appendix C.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.contract import Chance
from ganvas.networks.norms import initialise_dcgan

OUTPUTS = 256
PLACES = 256  # compared of a map, or as many as it has


class PatchHeads(nn.Module):
    """For each map two dense layers 256 wide, a ReLU between, and a vector of length 1 for each place.

    features: channels of each map, as `Encoding.encode` gives them. Its parameters learn with G's.
    """

    def __init__(self, features: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(one, OUTPUTS), nn.ReLU(), nn.Linear(OUTPUTS, OUTPUTS)) for one in features
        )
        initialise_dcgan(self)

    def forward(self, maps: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Maps [N, F_i, h_i, w_i] and `drawn_places` of them [N, S_i] -> [N, S_i, 256] each, of length 1."""
        vectors = []
        for head, one, at in zip(self.heads, maps, places, strict=True):
            rows = one.flatten(2).transpose(1, 2)  # [N, h * w, F]
            chosen = rows.gather(1, at[:, :, None].expand(-1, -1, rows.shape[2]))  # [N, S, F]
            vectors.append(F.normalize(head(chosen).float(), dim=2))
        return vectors


def drawn_places(maps: Sequence[Tensor], random: Chance) -> list[Tensor]:
    """Up to 256 different places of each map for each picture: [N, F_i, h_i, w_i] -> [N, S_i] int64.

    The same places are to be taken of the picture and of what was painted from it.
    """
    places = []
    for one in maps:
        count = one.shape[2] * one.shape[3]
        order = random.uniform(len(one), count)
        places.append(torch.topk(order, min(PLACES, count), dim=1).indices)
    return places
