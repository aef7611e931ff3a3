"""The small networks that measure: trained once on ground truth with their own seed, cached, their accuracy printed.

A judge is a one-player game, so it is trained by the same ``fit`` as everything else. It is made for a world by that
world's ``GroundTruth``, and knows of no world itself.
"""

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import AdamW

from i2i_tutor.data import download
from i2i_tutor.data.truth import GroundTruth
from i2i_tutor.files import sha256, write_atomically
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.base import WIDTH, Method, OptimiserFactory, Recipe, Scene, Terms, Turn
from i2i_tutor.training import fit

# Of torch-fidelity's file of weights; its first digits stand in the file's name
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SEED = 20_000  # of every judge; no chapter reports runs with it


# --- the networks --------------------------------------------------------------------------------------------------


class Encoder(nn.Module):
    """What both judges look with: an image at four sizes, each half of the one before.

    Shape: ``(N, 3, H, W)`` in [-1, 1], H and W at least 8 → four maps ``(N, widths[k], H / 2^k, W / 2^k)``.
    """

    def __init__(self, base: int):
        super().__init__()
        self.widths = [base, 2 * base, 4 * base, 8 * base]
        self.blocks = nn.ModuleList([_block(3, base)])  # one layer at full size, where layers are dearest
        for before, width in pairwise(self.widths):
            self.blocks.append(nn.Sequential(_block(before, width), _block(width, width)))

    def forward(self, images: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        for block in self.blocks:
            levels.append(block(F.max_pool2d(levels[-1], 2) if levels else images))
        return levels


class Segmenter(nn.Module):
    """A small U-Net that names the class of every pixel: the judge behind the FCN-score.

    Shape: ``(N, 3, H, W)`` in [-1, 1] → logits ``(N, classes, H, W)``; H and W multiples of 8. Fully convolutional.
    """

    def __init__(self, classes: int, base: int = 16):
        super().__init__()
        self.encoder = Encoder(base)
        widths = self.encoder.widths
        self.num_features = widths[-1]
        self.up = nn.ModuleList(_block(a + b, b) for b, a in reversed(list(pairwise(widths))))
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        *skips, x = self.encoder(images)
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], dim=1))
        return self.head(x)

    def features(self, images: Tensor) -> Tensor:
        """The deepest level averaged over the image, ``(N, num_features)``: the space of our Fréchet distance."""
        return self.encoder(images)[-1].mean(dim=(2, 3))


class Classifier(nn.Module):
    """A small convolutional network that names the class of an image.

    Shape: ``(N, 3, H, W)`` in [-1, 1], H and W at least 8 → logits ``(N, classes)``.
    """

    def __init__(self, classes: int, base: int = 16):
        super().__init__()
        self.encoder = Encoder(base)
        self.num_features = self.encoder.widths[-1]
        self.head = nn.Linear(self.num_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """The deepest level averaged over the image, ``(N, num_features)``."""
        return self.encoder(images)[-1].mean(dim=(2, 3))


def _block(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width_in, width_out, 3, padding=1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU())


class Features(nn.Module):
    """A judge's feature map as a module of its own, as ``metrics.distribution_distances`` wants it."""

    def __init__(self, judge: Segmenter | Classifier):
        super().__init__()
        self.judge, self.num_features = judge, judge.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.judge.features(images)


class Inception(nn.Module):
    """The Inception network of FID, for ``metrics.distribution_distances``.

    Shape: ``(N, 3, H, W)`` in [-1, 1] → ``(N, 2048)``.

    Needs the extra ``[fid]`` and the weights file of torch-fidelity (``weights-inception-2015-12-05-6726825d.pth``),
    by default in the cache folder. Nothing is downloaded: fetch the file once if you want FID.
    """

    num_features = 2048

    def __init__(self, weights: Path | None = None):
        super().__init__()
        weights = weights or download.cache_folder() / "weights-inception-2015-12-05-6726825d.pth"
        if not weights.is_file():
            raise FileNotFoundError(f"FID needs Inception's weights, which are not at {weights}")
        if sha256(weights) != INCEPTION_SHA256:  # torch-fidelity unpickles what it is given
            raise ValueError(f"{weights} is not the weights file that FID is defined with: its SHA-256 is another")
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise ImportError("FID needs torch-fidelity: pip install 'i2i-tutor[fid]'") from error
        self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights)).eval()

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return self.network(pixels)[0]


# --- the game, and the cache ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JudgeRecipe(Recipe):
    """Numbers of a judge's training; ``base`` is the width of its first layer."""

    batch: int = 8
    steps: int = 600
    learning_rate: float = 2e-3
    beta1: float = 0.9
    decay: float = 0.6
    base: Annotated[int, WIDTH, "channels of the first layer"] = 16


class Learning(Method):
    """The one-player game that trains a judge on ``image`` and ``label``."""

    name = "judge"
    recipe_type = JudgeRecipe
    recipe: JudgeRecipe
    turns = (Turn("cross_entropy", ("judge",)),)

    def __init__(self, recipe: JudgeRecipe, judge: nn.Module):
        super().__init__(recipe)
        self.judge = judge

    def optimisers(self) -> dict[str, OptimiserFactory]:
        return {"judge": lambda parameters: AdamW(parameters, lr=self.recipe.learning_rate, weight_decay=1e-2)}

    def cross_entropy(self, scene: Scene) -> Terms:
        """Cross entropy of the true classes: of the images, or of each of their pixels."""
        return {"cross_entropy": F.cross_entropy(self.judge(scene.batch["image"]), scene.batch["label"])}


def segmenter(truth: GroundTruth, steps: int | None = None) -> tuple[Segmenter, dict[str, Any]]:
    """The judge that reads the pixels of a world, from the cache or trained now, and a report of it.

    Returns the network in evaluation mode and ``{"judge": its name, "held_out": {pixel_accuracy, class_accuracy,
    class_iou}, "recipe": ...}``; the name ends in a fingerprint of all that the judge depends on. ``steps`` shortens
    the training (smoke runs); such a judge is cached apart and judges nothing that counts.
    """
    return _judge(Segmenter, JudgeRecipe(truth.size), truth, steps, metrics.fcn_score)


def classifier(truth: GroundTruth, steps: int | None = None) -> tuple[Classifier, dict[str, Any]]:
    """The judge that names the class of a world's images; otherwise like ``segmenter``, held out: {accuracy}."""
    return _judge(Classifier, JudgeRecipe(truth.size, batch=32), truth, steps, metrics.accuracy)


Network = TypeVar("Network", Segmenter, Classifier)
Score = Callable[[Tensor, Tensor, nn.Module], dict[str, float]]


def _judge(
    network: type[Network], recipe: JudgeRecipe, truth: GroundTruth, steps: int | None, score: Score
) -> tuple[Network, dict[str, Any]]:
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    name = f"{network.__name__.lower()}-{truth.name}-{_fingerprint(network, recipe, truth)}"
    path = download.cache_folder() / "judges" / f"{name}.safetensors"

    def untrained() -> Network:
        torch.default_generator.manual_seed(SEED)
        return network(truth.classes, recipe.base)

    with torch.random.fork_rng(devices=[]):  # the judge has a seed of its own, and leaves a chapter's alone
        try:
            report = _load(judge := untrained(), path)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError):  # not there, or damaged
            _train(judge := untrained(), recipe, truth)
            held_out = truth.held_out()
            scores = score(held_out["image"], held_out["label"], judge.eval())
            report = {"judge": name, "recipe": asdict(recipe), "held_out": scores}
            _save(judge, report, path)
    return judge.eval().requires_grad_(False), report


def _train(judge: nn.Module, recipe: JudgeRecipe, truth: GroundTruth) -> None:
    stream = truth.train(recipe.batch, SEED)
    # fp32 everywhere, so that every machine has the same judge
    history = fit(Learning(recipe, judge), stream, recipe.steps, rates=recipe.rates(), precision="fp32", title="judge")
    if history.interrupted:
        raise KeyboardInterrupt("the judge's training was interrupted; nothing is cached")


def _fingerprint(network: type[nn.Module], recipe: JudgeRecipe, truth: GroundTruth) -> str:
    """Changes whenever the judge's code, its recipe or the world changes, so that no stale judge is used."""
    code = "".join(inspect.getsource(part) for part in (Encoder, network, Learning))
    return hashlib.sha256(f"{code}{recipe}{truth.classes}{truth.fingerprint}".encode()).hexdigest()[:12]


def _save(judge: nn.Module, report: dict[str, Any], path: Path) -> None:
    """Write weights and report as one file, so that they can never be of two different judges."""
    state = {key: value.contiguous() for key, value in judge.state_dict().items()}
    write_atomically(path, lambda file: file.write(save(state, {"report": json.dumps(report)})))


def _load(judge: nn.Module, path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        judge.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (no mapping)
        return json.loads(file.metadata()["report"])
