"""One number from several processes, in which every sample counts once.

Every process calls these, also one that has no samples. Where there is only one process they change nothing.
"""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor

from ganvas.evaluation.metrics.frechet import Statistics


def rows_here(count: int) -> range:
    """The row numbers, of `count`, that this process is to look at: no row is another's too, and none is padded."""
    if not _several():
        return range(count)
    return range(torch.distributed.get_rank(), count, torch.distributed.get_world_size())


def merged(statistics: Statistics) -> Statistics:
    """The statistics of all processes' samples together, in every process, as if one had seen them all."""
    if not _several():
        return statistics
    total = Statistics(len(statistics.mean))
    count = _summed(torch.tensor(statistics.count, dtype=torch.float64))
    total.count = int(count)
    if total.count:
        total.mean = _summed(statistics.count * statistics.mean) / count
        shift = statistics.mean - total.mean  # around the mean of all, so that a large mean costs no precision
        total.scatter = _summed(statistics.scatter + statistics.count * torch.outer(shift, shift))
    return total


def gathered(rows: Tensor, values: Tensor, count: int) -> Tensor:
    """The values of rows 0 to `count` - 1 in order, in every process: each has some [n] rows and values [n, F].

    A row that several processes looked at, as samplers do that fill up the last batch, counts once. For measures that
    need all features at once; `values` may have different n, but one F. Raises ValueError if a row is missing.
    """
    if _several():
        sizes = _from_all(torch.tensor([len(rows)]))
        most = max(int(size) for size in sizes)
        all_rows, all_values = _from_all(_filled(rows, most)), _from_all(_filled(values, most))
        rows = torch.cat([part[: int(size)] for part, size in zip(all_rows, sizes, strict=True)])
        values = torch.cat([part[: int(size)] for part, size in zip(all_values, sizes, strict=True)])
    seen = torch.zeros(count, dtype=torch.bool)
    seen[rows] = True
    if missing := int((~seen).sum()):
        raise ValueError(f"{missing} of {count} rows were looked at by no process: share them out with rows_here")
    together = values.new_empty(count, values.shape[1])
    together[rows] = values
    return together


def in_all(condition: bool) -> bool:
    """Whether it holds in every process."""
    return not _several() or int(_summed(torch.tensor([int(not condition)]))) == 0


def is_first() -> bool:
    """Whether this process is the one that tells the result."""
    return not _several() or torch.distributed.get_rank() == 0


def _several() -> bool:
    return (
        torch.distributed.is_available()
        and torch.distributed.is_initialized()
        and torch.distributed.get_world_size() > 1
    )


def _exchanged(x: Tensor) -> Tensor:
    """On the device that the processes exchange from: NCCL knows no other than the GPU."""
    on_gpu = torch.distributed.get_backend() == "nccl"
    return x.to(torch.device("cuda", torch.cuda.current_device()) if on_gpu else "cpu").contiguous()


def _summed(x: Tensor) -> Tensor:
    ours = _exchanged(x).clone()
    torch.distributed.all_reduce(ours)
    return ours.cpu()


def _from_all(x: Tensor) -> list[Tensor]:
    """This tensor of every process, all of one shape."""
    ours = _exchanged(x)
    box = [torch.empty_like(ours) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(box, ours)
    return [each.cpu() for each in box]


def _filled(x: Tensor, rows: int) -> Tensor:
    """With rows of zeros up to that many."""
    return torch.cat([x.cpu(), torch.zeros(rows - len(x), *x.shape[1:], dtype=x.dtype)])
