"""A canvas whose shapes are signed distances, so that edges are smooth at any size without supersampling."""

import numpy as np

Number = np.ndarray | np.floating | float


class Canvas:
    """N pictures while they are drawn, in the faces' own coordinates.

    ``u`` goes to the right of the picture and ``v`` down, ``(N, S, S)`` each; (0, 0) is the middle of the face. ``x``
    and ``y`` are the picture's coordinates, -1 to 1. ``pixel`` is the side of a pixel in a face's units, ``(N, 1, 1)``.
    """

    def __init__(self, size: int, place: tuple[np.ndarray, np.ndarray], scale: np.ndarray, tilt: np.ndarray):
        axis = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
        self.x, self.y = axis[None, None, :], axis[None, :, None]
        dx, dy = self.x - place[0], self.y - place[1]
        cos, sin = np.cos(tilt) / scale, np.sin(tilt) / scale
        self.u, self.v = dx * cos + dy * sin, dy * cos - dx * sin
        self.pixel = np.float32(2 / size) / scale
        self.planes = [np.zeros_like(self.u) for _ in range(3)]

    def oval(self, cx: Number, cy: Number, rx: Number, ry: Number, v: np.ndarray | None = None) -> np.ndarray:
        """About the signed distance to an ellipse; negative inside."""
        p, q = (self.u - cx) * (1 / rx), ((self.v if v is None else v) - cy) * (1 / ry)
        p *= p
        q *= q
        p += q
        np.sqrt(p, out=p)
        p -= 1
        p *= np.minimum(rx, ry)
        return p

    def blob(self, cx: Number, cy: Number, rx: Number, ry: Number) -> np.ndarray:
        """A soft spot, 1 in its middle."""
        p, q = (self.u - cx) * (1 / rx), (self.v - cy) * (1 / ry)
        p *= p
        q *= q
        p += q
        np.negative(p, out=p)
        return np.exp(p, out=p)

    def cover(self, distance: np.ndarray, width: Number | None = None) -> np.ndarray:
        """How much of each pixel lies inside, 0..1; the edge is ``width`` wide, by default a little over a pixel."""
        edge = distance * (-1 / (self.pixel * np.float32(1.2) if width is None else width))
        edge += np.float32(0.5)
        return np.clip(edge, 0, 1, out=edge)

    def paint(self, colour: np.ndarray, cover: np.ndarray, shade: np.ndarray | None = None) -> None:
        """Paint a colour, ``(N or 1, 3)``, as much as ``cover`` says."""
        for channel, plane in enumerate(self.planes):
            ink = colour[:, channel, None, None]
            difference = (ink if shade is None else ink * shade) - plane
            difference *= cover
            plane += difference

    def dim(self, factor: np.ndarray) -> None:
        """Multiply what has been painted."""
        for plane in self.planes:
            plane *= factor
