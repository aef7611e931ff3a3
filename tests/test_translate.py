"""From a folder of your own pairs to translated pictures."""

import errno
import json
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from i2i_tutor import cli
from i2i_tutor.data import folders, images
from i2i_tutor.data.images import DataError, read_rgb, resize, stack, write_png
from i2i_tutor.data.streams import to_tensor, to_uint8
from i2i_tutor.files import sha256
from i2i_tutor.methods import cyclegan
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.training import checkpoints, fit
from i2i_tutor.translate import TranslationError, load_method, translate_files


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("I2I_QUIET", "1")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A method trained on a folder of one's own, as a chapter tells the reader to do it."""
    here = tmp_path_factory.mktemp("mine")
    for i in range(4):
        write_png(here / "my_pairs" / f"{i}.png", noise(40, 80, i))
    recipe = RECIPES["smoke"]
    stream = folders.pairs(here / "my_pairs", size=recipe.size, batch=recipe.batch, seed=0)
    history = fit(Pix2Pix(recipe), stream, steps=2, folder=here / "run", progress=False)
    assert history.steps == 2
    return here / "run"


@pytest.fixture
def pictures(tmp_path):
    for name, height, width in (("1.png", 32, 32), ("2.png", 41, 50), ("10.png", 20, 90)):
        write_png(tmp_path / "pictures" / name, noise(height, width))
    return tmp_path / "pictures"


def pixels(path):
    return np.asarray(Image.open(path))


def test_every_picture_of_a_folder_is_what_the_method_makes_of_it(checkpoint, pictures, tmp_path):
    written = translate_files(checkpoint, pictures, tmp_path / "out")
    assert [p.name for p in written] == ["1.png", "2.png", "10.png"]
    method = load_method(checkpoint)
    for path in written:
        torch.manual_seed(0)
        image = to_tensor(stack([resize(read_rgb(pictures / path.name), 32)]))
        assert np.array_equal(pixels(path), to_uint8(method.translate(image))[0])


def test_a_result_depends_neither_on_the_others_nor_on_the_random_state(checkpoint, pictures, tmp_path):
    together = translate_files(checkpoint, pictures, tmp_path / "out")
    torch.manual_seed(7)
    state = torch.get_rng_state()
    (alone,) = translate_files(checkpoint, pictures / "10.png", tmp_path / "alone.png")
    assert alone == tmp_path / "alone.png"
    assert np.array_equal(pixels(alone), pixels(together[2]))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_single_picture_goes_into_a_folder_too(checkpoint, pictures, tmp_path):
    assert translate_files(checkpoint, pictures / "2.png", tmp_path / "v1.0") == [tmp_path / "v1.0" / "2.png"]


def test_a_picture_can_keep_its_size(checkpoint, pictures, tmp_path):
    kept = translate_files(checkpoint, pictures, tmp_path / "kept", keep_size=True)
    assert [pixels(p).shape for p in kept] == [(32, 32, 3), (41, 50, 3), (20, 90, 3)]
    squares = translate_files(checkpoint, pictures, tmp_path / "squares", size=64)
    assert {pixels(p).shape for p in squares} == {(64, 64, 3)}
    plain = translate_files(checkpoint, pictures, tmp_path / "plain")
    assert np.array_equal(pixels(kept[0]), pixels(plain[0]))  # 32x32 is the size of the training


def test_damaged_pictures_are_named_and_the_others_still_done(checkpoint, pictures, tmp_path):
    (pictures / "3.jpg").write_bytes(b"no picture")
    (pictures / "4.jpg").write_bytes(b"")
    with pytest.raises(TranslationError) as caught:
        translate_files(checkpoint, pictures, tmp_path / "out")
    assert str(caught.value).startswith("2 of 5 pictures could not be translated: ")
    assert [("3.jpg" in caught.value.failures[0]), ("4.jpg" in caught.value.failures[1])] == [True, True]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["1.png", "10.png", "2.png"]
    assert len(caught.value.written) == 3


def test_a_size_that_the_network_refuses_writes_nothing(checkpoint, pictures, tmp_path):
    with pytest.raises(ValueError, match="multiples of 32"):
        translate_files(checkpoint, pictures, tmp_path / "out", size=33)
    for size in (0, 32.0, "32", True, 10**9):  # the last one would exhaust the memory
        with pytest.raises(ValueError, match=f"size is {size!r}; expected a whole number"):
            translate_files(checkpoint, pictures, tmp_path / "out", size=size)
    with pytest.raises(ValueError, match="keep_size is 'no'; expected True or False"):
        translate_files(checkpoint, pictures, tmp_path / "out", keep_size="no")
    with pytest.raises(DataError, match="cannot be read"):
        translate_files(checkpoint, tmp_path / ("x" * 300), tmp_path / "out")
    with pytest.raises(ValueError, match="give one of them"):
        translate_files(checkpoint, pictures, tmp_path / "out", size=32, keep_size=True)
    assert not (tmp_path / "out").exists()


def test_a_method_that_goes_both_ways_is_told_which(checkpoint, pictures, tmp_path):
    recipe = cyclegan.RECIPES["smoke"]
    torch.manual_seed(0)
    stream = folders.unpaired(pictures, pictures, size=recipe.size, batch=recipe.batch)
    fit(cyclegan.CycleGAN(recipe), stream, steps=1, folder=tmp_path / "both", progress=False)
    method = load_method(tmp_path / "both")
    image = to_tensor(stack([resize(read_rgb(pictures / "1.png"), 32)]))
    for direction in (None, "AtoB", "BtoA"):
        out = tmp_path / f"{direction}.png"
        translate_files(tmp_path / "both", pictures / "1.png", out, direction=direction)
        assert np.array_equal(pixels(out), to_uint8(method.translate(image, direction or "AtoB"))[0])
    with pytest.raises(ValueError, match="direction is 'CtoA'"):
        translate_files(tmp_path / "both", pictures, tmp_path / "out", direction="CtoA")
    with pytest.raises(ValueError, match="a pix2pix translates one way only"):
        translate_files(checkpoint, pictures, tmp_path / "out", direction="BtoA")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_of_yours_is_overwritten(checkpoint, pictures, tmp_path):
    Image.fromarray(noise(32, 32)).save(tmp_path / "1.jpg")
    (tmp_path / "away").symlink_to(pictures, target_is_directory=True)
    before = content(pictures)
    for source, out in (
        (pictures, pictures),
        (pictures, tmp_path / "away"),
        (pictures / "1.png", pictures / "1.png"),
        (tmp_path / "1.jpg", pictures),  # its result would be called 1.png
        (tmp_path / "1.jpg", pictures / "10.png"),
    ):
        with pytest.raises(DataError, match=r"would overwrite .*png, which is no earlier result"):
            translate_files(checkpoint, source, out)
    assert content(pictures) == before


@pytest.mark.parametrize("kind", ["picture", "text", "empty", "link", "dangling link", "folder"])
def test_whatever_is_in_the_way_is_refused_before_anything_is_written(kind, checkpoint, pictures, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "kept").mkdir()
    translate_files(checkpoint, pictures / "10.png", tmp_path / "kept")
    out.mkdir()
    way = out / "10.png"  # the last one's
    {
        "picture": lambda: write_png(way, noise(9, 9)),
        "text": lambda: way.write_text("notes"),
        "empty": lambda: way.write_bytes(b""),
        "link": lambda: way.symlink_to(tmp_path / "kept/10.png"),
        "dangling link": lambda: way.symlink_to(tmp_path / "gone"),
        "folder": way.mkdir,
    }[kind]()
    with pytest.raises(DataError, match=r"10\.png, which is no earlier result"):
        translate_files(checkpoint, pictures, out)
    assert [path.name for path in out.iterdir()] == ["10.png"]


def test_results_of_an_earlier_call_are_replaced(checkpoint, pictures, tmp_path):
    first = translate_files(checkpoint, pictures, tmp_path / "out", size=64)
    assert translate_files(checkpoint, pictures, tmp_path / "out") == first
    assert {pixels(path).shape for path in first} == {(32, 32, 3)}


@pytest.mark.parametrize("other", ["1.jpg", "cafe\u0301.jpg", "A.jpg"])
def test_two_pictures_that_would_share_a_result_are_refused(other, checkpoint, pictures, tmp_path):
    for name in ("caf\u00e9.png", "a.png"):
        write_png(pictures / name, noise(32, 32))
    Image.fromarray(noise(32, 32)).save(pictures / other)
    with pytest.raises(DataError, match="would both become"):
        translate_files(checkpoint, pictures, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_result_that_cannot_be_written_does_not_end_the_others(checkpoint, pictures, tmp_path, monkeypatch):
    real = images.write_atomically

    def refuse(error, path, write):
        if path.name == "2.png":
            raise error
        real(path, write)

    too_long = OSError(errno.ENAMETOOLONG, "File name too long")
    monkeypatch.setattr(images, "write_atomically", partial(refuse, too_long))
    with pytest.raises(TranslationError, match=r"1 of 3 .*2\.png cannot be written \(File name too long\)$") as caught:
        translate_files(checkpoint, pictures, tmp_path / "out")
    assert [path.name for path in caught.value.written] == ["1.png", "10.png"]
    monkeypatch.setattr(images, "write_atomically", partial(refuse, OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OSError, match="No space left"):  # it would end all the others too
        translate_files(checkpoint, pictures, tmp_path / "full")


def test_a_name_of_any_length_is_translated_or_listed(checkpoint, pictures, tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    write_png(tmp_path / "long.png", noise(32, 32))
    (tmp_path / "long.png").rename(pictures / ("x" * (longest - 4) + ".png"))
    try:
        written = translate_files(checkpoint, pictures, tmp_path / "out")
        named = " ".join(path.name for path in written)
    except TranslationError as error:
        written, (named,) = error.written, error.failures
    assert "xxxx" in named
    assert {"1.png", "2.png", "10.png"} <= {path.name for path in written}


def test_wrong_places_get_a_sentence(checkpoint, pictures, tmp_path):
    with pytest.raises(DataError, match="gone does not exist"):
        translate_files(checkpoint, tmp_path / "gone", tmp_path / "out")
    with pytest.raises(DataError, match="results are written as PNG"):
        translate_files(checkpoint, pictures / "1.png", tmp_path / "out.jpg")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(DataError, match="is a file; expected a folder"):
        translate_files(checkpoint, pictures, tmp_path / "file")
    with pytest.raises(checkpoints.CheckpointError, match="holds no checkpoint"):
        translate_files(tmp_path, pictures, tmp_path / "out")


class Evil:
    def __reduce__(self):
        return (open, ("owned.txt", "w"))


def test_a_checkpoint_that_carries_code_is_refused(tmp_path, checkpoint, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"method": Evil()}, "step-evil.pt")
    about = {**checkpoints.manifest(checkpoint), "file": "step-evil.pt", "sha256": sha256(tmp_path / "step-evil.pt")}
    (tmp_path / checkpoints.MANIFEST).write_text(json.dumps(about))
    with pytest.raises(checkpoints.CheckpointError, match="more than tensors"):
        load_method(tmp_path)
    assert not (tmp_path / "owned.txt").exists()


def test_a_checkpoint_of_other_networks_is_refused(tmp_path, checkpoint):
    about, state = checkpoints.load(checkpoint)
    settings = {"method": about["method"], "recipe": {**about["recipe"], "base": 4}}
    checkpoints.save(tmp_path / "other", 2, state, settings)
    with pytest.raises(checkpoints.CheckpointError, match="networks are not those of its recipe"):
        load_method(tmp_path / "other")


PAGE = Path(__file__).parents[1] / "book/how_to_run.md"


def scripts():
    """The page's own-pictures scripts, as a reader copies them, but at the size of a smoke test."""
    section = PAGE.read_text(encoding="utf-8").split("(own-pictures)=")[1].split("\n## ")[1]
    return [code.replace('"fast"', '"smoke"') for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL)]


def test_the_page_s_scripts_can_be_started_twice_and_use_a_gpu_if_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(4):
        write_png(tmp_path / "my_pairs" / f"{i}.png", noise(32, 64, i))
        write_png(tmp_path / "my_a" / f"{i}.png", noise(32, 32, i))
        write_png(tmp_path / "my_b" / f"{i}.png", noise(32, 32, i + 4))
    code = "".join(scripts())
    assert code.count("\nfit(") == code.count("device=device") == 2
    exec(code, {})
    before = {path: path.read_bytes() for path in tmp_path.rglob("runs/*/checkpoints/*") if path.is_file()}
    assert {path.parent.parent.name for path in before} == {"mine", "piles"}
    exec(code, {})
    weights = [load_method(tmp_path / "runs" / name / "checkpoints").state_dict() for name in ("mine", "piles")]
    for path, content in before.items():
        path.write_bytes(content)
    for name, state in zip(("mine", "piles"), weights, strict=True):
        first = load_method(tmp_path / "runs" / name / "checkpoints").state_dict()
        assert all(torch.equal(first[key], state[key]) for key in first)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = []
    monkeypatch.setattr("i2i_tutor.training.fit", lambda *args, device, **options: asked.append(device))
    exec(code, {})
    assert asked == ["cuda", "cuda"]


@pytest.mark.parametrize(("option", "sizes"), [([], {(32, 32)}), (["--keep-size"], {(32, 32), (50, 41), (90, 20)})])
def test_the_command_keeps_sizes_where_asked(checkpoint, pictures, tmp_path, option, sizes):
    arguments = ["translate", str(pictures), str(tmp_path / "out"), "--checkpoint", str(checkpoint), *option]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 0, done.output
    assert {Image.open(path).size for path in (tmp_path / "out").iterdir()} == sizes
