"""Where a run computes: one process or many, which device, and what the processes tell each other.

Several processes (`accelerate launch` or `torchrun`) each take a part of every batch and average their gradients before
each update, so that they train the model that one process would on the whole batch. No wrapper hides this: several
forward passes before one backward pass, penalties and frozen networks are as they are in one process.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor, nn

from ganvas.devices import pick_device
from ganvas.errors import GanvasError, UsageError
from ganvas.games.joint_batch_norm import joint
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

    def average(self, networks: Sequence[nn.Module], stats: dict[str, Tensor]) -> dict[str, Tensor]:
        """The scalars of `stats` averaged over all processes; so are the networks' gradients, in place.

        All in one exchange: between processes of one machine it is its start that costs, up to some 100 000 numbers.
        """
        if self.world == 1:
            return stats
        gradients = [p.grad for network in networks for p in network.parameters() if p.grad is not None]
        scalars = (
            torch.stack([value.float() for value in stats.values()]) if stats else torch.empty(0, device=self.device)
        )
        together = torch.cat([*(gradient.reshape(-1).float() for gradient in gradients), scalars])
        torch.distributed.all_reduce(together)
        together /= self.world
        *means, scalars = torch.split(together, [*(gradient.numel() for gradient in gradients), len(stats)])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return dict(zip(stats, scalars.unbind(), strict=True))

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

    def main_first(self, work: Callable[[], T]) -> T:
        """Every process does it, the main one before the others: they find on disk what it has kept."""
        done: list[T] = []
        self.on_main(lambda: done.append(work()))
        return done[0] if done else work()

    def gather(self, thing: Any) -> list[Any]:
        """The plain data of all processes, in every process."""
        if self.world == 1:
            return [thing]
        box: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(box, thing)
        return box

    def all_rows(self, mine: Tensor) -> Tensor:
        """Those of all processes in their order: [n, ...] of each -> [world * n, ...]."""
        if self.world == 1:
            return mine
        mine = mine.contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.world)]
        torch.distributed.all_gather(parts, mine)
        return torch.cat(parts)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            torch.distributed.barrier()

    def prepare(self, network: nn.Module) -> nn.Module:
        """The network with BatchNorm layers that see the whole batch, not only this process's part."""
        if self.world > 1:
            for module in network.modules():
                for name, child in module.named_children():
                    if type(child) is nn.BatchNorm2d:
                        setattr(module, name, joint(child))
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
