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
    """The median of some values and their range, as text."""
    low, high = min(values) * scale, max(values) * scale
    return f"{statistics.median(values) * scale:.{digits}g} ({low:.{digits}g} to {high:.{digits}g})"


letters = dict(zip(machines, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=False))


def parts(name):
    """A machine's letter and what it found, for every machine that has measured a part."""
    return [(letters[machine], found[name]) for machine, found in machines.items() if name in found]


# %% tags=["hide-input"]
rows = []
for machine, found in machines.items():
    for name, part in found.items():
        about = (part["versions"]["torch"], part["rounds"], f"{part['load']:.1f}", part["git_commit"])
        rows.append((letters[machine], machine, name, *about))
plots.table(["", "machine", "part", "torch", "rounds", "load", "commit"], rows)

# %% [markdown]
# (bench-steps)=
# ## A step
#
# `fit` against the loop that a textbook prints: the same networks and losses in fp32, plain Adam, and every loss read in every step.
# The data stand still in this comparison; their cost is measured below.
# *pix2pix* and *CycleGAN* are the methods of chapters 1 and 2; *cycle*, in older rows, is a game of CycleGAN's size that stood in for it.
# At `paper` both have the papers' networks at 256 pixels and batch 1.
#
# What `fit` does differently is little: a fused Adam, losses that are read every twenty steps, and arithmetic in bf16 if the processor multiplies bf16 in hardware.
# Where it has none, `fit` stays in fp32, and nobody should expect a large gain.
# A game or a variant without a row has not been measured on any machine yet.

# %% tags=["hide-input"]
rows = []
for machine, part in parts("steps"):
    for game, variants in part["values"].items():
        textbook = statistics.median(variants["textbook, fp32"])
        for variant, values in sorted(variants.items(), key=lambda item: "textbook" not in item[0]):
            ratio = f"{textbook / statistics.median(values):.2f}"
            rows.append((game, variant, middle(values, 1000), ratio, machine))
plots.table(["game", "variant", "milliseconds a step", "times as fast as the textbook", "machine"], rows)

# %% [markdown]
# Three ideas that one reads about are measured and not used.
# *Channels last* stores the channels of a pixel side by side.
# *Real and fake in one call* gives a discriminator both at once, which is exact with instance norm, because that looks at each picture alone.
# *Generators' calls joined* makes three calls of CycleGAN's four: real and made pictures of one side go through the generator together.
# Whether they pay shows in the last but one column: a number near that of plain `fit` says that they do not.
#
# ## The data
#
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
    _, part = parts("curves")[-1]
    found, curves = part["values"], {}
    at = range(found["window"], found["steps"] + 1, found["window"])
    for precision in ("fp32", "bf16"):
        curves |= {f"{name}, {precision}": (at, values) for name, values in found[precision].items()}
    display(plots.lines(curves, x=f"step (means of {found['window']})", y="weighted loss"))

# %% [markdown]
# A GAN magnifies small differences, so the two runs cannot stay equal.
# What one can ask is whether one of them drifts away, and for that look at the level of the curves, not at single swings.
