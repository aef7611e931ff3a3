"""Measure what teaching costs: minutes and memory of each chapter at a profile, and of each assignment.

``python tools/costs.py --profile smoke 01_pix2pix`` runs a chapter, ``python tools/costs.py --assignments`` all
assignments with their solutions; each measurement replaces its row in ``book/results/costs.json``, which the
instructors' page draws. Chapters at `fast` are there already, among the runs that judge the claims (claims.json).

``python tools/costs.py --profile paper 01_pix2pix`` does not run the chapter, which would take days. It takes a few
steps of its method's training, and notes what one takes and how many the recipe has.
"""

import argparse
import json
import math
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from i2i_tutor import assignments, devices
from i2i_tutor.data import attributes, digits, facades, herd, safari, streets, unpaired
from i2i_tutor.data.streams import Stream
from i2i_tutor.files import write_text
from i2i_tutor.measuring import provenance
from i2i_tutor.methods import aggan, cyclegan, matchgan, opgan, pix2pix, pixelda, tunit
from i2i_tutor.methods.base import Method, Recipe
from i2i_tutor.training import fit
from i2i_tutor.training.precision import Precision

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "book/results/costs.json"
STUDENT = "the authors"


@dataclass(frozen=True)
class Training:
    """How a chapter trains its method unless its reader changes something.

    Attributes:
        recipes: of its method, by profile.
        data: function of the recipe's numbers to the chapter's stream.
        early: how many first steps are of another kind than the later ones.
        skipped: numbers of a recipe with which a training begins with the later ones.
    """

    method: type[Method]
    recipes: dict[str, Any]
    data: Callable[[Any], Stream]
    precision: Precision = "fp32"
    early: Callable[[Any], int] = lambda numbers: 0
    skipped: dict[str, Any] = field(default_factory=dict)

    def phases(self, profile: str) -> list[tuple[int, Recipe]]:
        """For each kind of steps how many there are, and a recipe that begins with them."""
        numbers = self.recipes[profile]
        early = self.early(numbers)
        both = [(early, numbers), (numbers.steps - early, replace(numbers, **self.skipped))]
        return [phase for phase in both if phase[0]]


# As the chapters do it; tests/book/test_execution.py compares the data
TRAININGS = {
    "01_pix2pix": Training(
        pix2pix.Pix2Pix, pix2pix.RECIPES,
        lambda its: facades.train("procedural", its.size, its.batch, 0, load_size=its.load_size),
        precision="auto",
    ),
    "02_cyclegan": Training(
        cyclegan.CycleGAN, cyclegan.RECIPES,
        lambda its: unpaired.train("safari", its.size, its.batch, 0, load_size=its.load_size),
    ),
    "03_opgan": Training(
        opgan.OPGAN, opgan.RECIPES, lambda its: streets.train("procedural", its.size, its.batch, 0),
        early=lambda its: its.warm_up, skipped={"warm_up": 0},
    ),
    "04_matchgan": Training(
        matchgan.MatchGAN, matchgan.RECIPES,
        lambda its: attributes.train(
            "faces", its.size, its.batch, 0, labels=64, unlabelled=its.unlabelled, groups=its.groups
        ),
    ),
    "05_pixelda": Training(
        pixelda.PixelDA, pixelda.RECIPES, lambda its: digits.train("digits", its.size, its.batch, 0, ahead=2),
        precision="auto",
    ),
    "06_aggan": Training(
        aggan.AGGAN, aggan.RECIPES,
        lambda its: safari.train("procedural", its.size, its.batch, 0, plants=True, meadow=(0.85, 1 - 0.85)),
        early=lambda its: its.unattended_steps, skipped={"switch": 0.0},
    ),
    "07_tunit": Training(
        tunit.TUNIT, tunit.RECIPES, lambda its: herd.train("procedural", its.size, its.batch, 0),
        early=lambda its: its.warm_up_steps, skipped={"warm_up": 0.0},
    ),
}  # fmt: skip


def chapter(name: str, profile: str) -> dict[str, Any]:
    """Run a chapter in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = ["run", name, "--profile", profile, "--out", str(out)]
        subprocess.run([sys.executable, "-m", "i2i_tutor.cli", *command], cwd=ROOT, check=True)
        found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return {key: found[key] for key in ("seconds", "peak_memory_mib", "device")}


def training(name: str, profile: str = "paper") -> dict[str, Any]:
    """Time some steps of a chapter's training; each phase in a process of its own, whose memory is meant.

    ``seconds_per_step`` is the mean over all steps of the training, so that their number times it is the whole.
    """
    counts = [steps for steps, _ in TRAININGS[name].phases(profile)]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        found = list(pool.map(partial(some_steps, name, profile), range(len(counts))))
    phases = [{"steps": many, "seconds_per_step": one["seconds"]} for many, one in zip(counts, found, strict=True)]
    whole = sum(phase["steps"] * phase["seconds_per_step"] for phase in phases)
    return {
        "steps": sum(counts),
        "seconds_per_step": round(whole / sum(counts), 4),
        "phases": phases,
        "peak_memory_mib": max(one["peak_memory_mib"] for one in found),
        **{key: found[0][key] for key in ("device", "arithmetic")},
    }


def some_steps(name: str, profile: str, phase: int) -> dict[str, Any]:
    """What a step of one phase takes, with its data but without logging, checkpoints and evaluation.

    Steps that differ come round in a period: a generator's turn in every fifth, labels in every other batch. One period
    is to warm up and one is timed; at least two steps are.
    """
    game = TRAININGS[name]
    _, numbers = game.phases(profile)[phase]
    torch.manual_seed(0)
    method, data, device = game.method(numbers), game.data(numbers), devices.find()
    period = math.lcm(data.period, *(turn.every for turn in method.turns))
    timed, clock = max(2, period), []

    def watch(step: int, method: Method) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        clock.append(time.perf_counter())

    options = {"device": device, "precision": game.precision, "callbacks": [watch], "title": name}
    history = fit(method, data, period + timed, **options)
    about = provenance.provenance(device)
    return {
        "seconds": round((clock[-1] - clock[period]) / timed, 4),
        "arithmetic": history.arithmetic,
        **{key: about[key] for key in ("peak_memory_mib", "device")},
    }


def assignment(source: Path) -> dict[str, Any]:
    """Run an assignment's solution; to be called in a process of its own, whose memory is meant."""
    cells = [
        {**cell, "source": f"student = {STUDENT!r}"} if "student" in cell["metadata"].get("tags", []) else cell
        for cell in assignments.read_source(source)
    ]
    began = time.perf_counter()
    wrong = [sentence for _, sentence in assignments.execute(cells) if sentence not in ("", "runs")]
    if wrong:
        raise SystemExit(f"{source.stem}: {wrong[0]}")
    seconds = time.perf_counter() - began
    about = provenance.provenance(torch.device("cpu"))
    return {"seconds": round(seconds, 1), **{key: about[key] for key in ("peak_memory_mib", "device")}}


def record(what: str, profile: str, row: dict[str, Any]) -> None:
    """Put a row into the file, in the place of the one that was there."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["rows"] if FILE.exists() else []
    rows = [other for other in rows if (other["what"], other["profile"]) != (what, profile)]
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    rows.append({"what": what, "profile": profile, **row, "git_commit": commit.stdout.strip()})
    rows.sort(key=lambda each: (each["what"], each["profile"]))
    write_text(FILE, json.dumps({"rows": rows}, indent=1, sort_keys=True) + "\n")
    took = f"{row['seconds']:.0f} s" if "seconds" in row else f"{row['seconds_per_step']:.3g} s a step"
    print(f"{what}, {profile}: {took}, {row['peak_memory_mib']:.0f} MiB", flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="01_pix2pix ...")
    parser.add_argument("--profile", default="smoke", choices=["smoke", "fast", "paper"], help="paper: some steps")
    parser.add_argument("--assignments", action="store_true", help="all assignments, with their solutions")
    parser.add_argument("--assignment", type=Path, help=argparse.SUPPRESS)  # one, in this process
    options = parser.parse_args()
    if options.assignment:
        print(json.dumps(assignment(options.assignment)), file=sys.__stderr__)
        return
    for name in options.chapters:
        row = training(name) if options.profile == "paper" else chapter(name, options.profile)
        record(name, options.profile, row)
    for source in sorted((ROOT / "assignments").glob("[0-9]*.py")) if options.assignments else ():
        command = [sys.executable, __file__, "--assignment", str(source)]
        run = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
        )
        record(f"assignments/{source.stem}", "assignment", json.loads(run.stderr.splitlines()[-1]))


if __name__ == "__main__":
    main()
