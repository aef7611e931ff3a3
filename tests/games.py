"""Toy games whose every move can be computed by hand, and one with everything that must survive a resume."""

import torch
from torch import nn
from torch.optim import SGD, Adam

from i2i_tutor import losses
from i2i_tutor.data.streams import Stream
from i2i_tutor.methods.base import Method, Recipe, Turn
from i2i_tutor.nn import ImagePool, Queue
from i2i_tutor.training import fit

RECIPE = Recipe(size=1, batch=1, steps=24)


class Point(nn.Module):
    """A network that is one number."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(float(value)))


class Toy(Method):
    """Two players pull at x and y: a minimises (x - y)², b minimises (x + y)²."""

    name = "toy"
    turns = (Turn("pull", ("a",)), Turn("push", ("b",)))

    def __init__(self, recipe=RECIPE):
        super().__init__(recipe)
        self.a, self.b = Point(1.0), Point(3.0)

    def optimisers(self):
        return {name: lambda p: SGD(p, lr=0.25) for name in ("a", "b")}

    def pull(self, scene):
        return {"pull": (self.a.value - self.b.value) ** 2}

    def push(self, scene):
        return {"push": (self.a.value + self.b.value) ** 2}


def stream(value=0.0):
    return Stream(lambda position, rng: {"input": torch.full((1, 1, 1, 1), value)}, seed=0)


class Noisy(Method):
    """Everything that must survive a resume: dropout, Adam, a pool, a queue, batch norm, the stream, a schedule."""

    name = "noisy"
    turns = (Turn("critic_loss", ("critic",)), Turn("maker_loss", ("maker",), every=2))

    def __init__(self, recipe=RECIPE):
        super().__init__(recipe)
        self.maker = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 1, 1)
        )
        self.critic = nn.Conv2d(1, 1, 3)
        self.pool, self.queue = ImagePool(3), Queue(5, 1)

    def optimisers(self):
        return {name: lambda p: Adam(p, lr=1e-2) for name in ("maker", "critic")}

    def forward(self, scene):
        scene.fake = self.maker(scene.batch["input"])

    def critic_loss(self, scene):
        (fake,) = self.pool.query(scene.fake)
        return {"critic": losses.discriminator_loss(self.critic(scene.batch["input"]), self.critic(fake))}

    def maker_loss(self, scene):
        held = self.queue.entries().mean() if int(self.queue.count) else 0.0
        return {"maker": losses.generator_loss(self.critic(scene.fake)) + 0.1 * (scene.fake.mean() - held) ** 2}

    def end(self, scene):
        self.queue.push(scene.fake.mean(dim=(1, 2, 3))[:, None])

    def translate(self, image):
        return self.maker(image)


def noisy_stream():
    return Stream(lambda position, rng: {"input": torch.from_numpy(rng.standard_normal((2, 1, 6, 6))).float()}, seed=3)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def run(folder, steps, **options):
    torch.manual_seed(1)
    game, data = Noisy(), noisy_stream()
    options = {"progress": False, "save_every": 5} | options
    history = fit(game, data, steps, folder=folder, **options)
    return game, history
