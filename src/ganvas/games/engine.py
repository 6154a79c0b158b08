"""Where a run computes: one process or many, which device, and what the processes tell each other.

Several processes (`accelerate launch` or `torchrun`) each take a part of every batch and average their gradients before
each update, so that they train the model that one process would on the whole batch. No wrapper hides this: several
forward passes before one backward pass, penalties and frozen networks are as they are in one process.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor, nn

from ganvas.devices import pick_device
from ganvas.errors import GanvasError, UsageError
from ganvas.games.noise import Rows

T = TypeVar("T")


class Engine:
    """One process of a run. rank: its number, of `world`; the main one, 0, writes what is written."""

    def __init__(self, device: torch.device, rank: int = 0, world: int = 1) -> None:
        self.device, self.rank, self.world = device, rank, world

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run's folder."""
        return self.rank == 0

    def rows(self, batch: int) -> Rows:
        """This process's part of a batch. Raises UsageError if the batch cannot be shared out evenly."""
        if batch % self.world:
            raise UsageError(f"--batch {batch} cannot be shared out among {self.world} processes: give a multiple")
        return Rows(batch, self.rank * batch // self.world)

    def share_of(self, batch: int) -> int:
        """How many pictures of a batch are this process's."""
        self.rows(batch)
        return batch // self.world

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over all processes."""
        if self.world == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        together = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(together)
        together /= self.world
        for gradient, mean in zip(gradients, torch.split(together, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def total(self, *values: float) -> tuple[float, ...]:
        """Each value summed over all processes: so they agree on how far they are and whether to stop."""
        if self.world == 1:
            return values
        together = torch.tensor(values, device=self.device)
        torch.distributed.all_reduce(together)
        return tuple(together.tolist())

    def on_main(self, work: Callable[[], T]) -> T:
        """What the main process makes of it, in every process; and what it raises, too."""
        if self.world == 1:
            return work()
        box: list[Any] = [None, None]
        if self.is_main:
            try:
                box[0] = work()
            except (GanvasError, OSError) as error:
                box[1] = error
        torch.distributed.broadcast_object_list(box, 0)
        if box[1] is not None:
            raise box[1]
        result: T = box[0]
        return result

    def gather(self, thing: Any) -> list[Any]:
        """The plain data of all processes, in every process."""
        if self.world == 1:
            return [thing]
        box: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(box, thing)
        return box

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            torch.distributed.barrier()

    def mean(self, stats: dict[str, Tensor]) -> dict[str, Tensor]:
        """Scalars averaged over all processes."""
        if self.world == 1 or not stats:
            return stats
        together = torch.stack([value.float() for value in stats.values()])
        torch.distributed.all_reduce(together)
        return dict(zip(stats, (together / self.world).unbind(), strict=True))

    def prepare(self, network: nn.Module) -> nn.Module:
        """The network with BatchNorm layers that see the whole batch, not only this process's part."""
        if self.world > 1:
            for module in network.modules():
                for name, child in module.named_children():
                    if type(child) is nn.BatchNorm2d:
                        setattr(module, name, _joint(child))
        return network


def open_engine(device: str) -> Engine:
    """The engine of this process: alone, or one of those that `torchrun` or `accelerate launch` started.

    Raises UsageError for a device that is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Engine(pick_device(device))
    # Here, because it costs a quarter of a second: only several processes need what it knows of launchers.
    from accelerate import PartialState  # type: ignore[import-untyped]

    state = PartialState(cpu=pick_device(device).type == "cpu")
    if device not in ("auto", state.device.type):
        raise UsageError(f"--device {device}: the launcher gives these processes {state.device.type}")
    if state.backend == "gloo":
        # Its threads may outlive the interpreter and abort the process then. NCCL is left to its own end: taking it
        # down in a process that failed would wait for the others.
        atexit.register(_leave)
    return Engine(state.device, state.process_index, state.num_processes)


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class JointBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm with the mean and variance of all processes' parts together, and gradients to match, on any device."""

    together = True  # False while one process looks at its networks by itself: see `alone`

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same."""
        if not (self.training and JointBatchNorm2d.together):
            return super().forward(x)
        wide, shape, dims = x.float(), (1, -1, 1, 1), (0, 2, 3)
        here = wide.new_tensor([x.numel() / x.shape[1]])
        total, count = torch.split(_summed(torch.cat([wide.sum(dims), here])), [x.shape[1], 1])
        mean = total / count  # differentiable: what other parts feel of this mean comes back here
        centred = wide - mean.view(shape)
        variance = _summed(centred.square().sum(dims)) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked += 1
                momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * count / (count - 1), momentum)
        scaled = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is not None:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        result: Tensor = scaled.to(x.dtype)
        return result


@contextmanager
def alone() -> Iterator[None]:
    """Within the block networks can be run by one process that the others do not wait for."""
    JointBatchNorm2d.together = False
    try:
        yield
    finally:
        JointBatchNorm2d.together = True


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _summed(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


def _joint(layer: nn.BatchNorm2d) -> JointBatchNorm2d:
    joint = JointBatchNorm2d(layer.num_features, layer.eps, layer.momentum or 0.1, layer.affine)
    joint.to(next(iter(layer.state_dict().values())).device)
    joint.load_state_dict(layer.state_dict())
    return joint
