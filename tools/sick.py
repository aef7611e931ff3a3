"""Six ill trainings and a healthy one, for the page that asks when to stop: curves and pictures of each.

python tools/sick.py [NAME ...]        all of them, or those named; a minute or two each on one core

Writes book/results/sick.json (curves) and book/results/sick_NAME.webp (what five fixed plans become, at a few steps).
Each differs from the healthy one, a short pix2pix at `fast`, in the one thing that its entry in RUNS says.
"""

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from i2i_tutor.data import facades
from i2i_tutor.data.streams import Stream
from i2i_tutor.files import write_atomically
from i2i_tutor.film import strip
from i2i_tutor.measuring import results
from i2i_tutor.measuring.provenance import provenance
from i2i_tutor.methods.base import Scene, Turn
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix, Pix2PixRecipe
from i2i_tutor.training import fit
from i2i_tutor.training.history import TrainingError

FOLDER = Path(__file__).resolve().parents[1] / "book/results"
STEPS, EACH, SEED = 300, 10, 0  # steps of a training; of one point of a curve
FRAMES = (0, 10, 30, 100, 200, 300)
HEALTHY = replace(RECIPES["fast"], steps=STEPS, average=0.0)


def greedy(method: Pix2Pix) -> None:
    """D moves five times for every step of G."""
    first, generator = method.turns

    def again(scene: Scene, number: int) -> dict[str, torch.Tensor]:
        return {f"discriminator {number}": method.discriminator_loss(scene)["discriminator"]}

    more = range(2, 6)
    for number in more:
        setattr(method, f"again_{number}", partial(again, number=number))
    method.turns = (first, *(Turn(f"again_{number}", first.moves) for number in more), generator)


def mixed(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every plan beside another house's photograph: the files of two folders were not in the same order."""
    return batch | {"target": batch["target"].roll(1, 0)}


def stream(recipe: Pix2PixRecipe) -> Stream:
    """The houses of chapter 1."""
    return facades.train("procedural", recipe.size, recipe.batch, SEED, load_size=recipe.load_size)


def few(recipe: Pix2PixRecipe) -> Stream:
    """Eight houses, again and again."""
    source = stream(recipe)
    batches = [next(source) for _ in range(8 // recipe.batch)]
    return Stream(lambda position, rng: batches[position % len(batches)], SEED)


# name → recipe, what is done to the method, where its pictures come from
RUNS: dict[str, tuple[Pix2PixRecipe, Callable[[Pix2Pix], None] | None, Callable[[Pix2PixRecipe], Any]]] = {
    "healthy": (HEALTHY, None, stream),
    "d_wins": (replace(HEALTHY, lambda_pixel=0.0, patch_layers=3), greedy, stream),
    "no_input": (replace(HEALTHY, lambda_pixel=0.0, adversary="unconditional"), None, stream),
    "long_steps": (replace(HEALTHY, learning_rate=30 * HEALTHY.learning_rate), None, stream),
    "heavy_l1": (replace(HEALTHY, lambda_pixel=3000.0), None, stream),
    "mixed_pairs": (HEALTHY, None, lambda recipe: stream(recipe).mapped(mixed, mixed=True)),
    "few_houses": (HEALTHY, None, few),
}


def run(name: str) -> dict[str, Any]:
    """Train one; write its film and return its curves."""
    recipe, spoil, pictures = RUNS[name]
    torch.manual_seed(SEED)
    method = Pix2Pix(recipe)
    if spoil:
        spoil(method)
    test = facades.evaluation("procedural", recipe.size, count=25)
    frames, held_out = [], []

    def watch(step: int, method: Pix2Pix) -> None:
        if step in FRAMES:
            made = method.translate(test["input"])
            held_out.append((step, float((made - test["target"]).abs().mean())))
            rows = [test["input"][:5], made[:5], test["target"][:5]]
            frames.append(Image.fromarray(strip(rows)))

    error = None
    try:
        history = fit(method, pictures(recipe), callbacks=[watch], progress=False, precision="fp32")
        terms, seconds = history.terms, history.seconds
    except TrainingError as problem:
        error, terms, seconds = str(problem), {}, None
    curves = {
        term: [statistics.fmean(values[at : at + EACH]) for at in range(0, len(values), EACH)]
        for term, values in terms.items()
    }
    for term in {"l1"} & curves.keys():
        curves[term] = [value / recipe.lambda_pixel for value in curves[term]]  # the distance itself
    options = {"save_all": True, "append_images": frames[1:], "quality": 90, "method": 6}
    write_atomically(FOLDER / f"sick_{name}.webp", lambda file: frames[0].save(file, "WEBP", **options))
    print(f"{name}: {seconds} s, {error or 'to the end'}; L1 to unseen photographs {held_out[-1][1]:.3f}")
    return {"curves": curves, "held_out": held_out, "frames": FRAMES[: len(frames)], "error": error, "seconds": seconds}


def main(names: list[str]) -> None:
    """Run the named trainings and put their curves beside those that the file has."""
    path = FOLDER / "sick.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"runs": {}}
    made = provenance(torch.device("cpu"))  # before the first result makes the checkout a changed one
    for name in names:
        found["runs"][name] = run(name) | made
        found |= {"steps": STEPS, "each": EACH, "seed": SEED, "command": "python tools/sick.py"}
        results.write(path, found)


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(RUNS):
        sys.exit(f"there is no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    main(sys.argv[1:] or list(RUNS))
