"""Faces with attributes, of which a training is told few: the drawn faces, CelebA, RaFD and LFW behind one door.

A batch holds images, their labels, K numbers 0 or 1 of each, and the labels that are wanted instead; by turns comes a
batch without labels. How batches are laid out is told in ``samplers``, what the sets are in ``faces`` and
``portraits``.
"""

from typing import Literal, get_args

import numpy as np

from i2i_tutor.contract import Batch, Split, check_choice, check_whole
from i2i_tutor.data import faces, portraits, samplers
from i2i_tutor.data.images import MIN_SIDE
from i2i_tutor.data.samplers import GROUPS, Pile, Wanted
from i2i_tutor.data.streams import Stream

Source = Literal["faces", "celeba", "rafd", "lfw_faces"]
SOURCES: tuple[str, ...] = get_args(Source)
PILE = 4000  # drawn faces


def train(
    source: str,
    size: int,
    batch: int,
    seed: int,
    *,
    labels: int | None = None,
    unlabelled: bool = True,
    wanted: Wanted = "sensible",
    groups: int | None = GROUPS,
    mirror_unlabelled: bool = True,
    pile: int = PILE,
    hard: bool = True,
    ahead: int = 0,
) -> Stream:
    """Endless stream of ``image``, float32 ``(N, 3, size, size)``, ``label`` and ``wanted``, float32 ``(N, K)``.

    Images are mirrored at random. Batches at odd positions have no ``label``, unless all images are labelled or
    ``unlabelled`` is False.

    Args:
        labels: how many images are labelled, at least: round by round one of every class ("rafd": all of one person
            after another), see ``samplers.few``; None: all.
        unlabelled, wanted, groups, mirror_unlabelled: see ``samplers.train``. The two classes of "lfw_faces" need
            ``groups=2``.
        pile: how many faces are drawn, of "faces" only; every seed has its own.
        hard: draw what makes labels scarce, of "faces" only; see ``faces.draw``.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument, or too few images for a batch. DataError: the set is not there, or a photograph
            cannot be used.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, MIN_SIDE)
    check_whole("batch", batch, 1)
    check_whole("seed", seed, 0)
    check_whole("ahead", ahead, 0)
    check_whole("pile", pile, 1, faces.TRAINING_SCENES)
    found = _drawn(pile, size, seed, hard) if source == "faces" else portraits.pile(source, size)
    if labels is not None:
        check_whole("labels", labels, 1, len(found.labels))
    return samplers.train(
        found,
        batch,
        seed,
        labelled=None if labels is None else samplers.few(found, labels),
        unlabelled=unlabelled,
        wanted=wanted,
        groups=groups,
        mirror_unlabelled=mirror_unlabelled,
        ahead=ahead,
        about={"source": source, "size": size, "pile": len(found.labels), "hard": hard},
    )


def evaluation(
    source: str, size: int, *, split: Split = "evaluation", count: int | None = None, hard: bool = True
) -> Batch:
    """The first ``count`` faces of a fixed set that no training shows (of "rafd" this holds for the evaluation alone).

    ``image`` and ``label`` as in ``train`` but never mirrored, ``wanted``, float32 ``(N, K, K)``, the label with each
    of the attributes edited, and ``asked``, bool ``(N, K)``, whether that is another label. Of "faces" the truth
    besides, see ``faces.evaluation``; of photographs see ``portraits.evaluation``. Raises like ``train``.
    """
    check_choice("source", source, SOURCES)
    if source == "faces":
        return faces.evaluation("procedural", size, split=split, count=count, hard=hard)
    return portraits.evaluation(source, size, split=split, count=count)


def names(source: str) -> tuple[str, ...]:
    """The names of a set's K attributes, in the order of the labels."""
    check_choice("source", source, SOURCES)
    return faces.ATTRIBUTES if source == "faces" else portraits.ATTRIBUTES[source]


def sensible(source: str) -> np.ndarray:
    """All labels that a face of a set may be given, float32 ``(P, K)``."""
    check_choice("source", source, SOURCES)
    return faces.SENSIBLE if source == "faces" else portraits.sensible(source)


def _drawn(count: int, size: int, seed: int, hard: bool) -> Pile:
    images, labels = faces.pile(size, count, seed, hard=hard)
    return Pile(images, labels, faces.ATTRIBUTES, faces.SENSIBLE)
