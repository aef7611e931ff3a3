"""What the cells of every chapter call: open a run, train an arm, record and show what came out, close it."""

import ast
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from torch import Tensor

from i2i_tutor import devices, parameters, plots
from i2i_tutor.film import Film
from i2i_tutor.measuring import results
from i2i_tutor.measuring.claims import decide
from i2i_tutor.measuring.provenance import provenance
from i2i_tutor.methods.base import Method, Recipe
from i2i_tutor.parameters import Parameter, ParameterError, Profile, Range
from i2i_tutor.training import BatchStream, History, fit
from i2i_tutor.training.checkpoints import MANIFEST
from i2i_tutor.training.precision import Precision


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

        Its checkpoints stand in the run's folder under the arm's name; a resumed run continues from them, any other
        begins anew: the folder is this run's alone, so what it replaces was the same training.
        """
        history = fit(
            model, data, device=self.device, precision=precision, callbacks=[film] if film else [], title=arm,
            folder=self.out / "checkpoints" / arm, resume=self.resume, overwrite=not self.resume,
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

    def show(self, name: str, figure: Figure | plots.Grid) -> None:
        """Show a figure, and keep it beside the results."""
        figure.savefig(self.figure(name))
        display(figure)

    def claims_table(self, predictions: Mapping[str, bool | None]) -> Markdown:
        """The chapter's live claims with what this run has measured, beside what the reader predicted (id → guess).

        At ``smoke``, and if a training was interrupted, nothing is judged: the verdict is a dash.
        """
        rows = []
        for verdict in decide([self._results() | {"arm": "this run"}]):
            claim, ((_, decision),) = verdict.claim, verdict.seeds
            guess = predictions.get(claim.id)
            rows.append((decision.held, guess, claim.text, claim.paper, decision.baseline, decision.value))
        return plots.table(["held", "you said", "claim (this run)", "paper", "baseline", "method"], rows)

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


# --- the parameters ------------------------------------------------------------------------------------------------


class Common:
    """The parameters that every chapter has, besides its own and the numbers of its recipe."""

    profile: Annotated[Profile | None, 'the size of everything; None: $I2I_PROFILE, or else "fast"'] = None
    seed: Annotated[int, Range(0, 2**31 - 1), "of weights, data and noise"] = 0
    device: Annotated[Literal["cpu", "cuda"] | None, "where to compute; None: on a GPU if there is one"] = None
    out: Annotated[str | None, "folder of the results; None: one under runs/, named by the parameters"] = None
    resume: Annotated[bool, "continue an interrupted run"] = False
    allow_slow: Annotated[bool, "really run the paper's profile on a CPU"] = False


def declared(recipes: Mapping[str, Recipe], own: type, numbers: tuple[str, ...]) -> dict[str, Parameter]:
    """All parameters of a chapter: the common ones, its own, and numbers of its recipe (None: the profile's)."""
    known = parameters.of_class(type(next(iter(recipes.values()))))
    offered = {name: replace(known[name], optional=True, default=None) for name in ("steps", *numbers)}
    return {**parameters.of_class(Common), **parameters.of_class(own), **offered}


def open_run(
    namespace: Mapping[str, Any],
    chapter: str,
    recipes: Mapping[str, Recipe],
    own: type,
    *,
    numbers: tuple[str, ...],
    slow: str,
) -> Run:
    """Check the chapter's parameters, seed torch, and say what will be computed where.

    Args:
        namespace: the notebook's ``globals()``, in which the parameters cell has set the values.
        chapter: its name, for example "01_pix2pix".
        recipes: the method's recipe for every profile.
        own: a class that declares the parameters of this chapter alone, ``source`` among them.
        numbers: which numbers of the recipe are parameters too, besides ``steps``.
        slow: what the paper's profile costs, in words; said if it is asked for without a GPU.

    Raises:
        ParameterError: one sentence per wrong value, and for every name that papermill passed and no cell declares.
    """
    known = declared(recipes, own, numbers)
    values = _values(namespace, known)
    profile = values["profile"] or parameters.default_profile()
    device = devices.find(values["device"])
    if profile == "paper" and device.type == "cpu" and not values["allow_slow"]:
        raise ParameterError(
            f"profile 'paper' on a CPU: {slow}. If you mean it, set allow_slow=True, perhaps with steps=1"
        )
    changes = {name: values[name] for name in ("steps", *numbers) if values[name] is not None}
    recipe = replace(recipes[profile], **changes)
    seed, source = values["seed"], values["source"]
    given = {name: value for name, value in values.items() if name not in _APART and value is not None}
    folder = Path(values["out"] or parameters.default_folder(chapter, known, values))
    run = {"chapter": chapter, "profile": profile, "seed": seed, "source": source, "parameters": given}
    _claim(folder, run, anew=values["out"] is not None and not values["resume"])
    torch.manual_seed(seed)
    print(f"{chapter}: profile {profile}, seed {seed}, {source} data, {recipe.steps} steps on {device}, into {folder}")
    return Run(chapter, profile, seed, source, recipe, device, folder, values["resume"], given)


_APART = ("profile", "seed", "source", "device", "out", "resume", "allow_slow")  # not among a run's `parameters`


def _values(namespace: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, Any]:
    missing = [name for name in known if name not in namespace]
    if missing:
        raise ParameterError(f"{missing[0]} has no value; run the cell of parameters first, with a line for each")
    names = dict.fromkeys([*known, *_injected(namespace)])
    return parameters.normalise(known, {name: namespace[name] for name in names})


def _injected(namespace: Mapping[str, Any]) -> list[str]:
    """The names that papermill has set: its cell begins with "# Parameters", and IPython keeps every cell in ``In``."""
    cells = [cell for cell in namespace.get("In", ()) if cell.startswith("# Parameters\n")]
    assignments = [node for node in ast.parse(cells[-1] if cells else "").body if isinstance(node, ast.Assign)]
    return [target.id for node in assignments for target in node.targets if isinstance(target, ast.Name)]


def _claim(folder: Path, run: dict[str, Any], anew: bool) -> None:
    """Make a run's folder. One that holds the results of another run is refused, since they would be overwritten.

    ``anew``: so is one with trainings of an unknown run, since they would be trained over.
    """
    path = folder / "results.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else results.rounded(run)
        unfinished = not path.exists() and any((folder / "checkpoints").glob(f"*/{MANIFEST}"))
        folder.mkdir(parents=True, exist_ok=True)
    except (json.JSONDecodeError, RecursionError):
        found = None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"out cannot be the folder {str(folder)[:100]!r}: {reason}") from error
    if not isinstance(found, dict) or {name: found.get(name) for name in run} != results.rounded(run):
        raise ParameterError(f"{folder} holds the results of another run; choose another folder as out, or remove it")
    if anew and unfinished:
        raise ParameterError(
            f"{folder} holds trainings of a run that did not come to its end; continue them with resume=True, choose "
            "another folder as out, or remove it"
        )
