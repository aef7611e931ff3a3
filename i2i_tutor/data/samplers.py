"""Which labelled and unlabelled images a batch holds, and which labels they are to be given.

The batches are MatchGAN's: several images of each of several classes, so that pairs of equal and of different labels
are in every one, and by turns batches of which nobody says what they show. Labels are rows of 0 and 1, one number an
attribute; a class is a whole row. No world is known here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor

from i2i_tutor.contract import Batch, check_choice, check_whole
from i2i_tutor.data.streams import Stream, epoch_indices, to_tensor, unrelated

Wanted = Literal["sensible", "own"]
GROUPS = 4  # of the official code
CLASSES, IMAGES = 0x0C1A55, 0x113A6E  # mixed into a seed: the order of the classes, and of the images of one


class Images(Protocol):
    """Pictures in an order: ``images[places]``, places int ``(N,)``, is uint8 ``(N, S, S, 3)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, places: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Pile:
    """Images with their labels, from which a training may be told few or all.

    Attributes:
        images: an array, uint8 ``(n, S, S, 3)``, or what is indexed like one.
        labels: float32 ``(n, K)``, 0 or 1.
        attributes: K names.
        sensible: float32 ``(P, K)``, all labels that an image may be given, seen in the pile or not.
        people: int ``(n,)``, who is shown; None if that does not matter. See ``few``.
    """

    images: Images
    labels: np.ndarray
    attributes: tuple[str, ...]
    sensible: np.ndarray
    people: np.ndarray | None = None

    def __post_init__(self) -> None:
        images, numbers = len(self.images), len(self.attributes)
        if self.labels.shape != (images, numbers):
            raise ValueError(f"the labels are {self.labels.shape}; expected {(images, numbers)}, images by attributes")
        if self.sensible.shape[1:] != (numbers,):
            raise ValueError(f"the sensible labels are {self.sensible.shape}; expected (labels, {numbers})")
        if self.people is not None and self.people.shape != (images,):
            raise ValueError(f"the people are {self.people.shape}; expected one for each of {images} images")


# --- labels --------------------------------------------------------------------------------------------------------


def class_of(labels: np.ndarray, sensible: np.ndarray) -> np.ndarray:
    """The place of each row of labels ``(n, K)`` among the sensible ones ``(P, K)``, int64 ``(n,)``.

    Raises:
        ValueError: a label is none of them.
    """
    same = (labels[:, None] == sensible[None]).all(axis=2)  # (n, P)
    if len(lost := np.flatnonzero(~same.any(axis=1))):
        raise ValueError(f"label {_digits(labels[lost[0]])} is none of the {len(sensible)} sensible ones")
    return same.argmax(axis=1)


def edits(labels: np.ndarray, exclusive: int) -> np.ndarray:
    """For each of K attributes the labels ``(n, K)`` with that one edited, ``(n, K, K)``: the official test targets.

    The first ``exclusive`` attributes exclude each other: such a one is set, the others of them are cleared. All
    further ones are turned round.
    """
    edited = np.repeat(labels[:, None], labels.shape[1], axis=1)
    for attribute in range(labels.shape[1]):
        if attribute < exclusive:
            edited[:, attribute, :exclusive] = 0
            edited[:, attribute, attribute] = 1
        else:
            edited[:, attribute, attribute] = 1 - edited[:, attribute, attribute]
    return edited


# --- which images are labelled -------------------------------------------------------------------------------------


def few(pile: Pile, count: int) -> np.ndarray:
    """Which images of a pile are the labelled ones, places in it, if ``count`` labels are paid for.

    As in the official code by ``round_robin``, or, if the pile tells people apart, all images of the first people, in
    the pile's order, until there are ``count``. So more may come, up to one short of the number of classes, or the rest
    of the last person; always the same ones.

    Raises:
        ValueError: a count that is not from 1 to the number of images, or a label that is not sensible.
    """
    _check_few(count, len(pile.labels))
    if pile.people is None:
        return round_robin(class_of(pile.labels, pile.sensible), count)
    people, first, sizes = np.unique(pile.people, return_index=True, return_counts=True)
    order = np.argsort(first)
    needed = 1 + int(np.searchsorted(np.cumsum(sizes[order]), count))
    return np.flatnonzero(np.isin(pile.people, people[order[:needed]]))


def round_robin(classes: np.ndarray, count: int) -> np.ndarray:
    """A class-balanced part of images of the classes given, int ``(n,)``: ``count`` places or more, in ascending order.

    Round r takes the r-th image of every class that still has one, and rounds follow until there are ``count``. So the
    classes differ by one image at most unless one runs out, and up to (classes - 1) more images than asked may come.
    Source: MatchGAN's official code.

    Raises:
        ValueError: a count that is not from 1 to n.
    """
    _check_few(count, len(classes))
    rounds = np.empty(len(classes), dtype=np.int64)  # the round in which each image would be taken
    for kind in np.unique(classes):
        places = np.flatnonzero(classes == kind)
        rounds[places] = np.arange(len(places))
    needed = np.searchsorted(np.cumsum(np.bincount(rounds)), count)
    return np.flatnonzero(rounds <= needed)


def _check_few(count: int, available: int) -> None:
    check_whole("count", count, 1)
    if count > available:
        raise ValueError(f"count is {count}, but there are {available} images to be labelled")


# --- the stream ----------------------------------------------------------------------------------------------------


def train(
    pile: Pile,
    batch: int,
    seed: int,
    *,
    labelled: np.ndarray | None = None,
    unlabelled: bool = True,
    wanted: Wanted = "sensible",
    groups: int | None = GROUPS,
    mirror_unlabelled: bool = True,
    ahead: int = 0,
    about: dict[str, Any] | None = None,
) -> Stream:
    """Endless stream of labelled batches and, by turns, unlabelled ones.

    A labelled batch holds ``image``, float32 ``(N, 3, S, S)`` in [-1, 1], mirrored at random, ``label``, float32
    ``(N, K)``, and ``wanted``, float32 ``(N, K)``: the labels that a generator is to give. An unlabelled one has no
    ``label``, and no number in it depends on the labels of its images.

    A labelled batch is laid out class by class: ``groups`` different classes, ``batch / groups`` images of each. The
    list of classes is shuffled and cut into pieces of ``groups``, and shuffled anew when all are used; classes left
    over by the cut wait for the next shuffle (the official code crashes on them). The images of a class are shuffled
    and cut in the same way, so that no image is twice in a batch.

    Args:
        labelled: places in the pile whose labels may be used; None: all of them.
        unlabelled: batches at odd positions are unlabelled, of all other images, reshuffled in every epoch. If there
            are no other images, every batch is labelled, as in the official code.
        wanted: "sensible": ``groups`` different labels drawn evenly from ``pile.sensible``, row j gets number
            ``j mod groups``, so that a class of at least ``groups`` images meets each of them (MatchGAN). "own": the
            batch's own labels in random order (StarGAN).
        groups: None: labelled batches without regard to classes, reshuffled in every epoch, as StarGAN's; every row's
            sensible label is then drawn for itself.
        mirror_unlabelled: mirror unlabelled images at random too. The official code does not.
        about: what the stream shows besides; see ``Stream``.

    Raises:
        ValueError: a wrong argument, too few labelled or unlabelled images for a batch, or, with ``groups``, a labelled
            image whose label is not sensible.
    """
    check_whole("batch", batch, 1)
    check_whole("seed", seed, 0)
    check_choice("wanted", wanted, get_args(Wanted))
    for name, value in {"unlabelled": unlabelled, "mirror_unlabelled": mirror_unlabelled}.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; expected True or False")
    places = _places(labelled, len(pile.labels))
    rest = np.setdiff1d(np.arange(len(pile.labels)), places) if unlabelled else places[:0]
    if 0 < len(rest) < batch:
        raise ValueError(f"{len(rest)} images are unlabelled; a batch of {batch} needs at least that many, or none")
    if len(rest) and wanted == "own":
        raise ValueError(
            "wanted is 'own', which unlabelled images have not; expected 'sensible', or no unlabelled ones"
        )
    choose = _shuffled(places, batch, seed) if groups is None else _by_class(pile, places, batch, groups, seed)
    period = 2 if len(rest) else 1

    def make(position: int, rng: np.random.Generator) -> Batch:
        turn, kind = divmod(position, period)
        if kind == 1:
            chosen = rest[epoch_indices(turn, batch, len(rest), unrelated(seed))]
            given = {"image": _images(pile, chosen, rng, mirror_unlabelled)}
        else:
            chosen = choose(turn)
            labels = torch.from_numpy(pile.labels[chosen])
            given = {"image": _images(pile, chosen, rng, True), "label": labels}
        if wanted == "own":
            return given | {"wanted": labels[rng.permutation(batch)]}
        return given | {"wanted": torch.from_numpy(_targets(pile.sensible, batch, groups, rng))}

    shown = {"batch": batch, "wanted": wanted, "groups": groups, "mirror_unlabelled": mirror_unlabelled}
    numbers = {"labelled": len(places), "unlabelled": len(rest), "classes": len(pile.sensible)}
    return Stream(make, seed, ahead, (about or {}) | shown | numbers, period)


def _places(labelled: Sequence[int] | np.ndarray | None, available: int) -> np.ndarray:
    if labelled is None:
        return np.arange(available)
    places = np.unique(labelled)
    if len(places) == 0 or places.dtype.kind not in "iu" or places[0] < 0 or places[-1] >= available:
        raise ValueError(f"labelled holds {len(places)} places; expected whole numbers from 0 to {available - 1}")
    if len(places) < len(labelled):
        raise ValueError(f"labelled holds {len(labelled)} places, of which {len(places)} are different; expected all")
    return places


def _shuffled(places: np.ndarray, batch: int, seed: int) -> Callable[[int], np.ndarray]:
    if len(places) < batch:
        raise ValueError(f"{len(places)} images are labelled; a batch of {batch} needs at least that many")
    return lambda turn: places[epoch_indices(turn, batch, len(places), seed)]


def _by_class(pile: Pile, places: np.ndarray, batch: int, groups: int, seed: int) -> Callable[[int], np.ndarray]:
    """A function of a labelled batch's number to the places of its images, class by class."""
    check_whole("groups", groups, 1)
    if batch % groups:
        raise ValueError(f"batch is {batch}; expected a multiple of groups, {groups}")
    each = batch // groups
    classes = class_of(pile.labels[places], pile.sensible)
    members = {int(kind): places[classes == kind] for kind in np.unique(classes)}
    if len(members) < groups:
        raise ValueError(f"the labelled images are of {len(members)} classes; expected at least groups, {groups}")
    poorest = min(members, key=lambda kind: len(members[kind]))
    if (least := len(members[poorest])) < each:
        raise ValueError(
            f"the class {_named(pile, poorest)} has {least} labelled images, which are too few: a batch of {batch} in "
            f"{groups} groups takes {each} of a class; label more images or make the batch smaller"
        )
    kinds = np.array(list(members))

    def choose(turn: int) -> np.ndarray:
        shuffle, piece = divmod(turn, len(kinds) // groups)
        order = _rng(seed, CLASSES, shuffle).permutation(kinds)
        return np.concatenate([of_class(int(kind), shuffle) for kind in order[piece * groups : (piece + 1) * groups]])

    def of_class(kind: int, shuffle: int) -> np.ndarray:
        # Between two shuffles of the classes a class has one turn at most, so its images' turns are counted by these
        again, piece = divmod(shuffle, len(members[kind]) // each)
        return _rng(seed, IMAGES, kind, again).permutation(members[kind])[piece * each : (piece + 1) * each]

    return choose


def _rng(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(numbers)


def _targets(sensible: np.ndarray, batch: int, groups: int | None, rng: np.random.Generator) -> np.ndarray:
    if groups is None:
        return sensible[rng.integers(0, len(sensible), batch)]
    return sensible[rng.choice(len(sensible), groups, replace=False)[np.arange(batch) % groups]]


def _images(pile: Pile, places: np.ndarray, rng: np.random.Generator, mirror: bool) -> Tensor:
    images = to_tensor(pile.images[places])
    mirrored = torch.from_numpy(mirror & (rng.random(len(places)) < 0.5))
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def _named(pile: Pile, kind: int) -> str:
    label = pile.sensible[kind]
    names = [name for name, value in zip(pile.attributes, label, strict=True) if value]
    return f"{_digits(label)} ({', '.join(names) or 'no attribute'})"


def _digits(label: np.ndarray) -> str:
    return "".join(f"{value:g}" for value in label)
