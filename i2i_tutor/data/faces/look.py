"""Colours and hair styles. Of a hard scene hats, scarves, clothes and walls have the hair's colours among others."""

import numpy as np


def _colours(text: str) -> np.ndarray:
    """Colours in 0..1, float32 ``(K, 3)``."""
    return np.array([[int(one[i : i + 2], 16) for i in (0, 2, 4)] for one in text.split()], np.float32) / 255


HAIRS = _colours("b4b6bd 14161f efcd78 5e3218"), _colours("80838c 2a2020 d9a23e 8f5128")  # two shades of each:
# grey, then black, blond, brown as in ATTRIBUTES
SKINS = _colours("f6d3b8 eebf9b dfa67c c68a5e 9c6540 82533a")
WORN = np.concatenate([*HAIRS, _colours("2f5d62 a8453a f0e8d8 3f5f8d")])  # hats, scarves, clothes
BACKS = np.concatenate([*HAIRS, _colours("8fb0ad b9c4a6 e0c9a4 6d8580 c9a58f 56473f")])
CALM_BACKS = _colours("8fb0ad b9c4a6 d9c29a c9a58f 8f9aa8 6d8580")
CALM_CLOTHES = _colours("2f5d62 a8553a 4c6a8d e8dfcc")
IRISES = _colours("4a2f1b 3f6a8a 4f6f45 6b4a2a")
LENSES = _colours("17161a 1b1512 141c1a")  # of sunglasses
RIMS = _colours("17161a 1b1512 2a2022 7b2a22")
FRAMES = _colours("1d1b1f 7b3a22 b9b9c0 c8a048")  # of spectacles
TINTS = _colours("d8909a d8a850 7fa8d0 88b888 a8a4b0")  # of their lenses
SHADOWS = _colours("1e1a20 2c2230 3f4a78 6b3a52 40564a")  # around the eyes
STUBBLES = _colours("4a4248 6b5648 8a8486")
BROWS = _colours("2a2022 5a3a22 8a8078 8f6a38")

# waves, hairline, how far it falls at the sides, where it parts, how much it stands out, a bob, a bun
STYLES = np.array(
    [
        (0.000, -0.34, 0.10, 0.22, 0.06, 0, 0),  # short, parted
        (0.035, -0.30, 0.20, 0.00, 0.12, 0, 0),  # curls
        (0.000, -0.20, 0.00, 0.00, 0.07, 1, 0),  # a bob with a straight fringe
        (0.000, -0.36, 0.25, -0.2, 0.05, 0, 1),  # a bun
    ],
    np.float32,
)
