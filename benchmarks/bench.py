"""Measures what the book says about speed and memory, prints it, and keeps it in book/results/bench.json.

Every machine has an entry of its own in the file, so that several stand side by side. A measurement is repeated in
rounds, in each of which every variant has its turn; all values are kept, and the page draws medians and ranges.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from contestants import contestant, seconds_per_step, variants
from quality import EXAMS, seconds_until_good
from trainings import GAMES

from i2i_tutor.data import facades
from i2i_tutor.data.facades.drawing import draw
from i2i_tutor.data.streams import Stream
from i2i_tutor.measuring import results
from i2i_tutor.measuring.provenance import provenance
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.training import checkpoints, fit, has_native_bf16, make_optimisers, play

ROOT = Path(__file__).resolve().parent.parent
CURVE_STEPS, CURVE_WINDOW = 100, 5
Values = dict[str, list[float]]


def machine(device: torch.device) -> str:
    """What a reader would call this machine."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    text = f"{name}, {torch.get_num_threads()} threads"
    return f"{torch.cuda.get_device_name(device)} ({text})" if device.type == "cuda" else text


def rounds_of(variants: dict[str, Callable[[], float]], rounds: int) -> Values:
    """Every variant once to warm up, then ``rounds`` times in turn."""
    for measure in variants.values():
        measure()
    values: Values = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            values[name].append(measure())
    return values


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes. All work here ends by reading a number from the device."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# --- what is measured ------------------------------------------------------------------------------------------------


def steps(device: torch.device, rounds: int, only: str) -> dict[str, Values]:
    """Seconds per step of ``fit``, of ``fit`` without one of its measures, and of the official code's loop.

    All on one and the same batch; what drawing it costs is another part.
    """
    return {name: _steps(name, device, rounds) for name in GAMES if only in name}


def _steps(game: str, device: torch.device, rounds: int) -> Values:
    with ExitStack() as stack:
        started = {name: stack.enter_context(contestant(game, name, device)) for name in variants(game, device)}
        return rounds_of({name: partial(seconds_per_step, one) for name, one in started.items()}, rounds)


def waiting(device: torch.device, rounds: int, only: str) -> dict[str, Values]:
    """The share of a training's time in which it waits for its chapter's data, in the chapter's precision."""
    found = {}
    for name, game in GAMES.items():
        if only in name:
            training = game.training
            method, stream = training.method(game.recipe), training.data(game.recipe, 0)

            def share(method=method, stream=stream, game=game) -> float:
                options = {"device": device, "precision": game.training.precision, "progress": False}
                history = fit(method, stream, game.steps, **options)
                return history.waited / history.seconds

            found[name] = rounds_of({"share": share}, rounds)
    return found


def quality(device: torch.device, rounds: int, only: str) -> dict[str, Values]:
    """Seconds of training, and steps, until the claims of a chapter hold; one round a seed, at most three."""
    found: dict[str, Values] = {}
    for name in EXAMS:
        for way in ("official", "fp32", *(["bf16"] if has_native_bf16(device) else [])) if only in name else ():
            passed = [seconds_until_good(name, seed, way, device) for seed in range(min(rounds, 3))]
            for what, values in zip(("seconds", "steps"), zip(*passed, strict=True), strict=True):
                found.setdefault(name, {})[f"{way}, {what}"] = list(values)
    return found


def _draw(start: int, count: int, size: int) -> None:
    for first in range(start, start + count, 16):
        draw(range(first, first + 16), size)


def world(device: torch.device, rounds: int, only: str) -> dict[str, Values]:
    """Images per second of the drawn façades, with one process and with two."""
    found: dict[str, Values] = {}
    for size, count in ((64, 480), (256, 48)):
        with ProcessPoolExecutor(2) as pool:

            def speed(workers: int, pool=pool, count=count, size=size) -> float:
                starts = [k * count for k in range(workers)]
                took = seconds(lambda: list(pool.map(_draw, starts, [count] * workers, [size] * workers)))
                return workers * count / took

            one, two = (lambda: speed(1)), (lambda: speed(2))
            found[f"{size} px"] = rounds_of({"one process": one, "two processes": two}, rounds)
    return found


def overhead(device: torch.device, rounds: int, only: str) -> dict[str, Any]:
    """Seconds per step with and without logging, and seconds of one checkpoint, at ``fast``."""
    recipe, many = RECIPES["fast"], 40
    data = next(facades.train("procedural", recipe.size, recipe.batch, 0, load_size=recipe.load_size))
    method = Pix2Pix(recipe).to(device)
    stream = Stream(lambda position, rng: data, 0)
    bare_optimisers = make_optimisers(method)
    here = {key: value.to(device) for key, value in data.items()}

    def bare() -> None:
        for step in range(many):
            terms = play(method, bare_optimisers, here, step)
        float(terms["gan"])  # waits for the device

    def logged(flush_every: int) -> Callable[[], object]:
        options = {"device": device, "precision": "fp32", "progress": False, "flush_every": flush_every}
        return lambda: fit(method, stream, many, **options)

    variants = {"no logging": bare, "logged, read every 20 steps": logged(20), "logged, read every step": logged(1)}
    timed = {name: lambda work=work: seconds(work) / many for name, work in variants.items()}
    with tempfile.TemporaryDirectory() as folder:
        fit(method, stream, 2, device=device, precision="fp32", folder=folder, progress=False)
        _, state = checkpoints.load(Path(folder))
        saving = {
            "one checkpoint": lambda: seconds(lambda: checkpoints.save(Path(folder), 2, state, method.settings()))
        }
        saved = rounds_of(saving, rounds)
    return {"seconds per step": rounds_of(timed, rounds), "seconds": saved, "steps": recipe.steps, "checkpoints": 10}


def imports(device: torch.device, rounds: int, only: str) -> Values:
    """Seconds until a fresh Python has imported it."""
    code = {
        "torch alone": "import torch",
        "the package's training": "import i2i_tutor.training",
        "what chapter 1 imports": "from i2i_tutor import chapter, checks, plots; import i2i_tutor.measuring.judges",
        "the command line": "import i2i_tutor.cli",
    }
    timed = {
        name: lambda line=line: seconds(lambda: subprocess.run([sys.executable, "-c", line], check=True))
        for name, line in code.items()
    }
    return rounds_of(timed, rounds)


def memory(device: torch.device, rounds: int, only: str) -> dict[str, Any]:
    """Peak memory in MiB of a fresh process that trains two steps at each profile; and of one that only imports."""
    found = {}
    for profile in ("imports", *RECIPES):
        command = [sys.executable, __file__, "--peak", profile, "--device", device.type]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        found[profile] = json.loads(run.stdout.splitlines()[-1])
    return {"pix2pix": found}


def peak(profile: str, device: torch.device) -> float:
    """Peak memory of this process so far, after two steps."""
    if profile != "imports":
        recipe = RECIPES[profile]
        stream = facades.train("procedural", min(recipe.size, 512), recipe.batch, 0, load_size=recipe.load_size)
        fit(Pix2Pix(recipe), stream, 2, device=device, progress=False)
    return provenance(device)["peak_memory_mib"]


def curves(device: torch.device, rounds: int, only: str) -> dict[str, Any]:
    """The loss terms of one run, once in fp32 and once in bf16: same seed, same data, means of a few steps each."""
    recipe = RECIPES["fast"]
    found: dict[str, Any] = {"steps": CURVE_STEPS, "window": CURVE_WINDOW, "native": has_native_bf16(device)}
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        stream = facades.train("procedural", recipe.size, recipe.batch, 0, load_size=recipe.load_size)
        options = {"device": device, "precision": precision, "progress": False}
        history = fit(Pix2Pix(recipe), stream, CURVE_STEPS, rates=recipe.rates(), **options)
        found[precision] = {
            name: [statistics.fmean(values[k : k + CURVE_WINDOW]) for k in range(0, CURVE_STEPS, CURVE_WINDOW)]
            for name, values in history.terms.items()
        }
    return found


PARTS = {part.__name__: part for part in (steps, waiting, quality, world, overhead, imports, memory, curves)}

OF_GAMES = ("steps", "waiting", "quality")

# --- printing and keeping --------------------------------------------------------------------------------------------


def show(part: str, found: Any, indent: str = "  ") -> None:
    """Print lists of values as a median with its range."""
    for name, value in found.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            show(part, value, indent + "  ")
        elif isinstance(value, list) and part != "curves":
            print(f"{indent}{name:<40} {statistics.median(value):10.4g}   ({min(value):.4g} to {max(value):.4g})")
        elif not isinstance(value, list):
            print(f"{indent}{name:<40} {value}")


def keep(path: Path, name: str, part: str, found: dict[str, Any], about: dict[str, Any]) -> None:
    """Put a part into the machine's entry; of an earlier run other parts stay, and other games of the same part."""
    table = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machines": {}}
    entry = table["machines"].setdefault(name, {})
    earlier = entry.get(part, {}).get("values", {}) if part in OF_GAMES else {}
    entry[part] = {"values": earlier | found, **about}
    results.write(path, table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="one part only; may be repeated")
    parser.add_argument("--game", default="", help="only games whose name holds this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--to", type=Path, default=ROOT / "book/results/bench.json")
    parser.add_argument("--peak", choices=("imports", *RECIPES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.peak:
        print(json.dumps(peak(options.peak, device)))
        return
    name = machine(device)
    about = provenance(device)  # now: keeping the first part makes the working tree differ from its commit
    about.pop("peak_memory_mib")
    print(name)
    for part in options.part or PARTS:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        found = PARTS[part](device, options.rounds, options.game)
        print(part, f"(the machine's load before it: {load:.1f})")
        show(part, found)
        keep(options.to, name, part, found, {"rounds": options.rounds, "load": load, **about})


if __name__ == "__main__":
    main()
