"""What is the same in the whole of one photograph of a façade: materials, colours, light, weather, camera."""

import numpy as np

DRAWS = 160  # uniform numbers that describe one photograph; Look takes them one after the other


def _palette(colours: str) -> np.ndarray:
    """Hexadecimal colours, RRGGBB separated by blanks → (K, 3) float32 in [0, 1]."""
    return np.array([tuple(bytes.fromhex(colour)) for colour in colours.split()], dtype=np.float32) / 255


# Colours before light and camera, each palette from the city's own to those that only a free choice finds. A whole
# palette covers dark and light, so that at variety 1 no class has a tone of its own.
_WALLS = _palette("dbcca8 a8563d d1ab6f cc998a e6e3d9 b28061 99a88f 8a99ad c2c2bd 944c38 7a5c4c 8f8f8a 707561 5c5c61")
_STONES = _palette("e0dbcc cfc6b0 a88566 8f8a80 665e57 4c4c4c")
_FRAMES = _palette("f2efe6 e0d8c4 d6cfb8 7a4c29 2e5c44 4c6180 a8adad b88a57 94291f 6b94a6 292626")
_DOORS = _palette("5e3a20 2e5c44 94291f 4c6180 292626 b88a57 6b94a6 a8adad d6cfb8 ebe8de")
_SHUTTERS = _palette("2e5c44 4c6180 7a4c29 ebe8de 94291f 6b94a6 b88a57 a8adad d6cfb8 292626")
_RAILINGS = _palette("292626 2e5c44 4c6180 7a4c29 94291f a8adad 6b94a6 b88a57 d6cfb8 ebe8de")
_GLASSES = _palette("1c2730 2f3f4d 4a5c6b 6b7a85 8fa8c2 a8bccc d6dade e0b870")
_SKIES = _palette("6ea4e6 9ec2eb d6dee6 f2f2f0 8f949e e0b899")
_FABRICS = _palette("b2241f 24663d 1f4c85 e6b833 383338 dbd6c7")
_ROOFS = _palette("8a4631 61382e 474a52 6b6661")
_LEAVES = _palette("3f6b2a 57702e 805724 4c4233")

# Wall materials: height of a course and length of a block in pixels at 64, shift of every other course (of the
# block), strength of the joint, spread of tone between blocks, roughness.
_MATERIALS = np.array(
    [
        (3.0, 6.0, 0.5, 0.5, 0.18, 0.08),  # brick
        (64.0, 99.0, 0.0, 0.0, 0.00, 0.09),  # stucco
        (5.5, 9.0, 0.5, 0.4, 0.08, 0.06),  # ashlar
        (3.0, 5.0, 0.5, 0.3, 0.12, 0.05),  # small brick
        (64.0, 99.0, 0.0, 0.0, 0.00, 0.04),  # paint
        (4.0, 99.0, 0.0, 0.35, 0.08, 0.07),  # cladding
        (64.0, 99.0, 0.0, 0.0, 0.00, 0.02),  # smooth concrete
        (10.0, 13.0, 0.0, 0.5, 0.06, 0.05),  # concrete panels
    ],
    dtype=np.float32,
)


class Look:
    """Everything that is the same in the whole of one photograph; each attribute has one row per image.

    Args:
        uniforms: ``(draws, N)`` in [0, 1): one column of random numbers per photograph.
        variety: from 0, where every photograph has the look of the city's most usual house, to 1, where it is free.
            A palette is open from its first colour to this share of it; a number deviates by this share of its range.
    """

    def __init__(self, uniforms: np.ndarray, variety: float):
        self.variety = np.float32(variety)
        self._columns = iter(uniforms)
        self.material = self.pick(_MATERIALS)
        self.roughness = self.variety * self.material[:, 5]
        self.wall = self.colour(_WALLS)
        self.mortar = self.contrasting(self.wall)
        self.stone = self.colour(_STONES)
        self.stone_ground = self.contrasting(self.stone)
        self.relief = self.contrasting(self.stone)
        self.frame = self.colour(_FRAMES)
        self.glass = self.colour(_GLASSES)
        self.other_glass = self.colour(_GLASSES)  # the panes that reflect, stand open, or are curtained
        self.share_of_other = self.uniform(0.0, 0.5, usual=0.0)
        self.columns_of_panes = np.floor(self.uniform(2, 4, usual=2))
        self.arched = self.chance(0.2)
        self.transom = self.uniform(0.25, 0.6)
        self.door = self.colour(_DOORS)
        self.door_ground = self.contrasting(self.door)
        self.blind = self.colour(_SHUTTERS)
        self.slat = self.uniform(2.0, 3.0)
        self.slat_contrast = self.uniform(0.35, 0.75)
        self.railing = self.colour(_RAILINGS)
        self.behind_railing = self.contrasting(self.railing)
        self.bar = self.uniform(2.0, 3.2)
        self.flute = self.uniform(2.0, 3.0)
        self.bevel = self.uniform(-0.12, 0.15)  # how much lighter the upper part of a profile is than its lower part
        self.dentil = self.uniform(2.4, 4.0)
        self.fabric, self.second_fabric = self.colour(_FABRICS), self.colour(_FABRICS)
        self.second_fabric = np.where(self.chance(0.4)[:, None], self.second_fabric, np.float32(0.9))
        self.stripe = self.uniform(4.0, 7.0)
        self.sign = self.colour(_FABRICS)
        self.letters = self.contrasting(self.sign)
        self.shop_glass = self.colour(_GLASSES)
        self.goods = self.colour(_FABRICS)
        self.roof = self.colour(_ROOFS)
        self.sky, self.horizon = self.colour(_SKIES), self.colour(_SKIES)
        self.leaves = self.colour(_LEAVES)
        self.neighbour = self.colour(_WALLS)
        self.street = self.colour(_STONES)
        self.seed = self.uniform(0, 4096)
        self.phase = self.uniform(0, 4)  # pixels at 64: where bricks, bars, and slats begin
        self.sun_side = np.sign(self.uniform(-1, 1, usual=-1)) * (self.uniform(0, 1, usual=1) > 0.2)
        self.sun = self.uniform(0.0, 0.55)  # darkness of a shadow
        self.dirt = self.uniform(0.0, 0.35, usual=0.0)
        self.streaks = self.uniform(0.0, 0.3, usual=0.0)
        self.exposure = self.uniform(0.8, 1.35)
        self.balance = 1 + 0.12 * np.stack([self.uniform(-1, 1), self.uniform(-0.3, 0.3), self.uniform(-1, 1)], axis=1)
        self.softness = self.uniform(0.0, 0.12)
        self.sensor_noise = self.uniform(0.0, 0.05, usual=0.0)

    def uniform(self, low: float, high: float, usual: float | None = None) -> np.ndarray:
        """(N,) float32 in [low, high), the nearer to ``usual`` (by default the middle) the smaller the variety."""
        free = np.float32(low) + np.float32(high - low) * next(self._columns)
        return self.variety * free + (1 - self.variety) * np.float32((low + high) / 2 if usual is None else usual)

    def chance(self, probability: float) -> np.ndarray:
        """(N,) bool: whether something unusual happens."""
        return next(self._columns) < self.variety * probability

    def pick(self, table: np.ndarray) -> np.ndarray:
        """(N, columns): one row of the table for every photograph, the first one if there is no variety."""
        return table[(self.variety * next(self._columns) * len(table)).astype(np.intp)]

    def colour(self, palette: np.ndarray) -> np.ndarray:
        """(N, 3): a colour of the palette, a little off in every channel."""
        jitter = np.stack([self.uniform(-0.05, 0.05) for _ in range(3)], axis=1)
        return self.pick(palette) + jitter

    def contrasting(self, colour: np.ndarray) -> np.ndarray:
        """(N, 3): clearly darker or clearly lighter than ``colour``, whichever has room, either way where both have."""
        mean = colour.mean(axis=1)
        darker = self.uniform(0, 1) < np.clip((mean - 0.2) / 0.5, 0, 1)
        return np.where(darker[:, None], 0.45 * colour, 0.4 * colour + 0.6)
