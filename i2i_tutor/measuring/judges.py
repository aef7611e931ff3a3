"""The small networks that measure: trained once on ground truth with their own seed, cached, their accuracy printed.

A judge is a one-player game, so it is trained by the same ``fit`` as everything else.
"""

import hashlib
import inspect
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import AdamW

from i2i_tutor.data import download, facades
from i2i_tutor.data.facades import drawing, grammar, look, rendering, world
from i2i_tutor.data.streams import to_uint8
from i2i_tutor.files import sha256, write_atomically, write_text
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.base import Method, OptimiserFactory, Recipe, Scene, Terms, Turn
from i2i_tutor.training import fit

# Of torch-fidelity's file of weights; its first digits stand in the file's name
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SEED = 20_000  # of every judge; no chapter reports runs with it


class Segmenter(nn.Module):
    """A small U-Net that names the class of every pixel: the judge behind the FCN-score.

    Shape: ``(N, 3, H, W)`` in [-1, 1] → logits ``(N, classes, H, W)``; H and W multiples of 8. Fully convolutional.
    """

    def __init__(self, classes: int, base: int = 16):
        super().__init__()

        def block(width_in: int, width_out: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(width_in, width_out, 3, padding=1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()
            )

        widths = [base, 2 * base, 4 * base, 8 * base]
        self.num_features = widths[-1]
        self.down = nn.ModuleList([block(3, base)])  # one layer at full size, where layers are dearest
        for before, width in pairwise(widths):
            self.down.append(nn.Sequential(block(before, width), block(width, width)))
        self.up = nn.ModuleList(block(a + b, b) for b, a in reversed(list(pairwise(widths))))
        self.head = nn.Conv2d(base, classes, 1)

    def _encode(self, images: Tensor) -> list[Tensor]:
        levels = []
        x = images
        for number, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if number else x)
            levels.append(x)
        return levels  # (N, base * 2^k, H / 2^k, W / 2^k)

    def forward(self, images: Tensor) -> Tensor:
        *skips, x = self._encode(images)
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], dim=1))
        return self.head(x)

    def features(self, images: Tensor) -> Tensor:
        """The deepest level averaged over the image, ``(N, num_features)``: the space of our Fréchet distance."""
        return self._encode(images)[-1].mean(dim=(2, 3))


class Features(nn.Module):
    """A judge's feature map as a module of its own, as ``metrics.distribution_distances`` wants it."""

    def __init__(self, judge: Segmenter):
        super().__init__()
        self.judge, self.num_features = judge, judge.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.judge.features(images)


class Inception(nn.Module):
    """The Inception network of FID, for ``metrics.distribution_distances``.

    Shape: ``(N, 3, H, W)`` in [-1, 1] → ``(N, 2048)``.

    Needs the extra ``[fid]`` and the weights file of torch-fidelity (``weights-inception-2015-12-05-6726825d.pth``),
    by default in the cache folder. Nothing is downloaded: whoever wants FID fetches the file once.
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


@dataclass(frozen=True)
class SegmenterRecipe(Recipe):
    """Numbers of the judge's training."""

    size: int = 64
    batch: int = 8
    steps: int = 600
    learning_rate: float = 2e-3
    beta1: float = 0.9
    decay: float = 0.6
    base: int = 16


class Segmentation(Method):
    """The one-player game that trains a segmenter on (label map, photo) pairs of the façade world."""

    name = "segmentation"
    recipe_type = SegmenterRecipe
    recipe: SegmenterRecipe
    turns = (Turn("cross_entropy", ("segmenter",)),)

    def __init__(self, recipe: SegmenterRecipe):
        super().__init__(recipe)
        self.segmenter = Segmenter(len(facades.CLASSES), recipe.base)

    def optimisers(self) -> dict[str, OptimiserFactory]:
        return {"segmenter": lambda parameters: AdamW(parameters, lr=self.recipe.learning_rate, weight_decay=1e-2)}

    def cross_entropy(self, scene: Scene) -> Terms:
        """Cross entropy of every pixel, from the photo (target) to the class that the label map (input) shows."""
        truth = torch.from_numpy(facades.to_labels(to_uint8(scene.batch["input"]))).long()
        logits = self.segmenter(scene.batch["target"])
        return {"cross_entropy": F.cross_entropy(logits, truth.to(logits.device))}


def segmenter(source: str = "procedural", size: int = 64, steps: int | None = None) -> tuple[Segmenter, dict[str, Any]]:
    """The judge of a façade world at a size, from the cache or trained now, and how it scores on held-out photos.

    Returns the network in evaluation mode and ``{"held_out": {pixel_accuracy, class_accuracy, class_iou}, ...}``.
    ``steps`` shortens the training (smoke runs); such a judge is cached apart and judges nothing that counts.
    """
    recipe = SegmenterRecipe(size=size) if steps is None else SegmenterRecipe(size=size, steps=steps)
    name = f"segmenter-{source}-{size}-{_fingerprint(recipe)}"
    folder = download.cache_folder() / "judges"
    weights, about = folder / f"{name}.safetensors", folder / f"{name}.json"
    try:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, though replaced: not from a chapter's seed
            judge = Segmenter(len(facades.CLASSES), recipe.base)
        judge.load_state_dict(load_file(weights))
        report = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError, SafetensorError):  # not there, or damaged
        judge, report = _train(recipe, source)
        state = {key: value.contiguous() for key, value in judge.state_dict().items()}
        write_atomically(weights, lambda file: file.write(save(state)))
        write_text(about, json.dumps(report, indent=1))
    return judge.eval().requires_grad_(False), report


def _train(recipe: SegmenterRecipe, source: str) -> tuple[Segmenter, dict[str, Any]]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        game = Segmentation(recipe)
        stream = facades.train(source, recipe.size, recipe.batch, SEED)  # type: ignore[arg-type]
        # fp32 everywhere, so that every machine has the same judge
        history = fit(game, stream, recipe.steps, rates=recipe.rates(), precision="fp32", title="judge")
    if history.interrupted:
        raise KeyboardInterrupt("the judge's training was interrupted; nothing is cached")
    judge = game.segmenter.eval()
    return judge, {"source": source, "recipe": asdict(recipe), "held_out": held_out_scores(judge, source, recipe.size)}


def held_out_scores(judge: Segmenter, source: str, size: int) -> dict[str, float]:
    """How a judge reads 100 real photographs of a world that no training has seen."""
    photos = facades.evaluation(source, size, count=100)  # type: ignore[arg-type]
    return metrics.fcn_score(photos["target"], photos["labels"], judge)


def _fingerprint(recipe: Recipe) -> str:
    """Changes whenever the recipe, the judge's code or the world's drawing changes, so that no stale judge is used."""
    modules = (drawing, grammar, look, rendering, world)
    text = "".join(inspect.getsource(module) for module in modules) + inspect.getsource(Segmenter) + str(recipe)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
