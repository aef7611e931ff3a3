"""What a judge is made from: a world's images and what they show."""

from collections.abc import Callable
from dataclasses import dataclass

from i2i_tutor.data.streams import Batch, Stream


@dataclass(frozen=True)
class GroundTruth:
    """Images of one world and size with their labels: some to learn from, others to be tested on.

    A batch holds ``image``, float32 ``(N, 3, size, size)`` in [-1, 1], and ``label``, int64 class numbers: of the whole
    image, ``(N,)``, or of each of its pixels, ``(N, size, size)``. Train and held out are functions, because
    neither is needed if the judge is in the cache.

    Attributes:
        name: world, source and size as they stand in a file's name, for example "facades-procedural-64".
        size: side of the images in pixels.
        classes: how many there are.
        train: function of (batch, seed) to an endless stream.
        held_out: function to one batch of images that no training sees.
        fingerprint: changes whenever the images do, so that a cached judge is used for its own world only.
    """

    name: str
    size: int
    classes: int
    train: Callable[[int, int], Stream]
    held_out: Callable[[], Batch]
    fingerprint: str
