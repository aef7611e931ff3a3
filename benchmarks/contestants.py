"""Variants of one game's step, each in a process of its own, so that what one sets for its process slows no other."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection

import torch
from official import torchs_own
from trainings import GAMES, Game

from i2i_tutor.data.streams import Stream
from i2i_tutor.methods.base import Batch, Method
from i2i_tutor.training import allocator, fit, has_native_bf16

BEGIN = 2  # steps in which optimisers and memory are set up
OFFICIAL = "official, fp32"
FP32, BF16 = "fit, fp32", "fit, bf16"
FREED, TURNED, OWN = "memory given back", "the other memory format", "torch's own layers"


def variants(game: str, device: torch.device) -> list[str]:
    """What is compared: fit and the other memory format; if there is an official step, that and each measure, too."""
    of_fit = [FP32, *([BF16] if has_native_bf16(device) else [])]
    training = GAMES[game].training
    official = training.official is not None
    without = [FREED, TURNED, OWN] if official else [TURNED]
    found = [OFFICIAL] if official else []
    for way in of_fit:
        found.append(way)
        if device.type == "cpu":
            # contiguous in fp32 our layers compute as torch's own
            same = way == FP32 and not training.method.channels_last
            found += [f"{way}, {what}" for what in without if not (same and what == OWN)]
    return found


@contextmanager
def contestant(game: str, variant: str, device: torch.device) -> Iterator[Connection]:
    """A process that plays a variant; see ``seconds_per_step``."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_play, args=(there, game, variant, device.type), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def seconds_per_step(connection: Connection) -> float:
    """Have a contestant play the game's steps; the mean of what they took, behind those in which a training begins."""
    connection.send(None)
    return connection.recv()


def _play(connection: Connection, name: str, variant: str, device: str) -> None:
    game, place = GAMES[name], torch.device(device)
    torch.manual_seed(0)
    method: Method = game.training.method(game.recipe).to(place)
    batch = next(game.training.data(game.recipe, 0))
    play = _official if variant == OFFICIAL else _fit
    if variant != OFFICIAL:
        _without(variant, method)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        ends = play(game, method, batch, place, variant)
        connection.send((ends[-1] - ends[BEGIN - 1]) / game.steps)


def _official(game: Game, method: Method, batch: Batch, place: torch.device, variant: str) -> list[float]:
    assert game.training.official is not None
    step, ends = game.training.official(method.train()), []
    here = {key: value.to(place) for key, value in batch.items()}
    for _ in range(BEGIN + game.steps):
        for term in step(here).values():
            term.item()  # read in every step, as the official loop does; waits for the device
        ends.append(time.perf_counter())
    return ends


def _fit(game: Game, method: Method, batch: Batch, place: torch.device, variant: str) -> list[float]:
    ends: list[float] = []

    def watch(step: int, method: Method) -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)
        if step:
            ends.append(time.perf_counter())

    stream = Stream(lambda position, rng: batch, 0)
    precision = "bf16" if variant.startswith(BF16) else "fp32"
    fit(method, stream, BEGIN + game.steps, device=place, precision=precision, callbacks=[watch], progress=False)
    return ends


def _without(variant: str, method: Method) -> None:
    """Take away, in this process, the measure that the variant does without."""
    if variant.endswith(FREED):
        allocator.keeping = lambda device: nullcontext()
    if variant.endswith(TURNED):
        method.channels_last = not method.channels_last
    if variant.endswith(OWN):
        torchs_own(method)
