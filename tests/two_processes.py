"""What each of two processes does, started by ``torchrun`` or ``accelerate launch`` from test_processes.py.

Its one argument is a folder: checkpoints go there, and process 0 leaves what was found in ``found.json``.
"""

import errno
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn
from torch.optim import SGD

from i2i_tutor import processes
from i2i_tutor.data.streams import Stream
from i2i_tutor.methods.base import Method, Recipe, Turn
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.nn import ImagePool, Queue
from i2i_tutor.training import checkpoints, fit

RECIPE = replace(RECIPES["smoke"], dropout_layers=0, steps=20)
STEPS = 10


class Plain(Pix2Pix):
    """pix2pix with gradient descent: its steps are as equal as the gradients, where Adam magnifies rounding."""

    def optimisers(self):
        return {turn.moves[0]: lambda parameters: SGD(parameters, lr=0.05) for turn in self.turns}


class Pooled(Method):
    """A game with a pool of fakes and a queue, whose first turn leaves one weight without a gradient in odd steps."""

    name = "pooled"
    turns = (Turn("loss", ("net",)),)

    def __init__(self):
        super().__init__(Recipe(size=8, batch=2, steps=20))
        self.net = nn.ModuleDict({"used": nn.Conv2d(3, 3, 3), "rare": nn.Conv2d(3, 3, 1)})
        self.pool, self.queue = ImagePool(24), Queue(6, 3)

    def optimisers(self):
        return {"net": lambda parameters: SGD(parameters, lr=0.05, momentum=0.9)}

    def loss(self, scene):
        fake = self.net["used"](scene.batch["input"])
        (old,) = self.pool.query(fake)
        terms = {"loss": (fake - old.mean(dim=(1, 2, 3), keepdim=True)).square().mean() + fake.square().mean()}
        if scene.step % 2 == 0:
            terms["rare"] = self.net["rare"](fake).square().mean()
        self.queue.push(fake.mean(dim=(2, 3)))
        return terms


def batches(position: int, rng=None) -> dict[str, torch.Tensor]:
    """Batch number ``position`` of two pairs."""
    draw = torch.Generator().manual_seed(position)
    side = RECIPE.size
    return {key: torch.rand(2, 3, side, side, generator=draw) * 2 - 1 for key in ("input", "target")}


def doubled(position: int, rng=None) -> dict[str, torch.Tensor]:
    """The two batches that two processes see in one step, as one."""
    first, second = batches(2 * position), batches(2 * position + 1)
    return {key: torch.cat([first[key], second[key]]) for key in first}


def trained(make, data=batches, steps=STEPS, seed=0, **options):
    """A trained method and its history, in fp32."""
    torch.manual_seed(seed)
    method = make()
    history = fit(method, Stream(data, 0), steps, precision="fp32", progress=False, **options)
    return method, history


def same_everywhere(method) -> bool:
    """Whether all processes hold the same bits."""
    mine = torch.cat([value.flatten().double() for value in method.state_dict().values()])
    return all(torch.equal(mine, other) for other in processes.gather(mine))


def interrupting(position, rng):
    if position == 15:  # process 1, step 7
        os.kill(os.getpid(), signal.SIGINT)
    return batches(position)


def cannot(*paths):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def main(folder: Path) -> None:
    found = {"count": processes.count(), "rank": processes.rank()}

    method, history = trained(lambda: Plain(RECIPE), folder=folder / "straight", seed=processes.rank())  # unequal seeds
    found["equal weights"] = same_everywhere(method)
    found["terms"] = history.terms
    trained(lambda: Plain(RECIPE), steps=5, folder=folder / "parts", seed=processes.rank())
    parts, _ = trained(lambda: Plain(RECIPE), folder=folder / "parts", resume=True, seed=9)
    found["resumed equals straight"] = all(map(torch.equal, method.state_dict().values(), parts.state_dict().values()))
    found["files"] = sorted(path.name for path in (folder / "parts").iterdir())

    pooled, _ = trained(Pooled, folder=folder / "pooled", steps=4)
    found["equal pools"] = same_everywhere(pooled)
    found["equal full pools"] = same_everywhere(trained(Pooled, steps=20)[0])

    one, none = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
    if processes.rank() == 1:
        one.grad = torch.tensor([2.0, 4.0])
    processes.average([one, none])
    found["averaged"] = [one.grad.tolist(), none.grad is None]

    _, history = trained(lambda: Plain(RECIPE), interrupting, 20, flush_every=5)
    found["interrupted"] = [history.interrupted, history.steps]
    try:
        trained(lambda: Plain(replace(RECIPE, norm="batch")))
    except ValueError as error:
        found["refused"] = str(error)
    found["blocked"], real = [], os.replace
    for rank in range(2):  # the state of either process cannot be put in its place
        if processes.rank() == rank:
            os.replace = cannot
        try:
            trained(lambda: Plain(RECIPE), steps=1, folder=folder / f"blocked-{rank}")
        except checkpoints.CheckpointError as error:
            found["blocked"].append(str(error))
        os.replace = real
    processes.gather(None)  # process 0 has tidied up
    found["left"] = [sorted(path.name for path in (folder / f"blocked-{rank}").iterdir()) for rank in range(2)]
    try:
        trained(lambda: Plain(RECIPE), steps=10, folder=folder / "straight")
    except checkpoints.CheckpointError as error:
        found["again"] = str(error)
    (folder / "file").touch()
    try:
        trained(lambda: Plain(RECIPE), steps=1, folder=folder / "file")
    except checkpoints.CheckpointError as error:
        found["no folder"] = str(error)
    if processes.rank() == 0:
        lock = FileLock(folder / "busy" / checkpoints.LOCK)
        (folder / "busy").mkdir()
        lock.acquire()
    processes.gather(None)
    try:
        trained(lambda: Plain(RECIPE), steps=1, folder=folder / "busy")
    except checkpoints.CheckpointError as error:
        found["busy"] = str(error)
    every = processes.gather(found)
    if processes.rank() == 0:
        (folder / "found.json").write_text(json.dumps(every))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with processes.group("cpu"):
        main(Path(sys.argv[1]))
