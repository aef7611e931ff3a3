"""The one training loop: ``fit`` takes many steps of any method and can be interrupted and resumed."""

import json
import math
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from i2i_tutor import devices, processes
from i2i_tutor.methods.base import Batch, Method
from i2i_tutor.progress import bar as progress_bar
from i2i_tutor.schedules import Schedule, constant
from i2i_tutor.training import checkpoints
from i2i_tutor.training.play import make_optimisers, play
from i2i_tutor.training.precision import Precision, autocast


class BatchStream(Protocol):
    """What ``fit`` asks of a data stream; see ``i2i_tutor.data.streams``."""

    def __next__(self) -> Batch: ...
    def share(self, rank: int, count: int) -> "BatchStream": ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Callback(Protocol):
    """Looks at a training without changing it. Called with the number of steps done, first before any is taken.

    One that has ``state_dict`` and ``load_state_dict`` (tensors and plain values) finds its memory again on resume.
    """

    def __call__(self, step: int, method: Method) -> None: ...


class TrainingError(RuntimeError):
    """A training cannot go on; the message says why, in which step, and names the last whole checkpoint."""


@dataclass
class History:
    """What happened in a training.

    Attributes:
        terms: for every term its values, and in ``at`` the steps (from 0) in which they were computed.
        steps: steps done.
        seconds: time spent, over all sessions of a resumed run.
        interrupted: whether Ctrl-C ended it early.
        arithmetic: what was computed in, for the record: ``"fp32"`` or ``"bf16"``.
    """

    terms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    at: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    steps: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    arithmetic: str = "fp32"

    def mean(self, term: str, last: int = 100) -> float:
        """Mean of a term's last values."""
        values = self.terms.get(term, [])[-last:]
        return math.fsum(values) / len(values) if values else math.nan


class _Recorder:
    """Keeps terms on the device until they are asked for, so that logging never waits for the device."""

    def __init__(self, history: History):
        self.history = history
        self.pending: list[tuple[int, dict[str, Tensor]]] = []

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        self.pending.append((step, terms))

    def flush(self, folder: Path | None) -> None:
        """Move the pending terms into the history; raise at the first that is not finite."""
        if not self.pending:
            return
        flat = torch.stack([term.float() for _, terms in self.pending for term in terms.values()])
        values = iter(processes.mean(flat).tolist())
        for step, terms in self.pending:
            for name in terms:
                value = next(values)
                if not math.isfinite(value):
                    self.pending.clear()
                    raise TrainingError(
                        f"the term {name!r} is {value} in step {step}; {checkpoints.describe_last(folder)}. "
                        "Likely causes: a learning rate that is too high, a division or logarithm of zero in a loss, "
                        "or images outside [-1, 1]"
                    )
                self.history.terms[name].append(value)
                self.history.at[name].append(step)
        self.pending.clear()


def fit(
    method: Method,
    stream: BatchStream,
    steps: int,
    *,
    rates: Schedule = constant,
    device: torch.device | str = "cpu",
    precision: Precision = "auto",
    callbacks: Sequence[Callback] = (),
    folder: Path | str | None = None,
    save_every: int | None = None,
    resume: bool = False,
    flush_every: int = 20,
    progress: bool | None = None,
    title: str | None = None,
) -> History:
    """Train ``method`` for ``steps`` steps on batches from ``stream``.

    Knows nothing about any paper. With ``folder`` it writes a checkpoint every ``save_every`` steps (by default ten
    times) and at the end; ``resume=True`` continues from the last whole one, **bit for bit** as if never interrupted
    (on a GPU as far as its kernels are deterministic).
    Ctrl-C ends it after the step in progress and returns what it has; a second Ctrl-C ends it at once.

    Within a process group (``i2i_tutor.processes``) every process takes its share of the stream and gradients are
    averaged, so one step looks at as many batches as there are processes. Process 0 watches and reports; each writes a
    checkpoint file of its own into the folder, which all of them must see. Ctrl-C then waits for the next flush.

    Args:
        rates: factor on every learning rate as a function of the step, for example ``schedule(recipe)``.
        precision: "auto" takes bf16 where the device computes it natively, else fp32.
        callbacks: called with (steps done, method), at the start (of a resumed training: with the steps done earlier)
            and after each step; under a forked random state and without gradient, so that watching changes nothing.
        flush_every: how many steps of terms stay on the device before they are read and checked.
        progress: whether to show a bar; by default unless the environment variable ``I2I_QUIET`` is set.

    Raises:
        TrainingError: a term is NaN or infinite, or the weights that a checkpoint would hold; or memory ran out.
        ValueError: several processes train a method whose batches cannot be divided.
        CheckpointError: a checkpoint cannot be written or read, or belongs to other settings.
    """
    device = devices.find(device)
    folder = Path(folder) if folder is not None else None
    context = autocast(device, precision)
    history = History(arithmetic="fp32" if context is nullcontext else "bf16")
    several = processes.count() > 1
    if several and (reason := method.couples()):
        raise ValueError(f"{method.name} cannot be trained by {processes.count()} processes: {reason}")
    with _memory_explained(method, history, folder):
        method.to(device).train().zero_grad()  # a learner may have tried a backward() before
    if several:
        stream = stream.share(processes.rank(), processes.count())
    optimisers = make_optimisers(method)
    base_rates = {name: [group["lr"] for group in o.param_groups] for name, o in optimisers.items()}
    callbacks = callbacks if processes.rank() == 0 else ()
    start = 0
    if resume and folder is not None and checkpoints.manifest(folder) is not None:
        start = _restore(folder, method, optimisers, stream, history, callbacks)
    else:
        if folder is not None:
            checkpoints.remove(folder)
        if several:
            processes.start_equal(method)
            torch.manual_seed(torch.initial_seed() + processes.rank())  # noise and dropout differ, the weights do not
    if steps < start:
        raise checkpoints.CheckpointError(f"{folder} is already at step {start}; {steps} steps were asked for")
    save_every = save_every or max(1, math.ceil(steps / 10))
    recorder = _Recorder(history)
    title = f"{title or method.name}, {history.arithmetic}" + (f" x {processes.count()}" if several else "")
    bar = progress_bar(steps, start, title, shown=progress if processes.rank() == 0 else False)
    began, earlier = time.monotonic(), history.seconds

    def save(done: int) -> None:
        recorder.flush(folder)
        history.seconds = earlier + time.monotonic() - began
        if folder is not None:
            _check_weights(method, done, folder)  # so that no checkpoint ever holds a poisoned network
            checkpoints.save(folder, done, _state(method, optimisers, stream, history, callbacks), method.settings())

    done = start
    try:
        with _memory_explained(method, history, folder), _deferred_interrupt() as interrupted:
            _watch(callbacks, start, method)
            for step in range(start, steps):
                batch = _move(next(stream), device)
                factor = rates(step)
                for name, optimiser in optimisers.items():
                    for group, rate in zip(optimiser.param_groups, base_rates[name], strict=True):
                        group["lr"] = rate * factor
                recorder.add(step, play(method, optimisers, batch, step, context))
                done = history.steps = step + 1
                bar.update()
                if done % flush_every == 0:
                    recorder.flush(folder)
                    terms = {name: f"{values[-1]:.3f}" for name, values in history.terms.items()}
                    bar.set_postfix(terms, refresh=False)
                if folder is not None and done % save_every == 0 and done < steps:
                    save(done)
                _watch(callbacks, done, method)
                stop = interrupted.is_set()
                if several:  # they stop together, where they wait for each other anyway
                    stop = done % flush_every == 0 and processes.anywhere(stop, device)
                if stop:
                    history.interrupted = done < steps
                    break
        save(done)
    finally:
        bar.close()
    return history


def _move(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cuda":  # only from pinned memory does a copy not wait for the device
        return {key: value.pin_memory().to(device, non_blocking=True) for key, value in batch.items()}
    return {key: value.to(device) for key, value in batch.items()}


def _check_weights(method: Method, done: int, folder: Path) -> None:
    """Raise where a gradient has poisoned a network although every term was finite."""
    names, weights = zip(*method.named_parameters(), strict=True)
    finite = torch.stack([weight.detach().isfinite().all() for weight in weights]).tolist()
    for name, fine in zip(names, finite, strict=True):
        if not fine:
            raise TrainingError(
                f"{name} is NaN or infinite after {done} steps, although every term was finite; "
                f"{checkpoints.describe_last(folder)}. Likely cause: a root or logarithm whose gradient is infinite"
            )


@contextmanager
def _memory_explained(method: Method, history: History, folder: Path | None) -> Iterator[None]:
    """Turn what torch raises where memory runs out, on several lines, into a sentence with a way out."""
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


def _watch(callbacks: Sequence[Callback], done: int, method: Method) -> None:
    if callbacks:
        cuda = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
        with torch.random.fork_rng(devices=cuda), torch.no_grad():
            for callback in callbacks:
                callback(done, method)


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event that is looked at between steps, so that no step is left half done."""
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


def _state(
    method: Method,
    optimisers: dict[str, Optimizer],
    stream: BatchStream,
    history: History,
    callbacks: Sequence[Callback],
) -> dict[str, Any]:
    return {
        "method": method.state_dict(),
        "optimisers": {name: optimiser.state_dict() for name, optimiser in optimisers.items()},
        "stream": stream.state_dict(),
        "history": {
            "terms": dict(history.terms),
            "at": dict(history.at),
            "steps": history.steps,
            "seconds": history.seconds,
            "arithmetic": history.arithmetic,
        },
        "callbacks": [callback.state_dict() for callback in _remembering(callbacks)],
        "random": {
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        },
    }


def _remembering(callbacks: Sequence[Callback]) -> list[Any]:
    return [callback for callback in callbacks if hasattr(callback, "state_dict")]


def _restore(
    folder: Path,
    method: Method,
    optimisers: dict[str, Optimizer],
    stream: BatchStream,
    history: History,
    callbacks: Sequence[Callback],
) -> int:
    about, state = checkpoints.load(folder, processes.rank(), processes.count())
    wanted = json.loads(json.dumps(method.settings()))
    saved = {key: about.get(key) for key in wanted}
    if saved != wanted:
        old, new = saved.get("recipe") or {}, wanted["recipe"]
        differ = [f"{key} = {old.get(key)}, not {new[key]}" for key in new if old.get(key) != new[key]]
        raise checkpoints.CheckpointError(
            f"{folder} holds a run of {saved['method']} with {', '.join(differ) or 'another recipe'}; "
            "choose another folder or start anew with resume=False"
        )
    if state["history"]["arithmetic"] != history.arithmetic:
        raise checkpoints.CheckpointError(
            f"{folder} was trained in {state['history']['arithmetic']}, this run would use {history.arithmetic}; "
            "say precision= to continue as before"
        )
    method.load_state_dict(state["method"])
    for name, optimiser in optimisers.items():
        optimiser.load_state_dict(state["optimisers"][name])
    try:
        stream.load_state_dict(state["stream"])
    except ValueError as error:
        raise checkpoints.CheckpointError(f"{folder} belongs to another run: {error}") from error
    history.terms.update(state["history"]["terms"])
    history.at.update(state["history"]["at"])
    history.steps, history.seconds = state["history"]["steps"], state["history"]["seconds"]
    for callback, seen in zip(_remembering(callbacks), state.get("callbacks", []), strict=False):
        callback.load_state_dict(seen)
    torch.set_rng_state(state["random"]["cpu"])
    if state["random"]["cuda"]:
        torch.cuda.set_rng_state_all(state["random"]["cuda"])
    return int(about["step"])
