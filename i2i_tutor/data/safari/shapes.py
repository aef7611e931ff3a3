"""Shapes as signed distances, whose edges are smooth at any size without supersampling."""

import numpy as np

Point = tuple[np.ndarray | float, np.ndarray | float]


class Paper:
    """The pixels of N pictures in the animals' own coordinates: ``u`` forward, ``v`` up, in body lengths."""

    def __init__(self, u: np.ndarray, v: np.ndarray):
        self.u, self.v = u, v  # (N, 1, S), (N, S, 1)

    def capsule(self, a: Point, b: Point, at_a: float, at_b: float) -> np.ndarray:
        """Signed distance ``(N, S, S)`` to a limb from ``a`` to ``b`` whose radius changes; negative inside."""
        along_u, along_v = np.float32(b[0] - a[0]), np.float32(b[1] - a[1])
        length = along_u**2 + along_v**2
        du, dv = self.u - a[0], self.v - a[1]
        t = du * (along_u / length) + dv * (along_v / length)
        np.clip(t, 0, 1, out=t)
        across = t * along_u
        np.subtract(du, across, out=across)
        across *= across
        down = t * along_v
        np.subtract(dv, down, out=down)
        down *= down
        across += down
        np.sqrt(across, out=across)
        t *= np.float32(at_b - at_a)
        across -= t
        across -= np.float32(at_a)
        return across

    def disc(self, centre: Point, radius: float) -> np.ndarray:
        """Signed distance ``(N, S, S)`` to a disc."""
        distance = (self.u - centre[0]) ** 2 + (self.v - centre[1]) ** 2
        np.sqrt(distance, out=distance)
        distance -= np.float32(radius)
        return distance


def joined(one: np.ndarray, other: np.ndarray, width: float = 0.05) -> np.ndarray:
    """Union of two shapes whose seam is rounded over ``width``."""
    h = np.abs(one - other)
    np.subtract(np.float32(width), h, out=h)
    np.maximum(h, 0, out=h)
    h *= h
    h *= np.float32(1 / (4 * width))
    nearest = np.minimum(one, other)
    nearest -= h
    return nearest


def inside(distance: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """How much of a pixel lies inside, 0..1; the edge is ``width`` wide."""
    cover = distance * (-1 / width)
    cover += np.float32(0.5)
    return np.clip(cover, 0, 1, out=cover)


def over(below: np.ndarray, above: np.ndarray | np.floating | float, cover: np.ndarray) -> None:
    """Paint ``above`` on ``below``, in place, as much as ``cover`` says."""
    difference = above - below
    difference *= cover
    below += difference
