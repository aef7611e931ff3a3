# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Speed and memory
#
# How long does a step take, and what does it need?
# `make bench` measures it on your machine and writes `book/results/bench.json`, from which this page is drawn.
# Each machine has an entry of its own there, so several stand side by side.
#
# A measurement is repeated in rounds, and in each round every variant has its turn, so that a busy moment hits all of them alike.
# The tables give the median, and in brackets the smallest and largest value of all rounds.
# "Load" is the number of other processes that were at work when a part began.
# Where it is well above 0 the seconds are too long, and a difference smaller than the ranges means nothing.

# %% tags=["hide-input"]
import json
import statistics

from IPython.display import display

from i2i_tutor import plots
from i2i_tutor.files import book_file

# %% tags=["hide-input"]
try:
    machines = json.loads(book_file("results/bench.json").read_text(encoding="utf-8"))["machines"]
except FileNotFoundError:
    machines = {}


def middle(values, scale=1.0, digits=3):
    """The median of some values and, if there are several, their range, as text."""

    def text(value):
        return f"{value * scale:,.0f}" if value * scale >= 10**digits else f"{value * scale:.{digits}g}"

    several = f" ({text(min(values))} to {text(max(values))})" if len(values) > 1 else ""
    return text(statistics.median(values)) + several


letters = dict(zip(machines, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=False))


def parts(name):
    """A machine's letter and what it found, for every machine that has measured a part."""
    return [(letters[machine], found[name]) for machine, found in machines.items() if name in found]


# %% tags=["hide-input"]
rows = []
for machine, found in machines.items():
    for name, part in found.items():
        games = part["values"].values() if name in ("steps", "waiting", "quality") else ()
        rounds = sorted({len(values) for game in games for values in game.values()} or {part["rounds"]})
        rounds = " to ".join(str(rounds[k]) for k in sorted({0, len(rounds) - 1}))
        about = (part["versions"]["torch"], rounds, f"{part['load']:.1f}", part["git_commit"])
        rows.append((letters[machine], machine, name, *about))
plots.table(["", "machine", "part", "torch", "rounds", "load", "commit"], rows)

# %% [markdown]
# (bench-steps)=
# ## A step
#
# `fit` against the step of the official codes, written anew: the same networks and losses in fp32, torch's own layers, plain Adam, and every loss read in every step.
# A test compares both in double precision, so only the time differs.
# Each variant runs in a process of its own, all of them on one and the same batch; what drawing it costs is measured below.
# At `paper` the networks are the papers'; *64 px* is a CycleGAN of 32 filters and 6 blocks at batch 8.
#
# What `fit` does differently:
#
# - **bf16** where the processor multiplies it in hardware. Elsewhere `fit` stays in fp32 and gains much less.
# - **Channels last**, for CycleGAN, the methods that build on it, and TUNIT at `fast`: the channels of a pixel lie side by side, as convolutions want them. Pictures stay what they are, only their order in memory changes.
# - **Norms and padding of our own**. PyTorch's instance norm turns every tensor round when the channels are last, and its reflection padding works in fp32 even if all else is bf16.
# - **Four pixels at once** in the layer that makes the picture. A processor with wide registers computes 16 channels in the time of 3, so four neighbours in a row become channels of one place.
# - The **gradient of a bias** of a transposed convolution is a sum of its own; together with the others PyTorch takes long for it when the channels are last.
# - **Memory is kept** while a training runs on Linux. By itself the C library returns it after every tensor, and the system clears each page anew.
# - A **fused Adam**, and losses that are read every twenty steps.
# - **Small maps as products of matrices**, in the U-Net in bf16: its inner layers have many weights for few places, and a convolution rearranges all of them.
#
# The first table shows what `fit` does; the second, folded, what it does without one of these measures.

# %% tags=["hide-input"]
PLAIN = ("official, fp32", "textbook, fp32", "fit, fp32", "fit, bf16")


def step_rows(shown):
    """Rows of the variants that are shown: time, and how many times as fast as the official step, or else fit in fp32."""
    rows = []
    for machine, part in parts("steps"):
        for game, variants in part["values"].items():
            rival = next(name for name in (*PLAIN[:2], "fit, fp32") if name in variants)
            for variant in (name for name in sorted(variants, key=lambda name: name != rival) if shown(name)):
                ratio = f"{statistics.median(variants[rival]) / statistics.median(variants[variant]):.2f}"
                rows.append((game, variant, middle(variants[variant], 1000), ratio, machine))
    return rows


HEADER = ["game", "variant", "milliseconds a step", "times as fast as the game's first row", "machine"]
plots.table(HEADER, step_rows(lambda variant: variant in PLAIN))

# %% [markdown]
# With *memory given back*, with *torch's own layers*, or with *the other memory format*, which is contiguous if `fit` trains with channels last, and the reverse:

# %% tags=["hide-input", "hide-output"]
plots.table(HEADER, step_rows(lambda variant: variant not in PLAIN))

# %% [markdown]
# Older rows call the rival *textbook* and have three variants that `fit` did not use then: channels last in fp32, and the calls of one network joined into one.
# *cycle*, among them, is a game of CycleGAN's size that stood in for it.
#
# (bench-quality)=
# ## Until it is good
#
# A fast step is worth something only if the pictures become as good in as many of them.
# So we stop the clock when the claims that a chapter judges live hold, at `fast`, asked every 50 steps; asking is not counted.
# "Official" is a plain loop of the official steps on the same data with the same learning rates; it, too, translates with averaged weights.

# %% tags=["hide-input"]
rows = []
for machine, part in parts("quality"):
    for game, found in part["values"].items():
        for way in ("official", "fp32", "bf16"):
            if f"{way}, seconds" in found:
                name = way if way == "official" else f"fit, {way}"
                rows.append(
                    (game, name, middle(found[f"{way}, seconds"]), middle(found[f"{way}, steps"], digits=4), machine)
                )
plots.table(["game", "loop", "seconds until it is good", "steps", "machine"], rows)

# %% [markdown]
# (bench-waiting)=
# ## The data
#
# How much of a training's time does it spend waiting for its next batch?

# %% tags=["hide-input"]
rows = []
for machine, part in parts("waiting"):
    rows += [(game, f"{middle(found['share'], 100, 2)} %", machine) for game, found in part["values"].items()]
plots.table(["game", "time spent waiting", "machine"], rows)

# %% [markdown]
# The drawn houses of chapter 1, in pictures per second.
# A step at `fast` needs four of them.

# %% tags=["hide-input"]
rows = []
for machine, part in parts("world"):
    for size, variants in part["values"].items():
        rows += [(size, variant, middle(values), machine) for variant, values in variants.items()]
plots.table(["size", "drawn by", "pictures a second", "machine"], rows)

# %% [markdown]
# ## Looking and keeping
#
# What does it cost to write down every loss, and to keep checkpoints?

# %% tags=["hide-input"]
rows = []
for machine, part in parts("overhead"):
    steps, saving = part["values"]["seconds per step"], statistics.median(part["values"]["seconds"]["one checkpoint"])
    bare = statistics.median(steps["no logging"])
    rows += [
        (name, middle(values, 1000), f"{100 * (statistics.median(values) / bare - 1):+.1f} %", machine)
        for name, values in steps.items()
    ]
    share = 100 * saving * part["values"]["checkpoints"] / (bare * part["values"]["steps"])
    rows.append(("ten checkpoints in a run at fast", f"{saving * 1000:.3g} each", f"{share:+.1f} %", machine))
plots.table(["what", "milliseconds", "added to a run", "machine"], rows)

# %% [markdown]
# A difference smaller than the range of the values is noise, in both directions.
#
# ## Starting

# %% tags=["hide-input"]
rows = []
for machine, part in parts("imports"):
    rows += [(name, middle(values), machine) for name, values in part["values"].items()]
plots.table(["imported by a fresh Python", "seconds", "machine"], rows)

# %% [markdown]
# Nearly all of it is PyTorch: its core in the first row, and in the third also its compiler, which torchmetrics and torchvision load and which the first optimiser of a training would load anyway.
# The command line does not import it, so that a wrong parameter is refused at once.
#
# (bench-memory)=
# ## Memory
#
# The highest memory of a fresh process that trains two steps of pix2pix at each profile, in MiB.
# On a CPU that is all memory of the process, the libraries included (the first column); on a GPU it is what torch allocated there.

# %% tags=["hide-input"]
rows = []
for machine, part in parts("memory"):
    for method, values in part["values"].items():
        rows.append((method, *(values[name] for name in ("imports", "smoke", "fast", "paper")), machine))
plots.table(["method", "imports only", "smoke", "fast", "paper", "machine"], rows)

# %% [markdown]
# **When it is not enough,** `fit` says so in a sentence, with the ladder to climb down: first a smaller batch, then smaller images, then half the bits (`precision="bf16"`).
# The batch comes first, because memory grows in proportion to it and the networks stay the same; half the side of an image saves more, but changes what is learnt.
#
# (bench-bf16)=
# ## Is bf16 as good?
#
# bf16 keeps the range of fp32 and eight of its 24 bits of precision.
# Weights, their gradients and Adam's memory stay in fp32; convolutions multiply in bf16, and losses are computed in fp32.
# Below, one run of pix2pix at `fast` size is trained twice, from the same seed and on the same pictures.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Loss terms of one pix2pix run over its first steps, in fp32 and in bf16. For the discriminator, the GAN term and the L1 term the two curves run close together: their difference is smaller than the swings of either curve."}}
if parts("curves"):
    _, part = max(parts("curves"), key=lambda item: item[1]["values"]["native"])  # not where bf16 is emulated
    found, curves = part["values"], {}
    at = range(found["window"], found["steps"] + 1, found["window"])
    for precision in ("fp32", "bf16"):
        curves |= {f"{name}, {precision}": (at, values) for name, values in found[precision].items()}
    display(plots.lines(curves, x=f"step (means of {found['window']})", y="weighted loss"))

# %% [markdown]
# A GAN magnifies small differences, so the two runs cannot stay equal.
# What one can ask is whether one of them drifts away, and for that look at the level of the curves, not at single swings.
