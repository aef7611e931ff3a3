"""The one training loop: ``fit`` takes many steps of any method and can be interrupted and resumed."""

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor

from i2i_tutor import devices, processes
from i2i_tutor.contract import check_whole
from i2i_tutor.methods.base import Batch, Method
from i2i_tutor.progress import bar as progress_bar
from i2i_tutor.schedules import Schedule
from i2i_tutor.training import allocator, checkpoints
from i2i_tutor.training.history import History, TrainingError
from i2i_tutor.training.play import make_optimisers, play
from i2i_tutor.training.precision import Layout, Precision, arithmetic, autocast, laid_out
from i2i_tutor.training.session import BatchStream, Callback, Session


def fit(
    method: Method,
    stream: BatchStream,
    steps: int | None = None,
    *,
    rates: Schedule | None = None,
    device: torch.device | str = "cpu",
    precision: Precision = "auto",
    callbacks: Sequence[Callback] = (),
    folder: Path | str | None = None,
    save_every: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    flush_every: int = 20,
    progress: bool | None = None,
    title: str | None = None,
) -> History:
    """Train ``method`` on batches from ``stream``.

    Knows nothing about any paper. With ``folder`` it writes a checkpoint every ``save_every`` steps (by default ten
    times) and at the end; ``resume=True`` continues from the last whole one, **bit for bit** as if never interrupted
    (on a GPU as far as its kernels are deterministic). A finished training goes on if its recipe gets more steps.
    Ctrl-C ends it after the step in progress and returns what it has; a second Ctrl-C ends it at once.

    Within a process group (``i2i_tutor.processes``) every process takes its share of the stream and gradients are
    averaged, so one step looks at as many batches as there are processes. Process 0 watches and reports; each writes a
    checkpoint file of its own into the folder, which all of them must see. Ctrl-C then waits for the next flush.

    Args:
        steps: how many, counted from the very beginning; by default those of the recipe. Fewer stop early.
        rates: factor on every learning rate as a function of the step; by default ``method.rates()``.
        precision: "auto" takes bf16 if the device computes it natively, else fp32; the environment variable
            ``I2I_PRECISION`` ("fp32" or "bf16") decides for "auto".
        callbacks: called with (steps done, method), at the start (of a resumed training: with the steps done earlier)
            and after each step; under a forked random state and without gradient, so that watching changes nothing.
        folder: one training at a time works in it. An earlier one that it holds is refused unless told what to do:
        resume: continue it, if there is one.
        overwrite: remove it (nothing else in the folder) and start anew.
        flush_every: how many steps of terms stay on the device before they are read and checked.
        progress: whether to show a bar; by default unless the environment variable ``I2I_QUIET`` is set.

    Raises:
        TrainingError: a term is NaN or infinite, or the weights that a checkpoint would hold; or memory ran out.
        ValueError: an argument cannot be used, the learning rates end before the steps do, or several processes train
            a method whose batches cannot be divided.
        CheckpointError: a checkpoint cannot be written or read, belongs to other settings, or is in the way.
    """
    if not isinstance(method, Method):
        raise ValueError(f"method is {method!r}; expected a method, for example Pix2Pix(recipe)")
    planned = method.recipe.steps
    steps = planned if steps is None else steps
    rates = method.rates() if rates is None else rates
    _check(stream, rates, callbacks)
    check_whole("steps", steps, 0)
    check_whole("flush_every", flush_every, 1)
    check_whole("save_every", 1 if save_every is None else save_every, 1)
    _check_folder(folder)
    _check_switches({"resume": resume, "overwrite": overwrite}, folder)
    if steps > planned and rates(steps - 1) == 0:
        raise ValueError(
            f"steps is {steps}, but the learning rates end at 0 before that, as the recipe has {planned} steps; to "
            f"train longer, give the method a recipe with steps={steps} (resume=True goes on from its checkpoint)"
        )
    several = processes.count() > 1
    if several and (reason := method.couples()):
        raise ValueError(f"{method.name} cannot be trained by {processes.count()} processes: {reason}")
    device = devices.find(device)
    context = autocast(device, precision)
    history = History(arithmetic=arithmetic(device, precision))
    folder = Path(folder) if folder is not None else None
    lock = checkpoints.locked(folder) if folder else nullcontext()

    with (
        lock,
        _memory_explained(method, history, folder),
        allocator.keeping(device),
        laid_out(method.to(device), device) as layout,
    ):
        history.layout = layout
        method.train().zero_grad()  # a learner may have tried a backward() before
        if several:
            stream = stream.share(processes.rank(), processes.count())
        watching = tuple(callbacks) if processes.rank() == 0 else ()
        session = Session(method, make_optimisers(method), stream, history, watching, folder)
        session.begin(resume, overwrite)
        start = history.steps
        if steps < start:
            raise checkpoints.CheckpointError(f"{folder} is already at step {start}; {steps} steps were asked for")
        save_every = save_every or max(1, math.ceil(steps / 10))
        title = f"{title or method.name}, {history.arithmetic}" + (f" x {processes.count()}" if several else "")
        bar = progress_bar(steps, start, title, shown=progress if processes.rank() == 0 else False)
        with bar, _deferred_interrupt() as interrupted:
            session.watch()
            for step in range(start, steps):
                asked = time.perf_counter()
                drawn = next(stream)
                history.waited += time.perf_counter() - asked
                batch = _move(drawn, device, layout)
                session.set_rates(step, rates(step))
                session.recorder.add(step, play(method, session.optimisers, batch, step, context))
                done = history.steps = step + 1
                bar.update()
                flushing = done % flush_every == 0
                if flushing:
                    session.recorder.flush(folder)
                    terms = {name: f"{values[-1]:.3f}" for name, values in history.terms.items()}
                    bar.set_postfix(terms, refresh=False)
                if folder and done % save_every == 0 and done < steps:
                    session.save()
                session.watch()
                stop = interrupted.is_set()
                if several:  # they stop together, when they wait for each other anyway
                    stop = flushing and processes.anywhere(stop, device)
                if stop:
                    history.interrupted = done < steps
                    break
            session.save()
    return history


def _check(stream: object, rates: object, callbacks: object) -> None:
    if not isinstance(stream, BatchStream):
        raise ValueError(f"stream is {stream!r}; expected a stream of batches, for example facades.train(...)")
    if not callable(rates):
        raise ValueError(f"rates is {rates!r}; expected a function of the step, for example recipe.rates()")
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise ValueError(f"callbacks is {callbacks!r}; expected a list of functions of (steps done, method)")


def _check_folder(folder: object) -> None:
    if folder is not None and (not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder)):
        raise ValueError(f"folder is {folder!r}; expected the name of a folder, for example 'runs/mine'")


def _check_switches(switches: dict[str, bool], folder: object) -> None:
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; expected True or False")
        if value and folder is None:
            raise ValueError(f"{name} is True, but there is no folder= that could hold an earlier training")
    if all(switches.values()):
        raise ValueError(f"{' and '.join(switches)} are both True; an earlier training is either continued or replaced")


def _move(batch: Batch, device: torch.device, layout: Layout) -> Batch:
    if not isinstance(batch, dict) or not all(isinstance(value, Tensor) for value in batch.values()):
        raise ValueError(f"the stream gave a {type(batch).__name__}; expected a dict of tensors")
    if device.type == "cuda":  # only from pinned memory does a copy not wait for the device
        return {key: value.pin_memory().to(device, non_blocking=True) for key, value in batch.items()}
    if layout == "channels last":
        return {
            key: value.to(memory_format=torch.channels_last) if value.ndim == 4 else value
            for key, value in batch.items()
        }
    return {key: value.to(device) for key, value in batch.items()}


@contextmanager
def _memory_explained(method: Method, history: History, folder: Path | None) -> Iterator[None]:
    """Turn what torch raises when memory runs out, on several lines, into a sentence with a way out."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        exhausted = isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)
        if not exhausted:
            raise
        recipe = method.recipe
        ladder = [f"a smaller batch (batch={max(1, recipe.batch // 2)})"] if recipe.batch > 1 else []
        ladder += [f"smaller images (size={max(1, recipe.size // 2)})"]
        ladder += ["half the bits (precision='bf16')"] if history.arithmetic == "fp32" else []
        raise TrainingError(
            f"memory ran out in step {history.steps}, with batch {recipe.batch} at {recipe.size} px in "
            f"{history.arithmetic}; {checkpoints.describe_last(folder)}. Try, in this order: {', then '.join(ladder)}"
        ) from error


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event that is checked between steps, so that no step is left half done."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # Python delivers signals to the main thread only
        return

    def handler(signum, frame):
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    previous = signal.signal(signal.SIGINT, handler)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
