"""A training under way: everything that changes with its steps, and so goes into its checkpoints."""

import json
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.optim import Optimizer

from i2i_tutor import processes
from i2i_tutor.methods.base import Batch, Method
from i2i_tutor.training import checkpoints
from i2i_tutor.training.checkpoints import CheckpointError
from i2i_tutor.training.history import History, Recorder, TrainingError


@runtime_checkable
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


@dataclass
class Session:
    """A method, who moves it, what it sees and what has happened so far; with a ``folder``, what of it is on disk."""

    method: Method
    optimisers: dict[str, Optimizer]
    stream: BatchStream
    history: History
    callbacks: Sequence[Callback] = ()
    folder: Path | None = None
    recorder: Recorder = field(init=False)
    saved: int | None = field(default=None, init=False)  # the step of the checkpoint on disk
    began: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self):
        self.recorder = Recorder(self.history)
        self._rates = {name: [group["lr"] for group in o.param_groups] for name, o in self.optimisers.items()}

    def begin(self, resume: bool, overwrite: bool) -> None:
        """Go on from the folder's checkpoint, if there is one and ``resume`` says so; otherwise from the beginning.

        Raises CheckpointError if the checkpoint belongs to another training, or if there is one and neither ``resume``
        nor ``overwrite`` is set.
        """
        about = checkpoints.manifest(self.folder) if self.folder else None
        if self.folder and about and resume:
            (step, *_) = checkpoints.together(self._restore)
            checkpoints.tidy(self.folder)
            self.saved, self.began = step, time.monotonic() - self.history.seconds
            return
        if about and not overwrite:
            raise CheckpointError(
                f"{self.folder} holds a training of {about['method']} at step {about['step']}; go on with resume=True, "
                "replace it with overwrite=True, or choose another folder"
            )
        if self.folder:
            checkpoints.remove(self.folder)
        if processes.count() > 1:
            processes.start_equal(self.method)
            torch.manual_seed(torch.initial_seed() + processes.rank())  # noise and dropout differ, the weights do not

    def set_rates(self, step: int, factor: float) -> None:
        """Make every learning rate ``factor`` times what its optimiser began with."""
        number = isinstance(factor, int | float | np.number)
        if not number or not 0 <= factor < math.inf:  # also true for NaN
            raise ValueError(f"rates({step}) is {factor!r}; expected a factor of 0 or more")
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self._rates[name], strict=True):
                group["lr"] = rate * factor

    def watch(self) -> None:
        """Show the method to the callbacks, under a forked random state and without gradient: nothing changes."""
        if self.callbacks:
            cuda = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
            with torch.random.fork_rng(devices=cuda), torch.no_grad():
                for callback in self.callbacks:
                    callback(self.history.steps, self.method)

    def save(self) -> None:
        """Read the pending terms, and write a checkpoint of this step, unless it is on disk already."""
        self.recorder.flush(self.folder)
        self.history.seconds = time.monotonic() - self.began
        if self.folder and self.saved != self.history.steps:
            self._check_weights()  # so that no checkpoint ever holds a poisoned network
            checkpoints.save(self.folder, self.history.steps, self.state_dict(), self.method.settings())
            self.saved = self.history.steps

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        history = self.history
        return {
            "method": self.method.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "stream": self.stream.state_dict(),
            "history": {
                "terms": dict(history.terms),
                "at": dict(history.at),
                "steps": history.steps,
                "seconds": history.seconds,
                "waited": history.waited,
                "arithmetic": history.arithmetic,
            },
            "callbacks": [callback.state_dict() for callback in self._remembering()],
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The opposite of ``state_dict``."""
        self.method.load_state_dict(state["method"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
            for weight, memory in optimiser.state.items():  # a fused Adam looks at addresses only
                for key, value in memory.items():
                    if not isinstance(value, torch.Tensor) or not value.ndim:
                        continue
                    if value.shape != weight.shape:
                        raise ValueError(f"the optimiser of {name!r} remembers weights of another shape")
                    memory[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
        self.stream.load_state_dict(state["stream"])
        past = state["history"]
        self.history.terms.update({name: [float(value) for value in values] for name, values in past["terms"].items()})
        self.history.at.update({name: [int(step) for step in steps] for name, steps in past["at"].items()})
        self.history.steps, self.history.seconds = int(past["steps"]), float(past["seconds"])
        self.history.waited = float(past.get("waited", 0.0))
        for callback, seen in zip(self._remembering(), state["callbacks"], strict=False):
            callback.load_state_dict(seen)
        torch.set_rng_state(state["random"]["cpu"])
        if state["random"]["cuda"]:
            torch.cuda.set_rng_state_all(state["random"]["cuda"])

    def _remembering(self) -> list[Any]:
        return [callback for callback in self.callbacks if hasattr(callback, "state_dict")]

    def _restore(self) -> int:
        assert self.folder is not None
        about, state = checkpoints.load(self.folder, processes.rank(), processes.count())
        self._compare(about)
        try:
            if state["history"]["steps"] != about["step"]:
                raise ValueError(f"its manifest says step {about['step']}, its state {state['history']['steps']!r}")
            if (before := state["history"]["arithmetic"]) != self.history.arithmetic:
                raise CheckpointError(
                    f"{self.folder} was trained in {before}, this run would use {self.history.arithmetic}; "
                    f"continue as before with precision={before!r} or I2I_PRECISION={before}"
                )
            self.load_state_dict(state)
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{self.folder} belongs to another run: {error}") from error
        except Exception as error:  # of many kinds, as the file can hold anything under any name
            missing = f"no {error}" if isinstance(error, KeyError) else "not what its method and optimisers need"
            raise CheckpointError(f"{self.folder} holds a damaged checkpoint: {missing}") from error
        return about["step"]

    def _compare(self, about: dict[str, Any]) -> None:
        """Raise unless the manifest tells of this method and recipe; only how long it trains may have changed.

        A number that the recipe did not have yet when the manifest was written had what is now its default.
        """
        old = {"method": about["method"], **about["recipe"]}
        settings = self.method.settings()
        new = {"method": settings["method"], **json.loads(json.dumps(settings["recipe"]))}
        if old["method"] == new["method"]:
            for number in fields(self.method.recipe):
                if number.default is not MISSING:
                    old.setdefault(number.name, number.default)
        differ = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if differ and differ != ["steps"]:
            raise CheckpointError(
                f"{self.folder} holds a run of {about['method']} with "
                f"{', '.join(f'{name} = {old.get(name)}, not {new.get(name)}' for name in differ)}; only the recipe's "
                "steps may change: choose another folder, or start anew with overwrite=True"
            )
        if differ:
            warnings.warn(
                f"{self.folder} was trained with a recipe of {old.get('steps')} steps, which now has {new['steps']}; "
                f"from step {about['step']} on the learning rates follow the new length",
                stacklevel=2,
            )

    def _check_weights(self) -> None:
        """Raise if a gradient has poisoned a network although every term was finite."""
        names, weights = zip(*self.method.named_parameters(), strict=True)
        finite = torch.stack([weight.detach().isfinite().all() for weight in weights]).tolist()
        for name, fine in zip(names, finite, strict=True):
            if not fine:
                raise TrainingError(
                    f"{name} is NaN or infinite after {self.history.steps} steps, although every term was finite; "
                    f"{checkpoints.describe_last(self.folder)}. "
                    "Likely cause: a root or logarithm whose gradient is infinite"
                )
