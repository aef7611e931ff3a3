"""Hair behind and in front of the head, and the hats, caps and bands that cover a part of it."""

import numpy as np

from i2i_tutor.data.faces import numbers as n
from i2i_tutor.data.faces.head import Build, between, one_of, toned
from i2i_tutor.data.faces.look import STYLES, WORN
from i2i_tutor.data.faces.shapes import Canvas

NOTHING, KNITTED, CAP, BAND, BRIMMED = range(-1, 4)  # what a head wears
BARE = 0.9  # share of the hard scenes' heads that wear nothing
BOB_WIDTH, BOB_END = np.float32(0.58), np.float32(0.36)  # half the width of the hair behind, and how low it hangs


class Hair:
    """The hair of N faces; ``colour`` is ``(N, 3)``."""

    def __init__(self, canvas: Canvas, chance: np.ndarray, build: Build, colour: np.ndarray, hard: bool):
        self.canvas, self.chance, self.build, self.colour, self.hard = canvas, chance, build, colour, hard
        style = one_of(STYLES, chance, n.STYLE).T[..., None, None]
        wave, self.line, self.fall, part, self.volume, self.bob, self.bun = style
        self.part = part * build.side
        self.rip = wave * np.sin(np.arctan2(canvas.u, -canvas.v) * 11 + between(chance, n.WAVE, 0, 6.28))
        kind = np.floor((chance[n.HAT] - BARE) / (1 - BARE) * 4)
        self.kind = np.where(hard & (chance[n.HAT] >= BARE), kind, np.float32(NOTHING))
        self.covered = ((self.kind != NOTHING) & (self.kind != BAND)).astype(np.float32)
        u, v = canvas.u, canvas.v
        ring = np.sqrt((u - 0.1 * build.light) ** 2 + (v + 0.05) ** 2)
        shine = np.exp(-(((ring - 0.50) * np.float32(1 / 0.07)) ** 2))
        self.shade = (
            build.strands
            + between(chance, n.SHINE, 0.1, 0.45) * shine
            + 0.10 * build.light * u
            - 0.12 * np.maximum(v, 0) * v
        )

    def behind(self) -> None:
        """What is seen behind the head: the hair of a bob, or a bun."""
        canvas, u, v = self.canvas, self.canvas.u, self.canvas.v
        across, up = np.abs(u) / BOB_WIDTH, np.minimum(v, 0) * np.float32(1 / 0.70)
        round_ = (np.sqrt(across * across * across + np.abs(up * up * up)) - 1) * 0.45 + self.rip
        hanging = np.maximum(round_, v - BOB_END + 0.25 * u * u + self.rip)
        hanging = np.where(self.bob > 0, hanging, np.float32(1))
        canvas.paint(self.colour, canvas.cover(hanging), self.shade * np.float32(0.76))
        bun = np.where((self.bun > 0) & (self.covered == 0), canvas.oval(0.0, -0.74, 0.20, 0.17), np.float32(1))
        canvas.paint(self.colour, canvas.cover(bun), self.shade * np.float32(0.92))

    def before(self) -> None:
        """The fringe and the crown, with their shadow on the forehead; tufts below a hat."""
        canvas, chance, build, u, v = self.canvas, self.chance, self.build, self.canvas.u, self.canvas.v
        crown = canvas.oval(0, -0.04, build.width + 0.055 + self.volume * 0.6, build.height + 0.05 + self.volume)
        crown += self.rip
        wide, off = np.abs(u), np.abs(u - self.part)
        straight = 0.03 * np.sin(u * 26) + 4.5 * np.maximum(wide - 0.33, 0)
        falling = self.fall * off * np.sqrt(off) + 0.9 * np.maximum(wide - 0.30, 0)
        line = np.where(self.covered > 0, np.maximum(self.line, -0.27), self.line)
        self.curve = line + falling + self.bob * (straight - falling)
        shadow = np.clip(0.5 - (v - self.curve - 0.05) / 0.09, 0, 1)
        shadow *= canvas.cover(canvas.oval(0, 0, build.width, build.height))
        canvas.dim(1 - 0.22 * shadow)
        front = np.maximum(crown, v - self.curve)
        tufts = np.minimum(
            canvas.oval(-build.width - 0.05, -0.06, 0.11, 0.24), canvas.oval(build.width + 0.05, -0.06, 0.11, 0.24)
        )
        front = np.where(self.covered > 0, np.minimum(front, tufts + self.rip), front)
        if self.hard:  # locks of a bob hang over the cheeks of some
            inner = 0.35 + 0.12 * v + self.rip
            locks = np.maximum(np.maximum(inner - wide, wide - BOB_WIDTH), np.maximum(v - BOB_END, -0.2 - v))
            front = np.where((self.bob > 0) & (chance[n.LOCKS] < 0.5), np.minimum(front, locks), front)
        canvas.paint(self.colour, canvas.cover(front), self.shade)
        self.crown = crown

    def hat(self) -> None:
        """What is worn on some of the heads, in colours of ``WORN``."""
        canvas, chance, build, u, v = self.canvas, self.chance, self.build, self.canvas.u, self.canvas.v
        if (self.kind == NOTHING).all():
            return
        nowhere = np.float32(1)
        colour = toned(one_of(WORN, chance, n.HAT_COLOUR), chance, n.HAT_TONE, 0.12)
        second = one_of(WORN, chance, n.HAT_SECOND)
        line = between(chance, n.HAT_LINE, -0.42, -0.34) + 0.12 * u * u
        ball = 1.06 - 0.9 * u * u + 0.14 * build.light * u
        dome = canvas.oval(0, -0.10, build.width + 0.10 + self.volume * 0.5, build.height + 0.15 + self.volume * 0.5)
        above = np.maximum(dome, v - line)
        knitted, cap, band, brimmed = (self.kind == kind for kind in (KNITTED, CAP, BAND, BRIMMED))
        ribs = np.where(knitted, 0.93 + 0.09 * np.sin(u * 44), np.float32(1))
        canvas.dim(1 - np.where(self.kind != NOTHING, 0.35 * canvas.blob(0, line + 0.02, 0.6, 0.06), 0))  # its shadow
        canvas.paint(colour, canvas.cover(np.where(self.covered > 0, above, nowhere)), ball * ribs)
        striped = chance[n.HAT_STRIPED] < 0.5
        stripe = np.maximum(above, np.abs(v - line + 0.26) - 0.045)
        canvas.paint(second, canvas.cover(np.where((self.covered > 0) & striped, stripe, nowhere)), ball * ribs)
        # The fold of a knitted hat, a band around the head, the peak of a cap, a brim
        fold = np.maximum(np.maximum(dome - 0.03, v - line), line - 0.13 - v)
        around = np.maximum(np.maximum(self.crown - 0.01, v - line - 0.03), line - 0.10 - v)
        peak = canvas.oval(build.turn * 2, line + 0.01, build.width * 1.02, 0.075)
        brim = canvas.oval(0, line, build.width + 0.30, 0.085)
        edge = np.where(knitted, fold, np.where(band, around, np.where(cap, peak, np.where(brimmed, brim, nowhere))))
        under = 0.86 - 0.9 * np.clip(v - line, 0, 0.12) * (cap | brimmed)
        canvas.paint(
            np.where(band[:, :, 0] & striped[:, :, 0], second, colour), canvas.cover(edge), ball * ribs * under
        )
