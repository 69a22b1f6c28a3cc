"""The processes that tune one student together: torchrun starts them, each takes its share of every batch."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from w2s_trainer.errors import Stopped

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process among those that tune together."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> "World":
        """Joins the processes that torchrun started; alone where it did not."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        import torch
        import torch.distributed as dist

        if not dist.is_initialized():
            cuda = torch.cuda.is_available()
            if cuda:
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            rank, meeting = int(os.environ["RANK"]), os.environ.get("W2S_MEETING")
            with _together():
                dist.init_process_group(
                    "nccl" if cuda else "gloo",
                    store=dist.FileStore(meeting, size) if meeting else None,  # type: ignore[attr-defined]
                    rank=rank,
                    world_size=size,
                )
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this process saves, commits and speaks for all."""
        return self.rank == 0

    def all_reduce_sum(self, tensors: Iterable["torch.Tensor"]) -> None:
        """Replaces each tensor by its sum over the processes, in one exchange."""
        if self.size == 1:
            return
        import torch
        import torch.distributed as dist

        listed = list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in listed])
        with _together():
            dist.all_reduce(flat)
        for tensor, part in zip(
            listed, torch.split(flat, [tensor.numel() for tensor in listed]), strict=True
        ):
            tensor.copy_(part.view_as(tensor))

    def broadcast(self, tensors: Iterable["torch.Tensor"]) -> None:
        """Replaces each tensor by that of the process that leads."""
        if self.size > 1:
            import torch.distributed as dist

            with _together():
                for tensor in tensors:
                    dist.broadcast(tensor, src=0)

    def broadcast_object(self, value: T) -> T:
        """Returns the value of the process that leads, whatever the others hold."""
        if self.size == 1:
            return value
        import torch.distributed as dist

        objects = [value]
        with _together():
            dist.broadcast_object_list(objects, src=0)
        return objects[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            import torch.distributed as dist

            with _together():
                dist.barrier()

    def agree(self, holds: bool, device: str) -> bool:
        """Returns whether a condition holds for any of the processes."""
        if self.size == 1:
            return holds
        import torch
        import torch.distributed as dist

        flag = torch.tensor([float(holds)], device=device)
        with _together():
            dist.all_reduce(flag)
        return bool(flag.item())


@contextmanager
def _together() -> Iterator[None]:
    """An exchange with the others; Stopped when one of them is gone."""
    try:
        yield
    except RuntimeError as error:
        raise Stopped(
            "LostPeer",
            "Another process of this stage is gone.",
            "Run it again to go on from the newest checkpoint.",
        ) from error
