"""The relativistic average of ESRGAN: is a real picture more real than fakes are on average?

D_Ra(x_r, x_f) = sigmoid(C(x_r) - E[C(x_f)]) (Jolicoeur-Martineau, 2019; Wang et al., 2018, equations 1 and 2). G learns
from the reals too. Of a D of patches the average goes over the patches of the picture that belongs to it, so that a
picture's loss does not depend on its batch; of one logit a picture it goes over the batch, as in the papers, and a
batch that is taken in parts or shared out among processes compares with the means of the part.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def relativistic_average_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D_Ra(x_r, x_f) - log(1 - D_Ra(x_f, x_r)): [N] or [N, K], twice -> the same; 2 log 2 if D is blind."""
    return F.softplus(_average(fake_logits) - real_logits) + F.softplus(fake_logits - _average(real_logits))


def relativistic_average_g_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log(1 - D_Ra(x_r, x_f)) - log D_Ra(x_f, x_r): [N] or [N, K], twice -> the same."""
    return relativistic_average_d_loss(fake_logits, real_logits)


def _average(logits: Tensor) -> Tensor:
    """Of the batch, [N] -> a scalar; of each picture's patches, [N, K] -> [N, 1]."""
    return logits.mean() if logits.dim() == 1 else logits.mean(dim=1, keepdim=True)
