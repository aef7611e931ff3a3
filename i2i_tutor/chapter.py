"""What the first and the last cell of every chapter call: open a run, and close it with a table of claims."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from i2i_tutor.measuring import results
from i2i_tutor.methods.base import Recipe
from i2i_tutor.training import History

PROFILES = ("smoke", "fast", "paper")
DEVICES = ("cpu", "cuda")


@dataclass
class Run:
    """One execution of a chapter: its checked parameters, its folder, and what it has measured so far."""

    chapter: str
    profile: str
    seed: int
    source: str
    recipe: Recipe
    device: torch.device
    out: Path
    resume: bool
    parameters: dict[str, Any]
    metrics: results.Metrics = field(default_factory=dict)
    trainings: dict[str, dict[str, Any]] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def checkpoints(self, name: str) -> Path:
        """Folder for the checkpoints of one training of this run."""
        return self.out / "checkpoints" / name

    def figure(self, name: str) -> Path:
        """Path under which a figure is kept beside the results."""
        folder = self.out / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def record(self, arm: str, metrics: Mapping[str, float]) -> None:
        """Add measured numbers of one arm ("method", "baseline", ...); they end in the results file."""
        self.metrics.setdefault(arm, {}).update(metrics)

    def trained(self, arm: str, history: History) -> None:
        """Note how an arm was trained: steps, seconds, arithmetic, and whether it was interrupted."""
        self.trainings[arm] = {
            "steps": history.steps,
            "seconds": history.seconds,
            "arithmetic": history.arithmetic,
            "interrupted": history.interrupted,
        }

    def judged(self) -> list[dict[str, Any]]:
        """The chapter's live claims with what was measured.

        At ``smoke``, and where a training was interrupted, nothing is judged: ``held`` is None.
        """
        rows = [claim.judge(self.metrics) for claim in results.claims(self.chapter) if claim.live]
        counts = self.profile != "smoke" and not any(one["interrupted"] for one in self.trainings.values())
        return [row if counts else row | {"held": None} for row in rows if row]

    def close(self) -> Path:
        """Write ``results.json`` and return its path."""
        path = self.out / "results.json"
        results.write(
            path,
            {
                "chapter": self.chapter,
                "profile": self.profile,
                "seed": self.seed,
                "source": self.source,
                "parameters": self.parameters,
                "metrics": self.metrics,
                "trainings": self.trainings,
                "claims": self.judged(),
                "seconds": time.monotonic() - self.began,
                **results.provenance(self.device),
            },
        )
        return path


def open_run(
    chapter: str,
    recipes: Mapping[str, Recipe],
    sources: tuple[str, ...],
    *,
    profile: str | None,
    seed: int,
    source: str,
    steps: int | None,
    device: str | None,
    out: str | None,
    resume: bool,
    allow_slow: bool,
    slow: str = "",
    own: Mapping[str, Any] | None = None,
    **numbers: Any,
) -> Run:
    """Check a chapter's parameters, seed torch, and say what will be computed where.

    Args:
        chapter: its name, for example "01_pix2pix".
        recipes: the method's recipe for every profile.
        sources: the worlds and real sets that the chapter knows.
        slow: what the paper's profile costs, in words; printed when it is asked for without a GPU.
        own: the chapter's own parameters, which are no numbers of the recipe; noted in the results.
        numbers: the method's own parameters; None means the recipe's.

    Raises:
        ValueError: one sentence that names the parameter, its value and what was expected.
    """
    profile = profile or os.environ.get("I2I_PROFILE") or "fast"
    _choice("profile", profile, PROFILES)
    _choice("source", source, sources)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise ValueError(f"seed is {seed!r}; expected a whole number from 0 to {2**31 - 1}")
    for name, value in {"resume": resume, "allow_slow": allow_slow}.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; expected True or False")
    if not (out is None or isinstance(out, str)) or (isinstance(out, str) and "\0" in out):
        raise ValueError(f"out is {out!r}; expected the name of a folder")
    place = _device(device)
    if profile == "paper" and place.type == "cpu" and not allow_slow:
        raise ValueError(f"profile 'paper' on a CPU: {slow}. If you mean it, set allow_slow=True, perhaps with steps=1")
    recipe = _recipe(recipes[profile], steps, numbers)
    folder = Path(out or f"runs/{chapter}")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    given = {"steps": steps, "resume": resume, **(own or {}), **numbers}
    parameters = {name: value for name, value in given.items() if value is not None}
    print(f"{chapter}: profile {profile}, seed {seed}, {source} data, {recipe.steps} steps on {place}")
    return Run(chapter, profile, seed, source, recipe, place, folder, resume, parameters)


def _recipe(recipe: Recipe, steps: int | None, numbers: Mapping[str, Any]) -> Recipe:
    known = {f.name for f in fields(recipe)}
    changes = {name: value for name, value in {"steps": steps, **numbers}.items() if value is not None}
    for name, value in changes.items():
        if name not in known:
            raise ValueError(f"{name} is no number of a {type(recipe).__name__}; it has {', '.join(sorted(known))}")
        default = getattr(recipe, name)
        wanted = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(default, bool)):
            raise ValueError(f"{name} is {value!r}; expected a value like {default!r}")
    return replace(recipe, **changes)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    _choice("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch sees no GPU here")
    return torch.device(name)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}")
