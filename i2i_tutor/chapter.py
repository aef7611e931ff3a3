"""What the cells of every chapter call: open a run, train an arm, record and show what came out, close it."""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from torch import Tensor

from i2i_tutor import plots
from i2i_tutor.film import Film
from i2i_tutor.measuring import results
from i2i_tutor.measuring.claims import judge
from i2i_tutor.measuring.provenance import provenance
from i2i_tutor.methods.base import Method, Recipe
from i2i_tutor.training import BatchStream, History, fit
from i2i_tutor.training.precision import Precision

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
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)  # arm -> metric -> value
    trainings: dict[str, dict[str, Any]] = field(default_factory=dict)
    judge: str | None = None
    began: float = field(default_factory=time.monotonic)

    def fit(
        self,
        arm: str,
        model: Method,
        data: BatchStream,
        film: Film | None = None,
        *,
        precision: Precision = "auto",
    ) -> History:
        """Train one arm ("method", "baseline", ...) by its recipe, note how that went, and say how long it took.

        Its checkpoints stand in the run's folder under the arm's name; a resumed run continues from them.
        """
        history = fit(
            model, data, model.recipe.steps, rates=model.recipe.rates(), device=self.device, precision=precision,
            callbacks=[film] if film else [], folder=self.out / "checkpoints" / arm, resume=self.resume, title=arm,
        )  # fmt: skip
        self.trainings[arm] = {
            "steps": history.steps,
            "seconds": history.seconds,
            "arithmetic": history.arithmetic,
            "interrupted": history.interrupted,
        }
        print(f"{arm}: {history.steps} steps in {history.seconds:.0f} s, {history.arithmetic}")
        return history

    @torch.no_grad()
    def in_parts(self, function: Callable[[Tensor], Tensor], images: Tensor, count: int = 10) -> Tensor:
        """``function`` of all images, ``count`` at a time on the run's device; the answers come back on the CPU."""
        return torch.cat([function(part.to(self.device)).cpu() for part in images.split(count)])

    def record(self, arm: str, metrics: Mapping[str, float]) -> None:
        """Add measured numbers of one arm ("method", "baseline", ...); they end in the results file."""
        self.metrics.setdefault(arm, {}).update(metrics)

    def record_judge(self, report: Mapping[str, Any]) -> None:
        """Note which judge reads this run's pictures, from the report that came with it."""
        self.judge = report["judge"]

    def figure(self, name: str) -> Path:
        """Path under which a figure is kept beside the results."""
        folder = self.out / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def show(self, name: str, figure: Figure) -> None:
        """Show a figure, and keep it beside the results."""
        figure.savefig(self.figure(name))
        display(figure)

    def claims_table(self, predictions: Mapping[str, bool | None]) -> Markdown:
        """The chapter's live claims with what this run has measured, beside what the reader predicted (id → guess).

        At ``smoke``, and if a training was interrupted, nothing is judged: a dash stands in the place of the verdict.
        """
        rows = []
        for verdict in judge([self._results() | {"arm": "this run"}]):
            claim, ((_, decision),) = verdict.claim, verdict.seeds
            guess = predictions.get(claim.id)
            rows.append((claim.text, claim.paper, decision.baseline, decision.value, decision.held, guess))
        return plots.table(["claim (this run)", "paper", "baseline", "method", "held", "you said"], rows)

    def close(self) -> Path:
        """Write ``results.json`` and return its path. Names every metric that is no finite number: it becomes null."""
        for arm, found in self.metrics.items():
            for name, value in found.items():
                if not math.isfinite(value):
                    print(f"{name} of {arm} is {value}; results.json holds null for it, and no claim on it holds")
        path = self.out / "results.json"
        results.write(path, self._results() | {"seconds": time.monotonic() - self.began} | provenance(self.device))
        return path

    def _results(self) -> dict[str, Any]:
        names = ("chapter", "profile", "seed", "source", "parameters", "metrics", "trainings", "judge")
        return {name: getattr(self, name) for name in names}


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
