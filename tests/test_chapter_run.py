"""A chapter's run trains arms, applies networks in parts, shows what it measured, and writes it down in any case."""

import json
import math
from dataclasses import replace

import pytest
import torch
from matplotlib.figure import Figure

from i2i_tutor import chapter
from i2i_tutor.chapter import Run
from i2i_tutor.data.streams import Stream
from i2i_tutor.film import Film
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix

CPU = torch.device("cpu")


def a_run(folder, profile="fast", resume=False):
    recipe = replace(RECIPES["smoke"], steps=4)
    return Run("01_pix2pix", profile, 0, "procedural", recipe, CPU, folder, resume, {"steps": 4})


def grey(position, rng):
    return {key: torch.zeros(2, 3, 32, 32) for key in ("input", "target")}


def test_an_arm_is_trained_by_its_recipe_noted_filmed_and_resumed(tmp_path, capsys):
    run = a_run(tmp_path)
    film = Film(torch.zeros(1, 3, 32, 32), run.recipe.steps)
    torch.manual_seed(0)
    model = Pix2Pix(run.recipe)
    history = run.fit("method", model, Stream(grey, 0), film, precision="fp32")
    assert history.steps == 4
    assert film.labels == ["step 0", "step 1", "step 2", "step 4"]
    noted = {"steps": 4, "seconds": history.seconds, "arithmetic": "fp32", "interrupted": False}
    assert run.trainings == {"method": noted}
    assert f"method: 4 steps in {history.seconds:.0f} s, fp32" in capsys.readouterr().out
    torch.manual_seed(0)
    again = Pix2Pix(run.recipe)
    assert a_run(tmp_path, resume=True).fit("method", again, Stream(grey, 0), precision="fp32").steps == 4
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))  # from the arm's checkpoint


def test_a_function_is_applied_in_parts_without_gradient(tmp_path):
    images, sizes = torch.arange(25.0, requires_grad=True).view(25, 1, 1, 1), []

    def doubled(part):
        sizes.append(len(part))
        return 2 * part

    answers = a_run(tmp_path).in_parts(doubled, images)
    assert torch.equal(answers, 2 * images)
    assert sizes == [10, 10, 5]
    assert not answers.requires_grad


def test_a_figure_is_shown_and_kept(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(chapter, "display", shown.append)
    figure = Figure()
    a_run(tmp_path).show("x.png", figure)
    assert shown == [figure]
    assert (tmp_path / "figures/x.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_of_claims_stands_beside_the_predictions(tmp_path):
    run = a_run(tmp_path)
    run.record("method", {"class_iou": 0.5, "sharpness": 0.1})
    run.record("baseline", {"class_iou": 0.2, "sharpness": 0.9})
    lines = run.claims_table({"pix2pix-fcn": False}).data.splitlines()[2:]
    assert [(line.split(" | ")[:2], line.split(" | ")[-2:]) for line in lines] == [
        (["| yes", "no"], ["0.200", "0.500 |"]),
        (["| no", "–"], ["0.900", "0.100 |"]),
    ]
    run.profile = "smoke"
    assert run.claims_table({}).data.count("| – | – |") == 2
    run.profile = "fast"
    run.trainings["method"] = {"interrupted": True}
    assert run.claims_table({}).data.count("| – | – |") == 2


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_metric_that_is_no_number_does_not_lose_the_run(number, tmp_path, capsys):
    run = a_run(tmp_path)
    run.record("method", {"class_iou": number, "frechet": 1.0})
    run.record("baseline", {"class_iou": 0.2, "frechet": 9.0})
    run.record_judge({"judge": "segmenter-x-32-abc", "held_out": {}})
    written = json.loads(run.close().read_text())
    assert f"class_iou of method is {number}; results.json holds null for it" in capsys.readouterr().out
    assert written["metrics"] == {
        "method": {"class_iou": None, "frechet": 1.0},
        "baseline": {"class_iou": 0.2, "frechet": 9.0},
    }
    assert (written["judge"], written["seed"], written["parameters"]) == ("segmenter-x-32-abc", 0, {"steps": 4})
    assert not {"claims", "text", "expected", "margin"} & written.keys()
    first, second = run.claims_table({}).data.splitlines()[2:]
    assert (first.startswith("| no | – |"), first.endswith("| 0.200 | – |")) == (True, True)
    assert (second.startswith("| yes | – |"), second.endswith("| 9.000 | 1.000 |")) == (True, True)
