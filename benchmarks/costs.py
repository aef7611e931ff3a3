"""Measure what teaching costs: minutes and memory of each chapter at a profile, and of each assignment.

``python benchmarks/costs.py --profile smoke 01_pix2pix`` runs a chapter, ``--assignments`` runs all assignments with
their solutions; each measurement replaces its row in ``book/results/costs.json``, which the instructors' page draws.
Chapters at `fast` are there already, among the runs that judge the claims (claims.json).

``--profile paper 01_pix2pix`` does not run the chapter, which would take days. It takes a few steps of its method's
training, and notes what one takes and how many the recipe has.
"""

import argparse
import json
import math
import multiprocessing
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from trainings import TRAININGS

from i2i_tutor import assignments, devices
from i2i_tutor.files import write_text
from i2i_tutor.measuring import provenance
from i2i_tutor.methods.base import Method
from i2i_tutor.training import fit

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "book/results/costs.json"
STUDENT = "the authors"


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
    method, data, device = game.method(numbers), game.data(numbers, 0), devices.find()
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
