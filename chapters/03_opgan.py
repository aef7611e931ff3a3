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
# # OP-GAN: where did the objects go?
#
# *Self-Supervised CycleGAN for Object-Preserving Image-to-Image Domain Adaptation*, by Xinpeng Xie, Jiawei Chen, Yuexiang Li, Linlin Shen, Kai Ma and Yefeng Zheng, ECCV 2020 {cite:p}`xie2020`.
#
# ## What you will see
#
# A night street becomes a day.
# Count the cars before and after, and look at the line where roofs meet the sky.
#
# ![Six columns of streets and four rows. First row: night streets with low houses and one or two cars each. Second row, CycleGAN: days with roofs in what was empty sky, and roads on which most cars are gone. Third row, OP-GAN: days in which roofs, trees and cars are where they were, somewhat blurred, while lit windows have become ragged spots. Fourth row: the true days.](../book/results/opgan_opening.webp)
#
# The second row is CycleGAN: days, but of *other* streets.
# Roofs stand in what was empty sky, and most cars are gone or have left a smear.
# The third row is OP-GAN as this book trains it: the same generators and discriminators, and a third kind of network that compares each night with its day.
# Nobody told that network what a car is.
# Look also at what the third row loses: small things, such as windows and people.
# The fourth row is the truth, which no training has seen.
#
# **Core route, 45 minutes:** leave out "Break it" and the exercises. **Deep route, 2 hours:** everything.
# The trainings take some minutes on a laptop with two cores; the paper's own size needs a GPU (last section).
#
# After this chapter you can
#
# 1. explain why a perfect cycle does not keep a single object in its place, and build the counterexample;
# 2. tell the four kinds of pairs of patches apart, and say which loss each of them feeds;
# 3. predict what a network does if it is free to choose what *content* means;
# 4. check such a network in seconds, before any GAN is trained;
# 5. choose numbers for a translation that an empty road cannot win.
#
# **You need** {ref}`chapter 2 <c2>`: two generators, two discriminators, one cycle.
# The boxes on {ref}`Siamese networks <b6>`, {ref}`self-supervision <b8>`, {ref}`disentangled features <b9>` and {ref}`domain adaptation <b5>` help.
#
# :::{admonition} Two minutes before you start
# :class: tip dropdown
# 1. In chapter 2, which picture is $G(x)$ compared with?
# 2. A list of nine things and another nine: how many pairs of different things can be drawn from the eighteen?
# 3. A network puts out the same map for every picture. What is the mean squared difference of two of its maps?
# 4. What is the cross-entropy of three equal scores?
#
# *Answers: with none; only $F(G(x))$ is compared with $x$; 153; 0; $\ln 3 \approx 1.10$.*
# :::
#
# The next three cells set the run up.
# You may change the numbers; at first reading, skip them.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Show the parameters: everything that you may change"}
# fmt: off
profile: str = None  # the size of everything; None: $I2I_PROFILE, or else "fast" {"smoke", "fast", "paper"}
seed: int = 0  # of weights, data and noise [0, 2147483647]
source: str = "streets"  # drawn streets, or photographs at dusk and by day {"streets", "camvid"}
steps: int = None  # training steps [1, 10000000]
device: str = None  # where to compute; None: on a GPU if there is one {"cpu", "cuda"}
out: str = None  # folder of the results; None: one under runs/, named by the parameters
resume: bool = False  # continue an interrupted run
allow_slow: bool = False  # really run the paper's profile on a CPU
compare: bool = True  # train the baseline (CycleGAN) beside the method
piles: str = "different"  # whether the drawn streets of night and day differ in what stands in them {"different", "alike"}
paired: bool = False  # the ceiling instead of the method: drawn pairs and their L1, no GAN
content: str = None  # content loss: the paper's, this book's, or edges without a network {"literal", "stabilised", "edges"}
lambda_content: float = None  # weight of the content loss; 0 leaves it out [0, 1000000]
lambda_domain: float = None  # weight of the domain loss; 0 leaves it out [0, 1000000]
lambda_identity: float = None  # weight of the identity terms; 0 leaves them out [0, 1000000]
sampling: str = None  # of pairs: one of every class, or any two of the 18 cells {"balanced", "uniform"}
warm_up: int = None  # first steps, in which S alone learns [0, 1000000]
siamese_rate: float = None  # learning rate of the Siamese network [1e-09, 1]
average: float = None  # decay of the averaged generators, which translate; 0: the last weights do [0, 0.999999]
# fmt: on

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the imports"}
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from IPython.display import display
from ipywidgets import IntSlider
from PIL import Image
from torch import nn

from i2i_tutor import chapter, checks, inline, plots, widgets
from i2i_tutor.data import camvid, streets
from i2i_tutor.film import Film, leaf, log_spaced, scrub, strip
from i2i_tutor.losses import l1
from i2i_tutor.measuring import judges, metrics, results
from i2i_tutor.methods import opgan
from i2i_tutor.methods.base import Turn, profiles
from i2i_tutor.methods.opgan import OPGAN, RECIPES, Siamese
from i2i_tutor.nn import count_parameters
from i2i_tutor.parameters import ParameterError
from i2i_tutor.training import make_optimisers, play


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the opening of the run: it checks the parameters"}
class Own:
    """The parameters of this chapter alone. The recipe's are in its last section."""

    source: Annotated[
        Literal["streets", "camvid"],
        "drawn streets, or photographs at dusk and by day",
    ] = "streets"
    compare: Annotated[bool, "train the baseline (CycleGAN) beside the method"] = (
        True
    )
    piles: Annotated[
        Literal["different", "alike"],
        "whether the drawn streets of night and day differ in what stands in them",
    ] = "different"
    paired: Annotated[
        bool, "the ceiling instead of the method: drawn pairs and their L1, no GAN"
    ] = False


run = chapter.open_run(
    globals(), "03_opgan", RECIPES, Own,
    numbers=(
        "content", "lambda_content", "lambda_domain", "lambda_identity", "sampling",
        "warm_up", "siamese_rate", "average",
    ),
    slow="31 million weights and 80,000 steps at 256 pixels: days",
)  # fmt: skip
recipe = run.recipe
drawn = source == "streets"
if not drawn and (paired or piles != "different"):
    raise ParameterError("pairs and piles are drawn, so they need source 'streets'")
if paired and compare:
    raise ParameterError(
        "paired shows every model the same streets; set compare=False"
    )
if over := recipe.size % 3:
    print(
        f"{recipe.size} pixels do not divide by 3: on the right and below {over} px"
        " belong to no cell of the grid"
    )

# %% [markdown]
# (o1)=
# ## The problem
#
# **Objects get lost.** Unpaired translation repaints coats, blurs small parts such as eyes and noses, and lets things appear and vanish.
# In art this may pass.
# In *domain adaptation* it does harm: labels were made for the pictures of one domain, the pictures are translated into another, and the labels are kept.
# If the car has gone, its label is a lie.
#
# (o2)=
# **An earlier cure** puts a segmentation network into the translator, so that it must respect every object.
# It works, but it needs a label for every pixel, and such labels are expensive.
#
# (o3)=
# **Where the fault lies.** Take a night $x_A$, its day $G_{AB}(x_A)$, and the way back $x_A' = G_{BA}(G_{AB}(x_A))$.
# CycleGAN compares $x_A$ with $x_A'$, and asks $D_B$ whether the day looks like a day.
# **Nothing compares $x_A$ with $G_{AB}(x_A)$.**
#
# This freedom can be made exact.
# Let $T$ be any change that can be undone, and replace the generators by
#
# $$
# G_{AB}' = T \circ G_{AB}, \qquad G_{BA}' = G_{BA} \circ T^{-1} .
# $$ (opgan-gauge)
#
# The new way back first undoes what the new way there has added:
#
# $$
# \begin{split}
# G_{BA}'(G_{AB}'(x_A)) &= G_{BA}(T^{-1}(T(G_{AB}(x_A)))) \\
# &= x_A' .
# \end{split}
# $$
#
# The cycle of $A$ is exactly the same.
# The cycle of $B$ and the discriminator $D_B$ notice nothing, either, on two conditions: $T$ only moves pixels, and in pile $B$ a moved day is as likely as the day itself.
# (Chapter 2's identity terms would notice, because they compare $G_{AB}(x_B)$ with $x_B$. They are not part of the paper's loss, though, and they never look at a translated night.)
#
# Here $T$ is a shift: what leaves on the right comes in again on the left.
# The translator is imagined and perfect: it knows the true day.
# Move the slider and watch the cost of the cycle.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two piles, and the fixed test set"}
def world(numbers):
    """The training stream of this run: nights or dusks in a, days in b."""
    size, batch, load = numbers.size, numbers.batch, numbers.load_size
    if not drawn:
        return camvid.train(source, size, batch, run.seed, load_size=load)
    kinds = ("low", "tall" if piles == "different" else "low")
    return streets.train(
        "procedural", size, batch, run.seed, kinds=kinds, paired=paired
    )


# on a CPU a translation at 256 pixels takes seconds
patient = recipe.size <= 128 or run.device.type != "cpu"
count = (20 if run.profile == "smoke" else 100) if patient else 10
if drawn:
    test = streets.evaluation("procedural", recipe.size, count=count)
    CLASSES = streets.CLASSES
else:
    test = camvid.evaluation(source, recipe.size, count=None if patient else count)
    CLASSES = (*camvid.CLASSES, "void")
PARTS = {
    part: CLASSES.index(part if part in CLASSES else "building")
    for part in ("car", "sky", "house", "tree")
}
for part, place in PARTS.items():
    if not (test["labels"] == place).any():
        raise ParameterError(
            f"no test picture holds a {part}, so none could be found again"
        )

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the shift that nobody sees"}
night, day = test["a"][:4], test["b"][:4]
SHIFTS = [round(recipe.size * part / 16) for part in range(9)]
shifted = {k: strip([night, day.roll(k, -1), night]) for k in SHIFTS}


def said(k):
    """What the cycle costs if days are shifted by k pixels, and the way back knows."""
    unshifted = day.roll(k, -1).roll(-k, -1).flatten(1)
    again = night[torch.cdist(unshifted, day.flatten(1)).argmin(1)]
    return f"shifted by {k} pixels: the cycle costs {l1(again, night):.2f}"


if drawn:  # of photographs nobody knows the true day
    alt = "Nights, their days shifted to the right, and the nights again"
    large = 3 if recipe.size <= 64 else 1
    display(
        scrub(
            list(shifted.values()), [said(k) for k in SHIFTS], alt, large, shown=0
        )
    )

# %% [markdown]
# Each of these days looks like a day, except for a seam if the two edges do not match, and each night is recovered without a fault.
# Only *you* see that houses and cars have left their places.
#
# **Why a GAN uses this freedom.** $D_B$ compares *sets* of pictures.
# If days have taller houses and emptier roads than nights, then translated nights that have them, too, are taken for days more easily.
# So our two piles differ, on purpose, in more than light, as two real drives do:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Two columns of six training pictures. Left: night streets with low houses and one or two cars each. Right: days with taller houses, more trees and mostly empty roads."}}
piles_shown = [next(stream) for stream in [world(recipe)] for _ in range(6)]
plots.grid(
    {
        f"pile {side}": torch.cat([one[side][:1] for one in piles_shown])
        for side in "ab"
    },
    caption="What else, besides the light, is different in the right column?",
)

# %% [markdown]
# Whatever the nights hold also occurs by day, so a faithful translation is never impossible.
# But low houses and cars are *rarer* among the days, and so $D_B$ takes them for signs of a translation.
#
# (o4)=
# ## The idea
#
# Compare $x_A$ with $G_{AB}(x_A)$ after all, but not their colours, which must change.
# Compare their **content**, and let a network learn what that is.
#
# | paper | in code |
# | --- | --- |
# | generators $G_{AB}$, $G_{BA}$; discriminators $D_A$, $D_B$ | `g_ab`, `g_ba`; `d_a`, `d_b` |
# | Siamese network $S$, its encoder $E$, both encoders equal | `siamese`, `siamese.encoder` |
# | embedding $Z = (c, d)$: content and domain | `siamese.encode` |
# | content attention map $\tilde p$ | `siamese.content` |
#
# A picture and its translation are each cut into a **3 × 3 grid**.
# Two of these eighteen *patches* are drawn, and we know where they come from, so labels cost nothing.
# This is self-supervision:
#
# - Patches of **one place** in both pictures have the same content, whatever the light. *Position supervises the content*, by a content loss $\mathcal L_{cc}$.
# - Patches of **one picture** share their domain, whatever they show. *Origin supervises the domain*, by a domain loss $\mathcal L_{dc}$.
#
# That makes four scenarios: $D_1$, both from the night; $D_2$, both from the day; $C_1$, one of each, from the same place; $C_2$, one of each, from two places.

# %% tags=["remove-input"]
places = {"x_A": (0, 0), "g_ab": (1.1, 0), "G_AB(x_A)": (2.4, 0), "d_b": (3.7, 0)}
places |= {"S: encoder E": (1.1, 1), "S: the same E": (2.4, 1)}
places |= {"content: L_cc": (1.1, 2), "domain: L_dc": (2.4, 2)}
arrows = [
    ("x_A", "g_ab", ""), ("g_ab", "G_AB(x_A)", ""), ("G_AB(x_A)", "d_b", ""),
    ("x_A", "S: encoder E", "patch"), ("G_AB(x_A)", "S: the same E", "patch"),
    ("S: encoder E", "S: the same E", "--"),
    ("S: encoder E", "content: L_cc", "c"), ("S: the same E", "content: L_cc", "c"),
    ("S: encoder E", "domain: L_dc", "d"), ("S: the same E", "domain: L_dc", "d"),
]  # fmt: skip
says = "x_A goes through g_ab to its translation, which d_b judges. A patch of x_A and one of the translation go through one shared encoder E. Their contents c meet in the content loss, their domains d in the domain loss."
inline.diagram(places, arrows, says, plain=["x_A", "G_AB(x_A)"])


# %% [markdown]
# Number the night's patches 0 to 8, row by row, and the day's 9 to 17.


# %%
def scenario(first, second):
    """Which of the four a pair of the 18 patches is."""
    first, second = sorted((first, second))
    if second < 9:
        return "D1"
    if first >= 9:
        return "D2"
    return "C1" if second == first + 9 else "C2"


# %% tags=["nbval-check-output"]
every = Counter(scenario(i, j) for i, j in combinations(range(18), 2))
same = all(
    scenario(*pair) == opgan.scenario(pair) for pair in combinations(range(18), 2)
)
print("of 153 pairs:", dict(sorted(every.items())))
print("equals the package's:", same)

# %% [markdown]
# Only nine of 153 pairs are of kind $C_1$.
# If pairs were drawn at random, there would be a content loss in one step of 17.
# We do not know how the paper draws.
# In each direction (a night and its day; a day and its night) we draw **one pair for every class** of the domain loss: a $D_1$, a $D_2$, and a $C_1$ or a $C_2$ at even odds (`sampling="balanced"`, our choice).
# The content loss gets a $C_1$ pair of its own.
# Choose two patches yourself: which losses do they feed?


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: two patches of your choice", "image": {"alt": "A night, its day, and one patch of each, enlarged; the caption names the scenario and the losses that it feeds."}}
ASKED = {
    "C1": "content (L_cc), and domain (L_dc) with class C",
    "C2": "domain, class C",
}
ASKED |= {kind: f"domain, class {kind}" for kind in ("D1", "D2")}
pool = torch.cat([opgan.cells(night[:1]), opgan.cells(day[:1])], dim=1)[0]


def two_patches(first, second):
    """Both pictures, the chosen patches, and what is asked of them."""
    kind = scenario(first, second)
    columns = {"night: 0 to 8": night[:1], "its day: 9 to 17": day[:1]}
    columns |= {f"patch {place}": pool[[place]] for place in (first, second)}
    return plots.grid(columns, f"{kind}: {ASKED[kind]}")


widgets.live(
    two_patches,
    first=IntSlider(value=7, min=0, max=17, continuous_update=False),
    second=IntSlider(value=16, min=0, max=17, continuous_update=False),
)

# %% [markdown]
# ## Predict, then measure
#
# Write down what you expect; a table puts it beside our measurement.
# Nothing is graded.
# A judge, trained on days, names the class of every pixel of a translated night.
# *Car IoU*, intersection over union, takes all pixels that are car in truth or to the judge, and gives the share of them that are both; *mIoU* is the mean over the classes.

# %%
predictions = {  # of each question: True or False
    "opgan-gap": None,  # can S tell a night's true day from another street?
    # does OP-GAN keep more of the cars than CycleGAN: car IoU, by 0.3?
    "opgan-cars": None,
    "opgan-sky": None,  # ... and the skyline: sky IoU, by 0.1?
    "opgan-trees": None,  # ... and the trees: tree IoU, by 0.05?
    "opgan-miou": None,  # ... and all classes together: mIoU, by 0.1?
    "opgan-chance": None,  # is its mIoU above that of another street's day, by 0.1?
}

# %% [markdown]
# (o5)=
# ## The networks
#
# Generators and discriminators are chapter 2's.
# New is $S$, in three parts:
#
# 1. **the encoder**, one for both patches: a *Siamese* pair shares its weights. It turns a patch of 85 × 85 pixels into 11 × 11 × 512 numbers of content $c$ and as many of domain $d$ (85 → 43 → 22 → 11: three layers of stride 2);
# 2. **the content head**: a 1 × 1 convolution makes one map of $c$, and interpolation brings it to the patch's own size: $\tilde p$, a *content attention map*;
# 3. **the domain head**: the $d$ of both patches, concatenated to 11 × 11 × 1024, become three scores.
#
# Kernels and layers are our choice: we know only what goes in and what comes out.
# There is no norm, because instance norm would take away the brightness by which domains are told apart.
# The package draws larger first weights than PyTorch does (Kaiming's), because with PyTorch's every map is nearly flat at first, and may stay so.
# Our class leaves that out; for the comparison it gets a copy of the package's weights.


# %%
def block(before, width, side, stride):
    """A convolution and a leaky unit."""
    convolution = nn.Conv2d(
        before, width, side, stride, side // 2,
        padding_mode="replicate",  # zeros would draw a frame
    )  # fmt: skip
    return nn.Sequential(convolution, nn.LeakyReLU(0.2))


def encoder(base=64, layers=3, features=512, kernel=7, stride=2):
    """(N, 3, h, w) to (N, 2 * features, h', w'): content, then domain."""
    widths = [base * 2**k for k in range(layers)] + [2 * features]
    later = [block(*pair, 3, stride) for pair in pairwise(widths)]
    return nn.Sequential(block(3, base, kernel, 1), *later)


# %%
class OurSiamese(nn.Module):
    """S: one encoder, two heads."""

    def __init__(self, base=64, layers=3, features=512, kernel=7, stride=2):
        super().__init__()
        self.encoder = encoder(base, layers, features, kernel, stride)
        self.content_head = nn.Conv2d(features, 1, 1)
        self.domain_head = nn.Linear(2 * features, 3)

    def content(self, patches):
        c, _ = self.encoder(patches).chunk(2, dim=1)
        small = self.content_head(c)  # (N, 1, h', w')
        return F.interpolate(small, patches.shape[-2:], mode="bilinear")[:, 0]

    def domain(self, first, second):
        d = [
            self.encoder(patches).chunk(2, dim=1)[1] for patches in (first, second)
        ]
        both = torch.cat(d, dim=1)  # (N, 2 * features, h', w')
        return self.domain_head(both.mean((2, 3)))  # (N, 3)


# %% tags=["nbval-check-output"]
ours, package = OurSiamese(4, 2, 8, 3, 1), Siamese(4, 2, 8, 3, 1)
for mine, theirs in zip(ours.parameters(), package.parameters(), strict=True):
    mine.data.copy_(theirs)
one, other = torch.rand(2, 5, 3, 21, 21)
torch.testing.assert_close(ours.content(one), package.content(one))
torch.testing.assert_close(ours.domain(one, other), package.domain(one, other))
with torch.device("meta"):  # shapes without memory
    whole, large = OPGAN(RECIPES["paper"]), OurSiamese()
    c, d = large.encoder(torch.zeros(1, 3, 85, 85)).chunk(2, dim=1)
print("content", tuple(c.shape), "domain", tuple(d.shape))
print(f"S at the paper's size: {count_parameters(large):,} weights")
print(f"generator: {count_parameters(whole.g_ab):,}", end=", ")
print(f"discriminator: {count_parameters(whole.d_b):,}")

# %% [markdown]
# At the size of this run $S$ has no stride: its maps are as fine as the patch, because the wheels of a car are only a few pixels wide.
# A point of its maps looks at 7 × 7 pixels, at the paper's size at 21 × 21.
#
# (o6)=
# ## The losses, from scratch
#
# For a $C_1$ pair, with $M \times N$ pixels in a patch and $\tilde p^A$, $\tilde p^B$ the two maps,
#
# $$
# \mathcal L_{cc} = \frac{1}{MN} \sum_{x=1}^{M} \sum_{y=1}^{N} \big( \tilde p^A_{x,y} - \tilde p^B_{x,y} \big)^2 ,
# $$ (opgan-content)
#
# and for every pair $i$ with its class $g_i$, one of $D_1$, $D_2$ and $C = \{C_1, C_2\}$, and scores $p_1, p_2, p_3$,
#
# $$
# \mathcal L_{dc} = - \sum_i \log \frac{e^{p_{g_i}}}{\sum_{j=1}^{3} e^{p_j}} .
# $$ (opgan-domain)
#
# In words: maps of one place should be equal, pixel by pixel; and the scores should name the pair's class.
# Of $\mathcal L_{dc}$ we take the average over the pairs that were drawn, in place of the sum.
# With $\mathcal L_S = \mathcal L_{cc} + \mathcal L_{dc}$ the whole is
#
# $$
# \begin{split}
# \mathcal L = {} & \mathcal L_{adv}(G_{BA}, D_A) + \mathcal L_{adv}(G_{AB}, D_B) \\
# & + \alpha \mathcal L_{cyc} + \beta \mathcal L_S .
# \end{split}
# $$ (opgan-full)
#
# A summary of the paper gives the weights $\alpha = 10$ and $\beta = 1$ (unverified).
#
# What is $\mathcal L_{dc}$ for?
# It gives the domain a place of its own, $d$, so that $c$ need not carry it: the features should be {ref}`disentangled <b9>`.
# Nothing forces $c$ to forget the domain, though.


# %%
def cut(images):
    """(N, C, H, W) to (N, 9, C, h, w), row by row; what is left over is dropped."""
    h, w = images.shape[-2] // 3, images.shape[-1] // 3
    patches = [
        images[..., row * h : (row + 1) * h, column * w : (column + 1) * w]
        for row in range(3)
        for column in range(3)
    ]
    return torch.stack(patches, dim=1)


def content_loss(map_a, map_b):
    """Mean squared difference of two content maps."""
    return (map_a - map_b).square().mean()


def domain_loss(scores, classes):
    """Cross-entropy of (pairs, 3) scores: the mean over the pairs."""
    right = scores.gather(-1, classes[..., None])[..., 0]
    return (scores.logsumexp(-1) - right).mean()


# %% tags=["nbval-check-output"]
torch.manual_seed(run.seed)
small = replace(RECIPES[run.profile], average=0.0, warm_up=0)
untrained = OPGAN(small).to(run.device)
a = next(world(small))["a"].to(run.device)
torch.testing.assert_close(cut(a), opgan.cells(a))
maps = torch.rand(2, 9, 21, 21)
torch.testing.assert_close(content_loss(*maps), opgan.content_loss(*maps))
scores, pairs = torch.randn(1, 4, 3), [(0, 5), (9, 11), (3, 12), (3, 13)]
classes = torch.tensor([[0, 1, 2, 2]])  # D1, D2, C1, C2
mine, theirs = domain_loss(scores, classes), opgan.domain_loss(scores, pairs)
torch.testing.assert_close(mine, theirs)
flat = torch.zeros(5, 5)
print(f"maps of 0 and of 0.5: {float(content_loss(flat, flat + 0.5)):.2f}")
print(f"no idea: {float(domain_loss(torch.zeros(1, 4, 3), classes)):.4f} = ln 3")

# %% [markdown]
# ### What a free network does with this
#
# $S$ itself minimises $\mathcal L_{cc}$, as we understand the summaries of the paper; neither says so in words.
# One answer costs nothing: **a map that is the same everywhere**.
# Nothing forbids it.
# The domain loss trains the layers that $c$ and $d$ share, but it never sees the content head, and that head can turn its weights to 0.
# Here $S$ alone learns on nights and on what an untrained generator makes of them, and we note how much its maps vary within a patch.
# The curve stands below, beside one for a loss that does forbid it.

# %%
lesson = {"smoke": 4, "fast": 200, "paper": 200 if patient else 1}[run.profile]
taught = replace(
    RECIPES[run.profile], average=0.0, content="stabilised", lambda_content=4.0,
    warm_up=2 * lesson, steps=2 * lesson + 1,
)  # fmt: skip


def spread(network, images):
    """Mean over patches of the standard deviation of the raw map."""
    with torch.no_grad():
        return float(network.content(cut(images)).std((-2, -1)).mean())


# %%
def literal_lesson(network, steps):
    """S alone minimises L_cc; returns the spread of its maps over the steps."""
    optimiser = torch.optim.Adam(network.parameters(), lr=taught.siamese_rate)
    stream, spreads = world(taught), []
    for _ in range(steps):
        night = next(stream)["a"].to(run.device)
        with torch.no_grad():
            its_day = untrained.g_ab(night)
        maps = [network.content(cut(images)) for images in (night, its_day)]
        content_loss(*maps).backward()
        optimiser.step()
        optimiser.zero_grad()
        spreads.append(spread(network, a))
    return spreads


torch.manual_seed(run.seed)
collapsed = literal_lesson(untrained.new_siamese().to(run.device), lesson)

# %% [markdown]
# ### A content that cannot collapse
#
# This book's extension, `content="stabilised"`, changes three things in the loss.
# It is *not* in the paper.
#
# 1. **Maps are standardised**: mean 0 and variance 1 in every patch, so that small maps are no way out.
# 2. **$S$ learns content from real pictures alone.** If it learnt from translations, it would learn to forgive them.
# 3. **It must find something.** A patch is shown again in other colours, and $S$ has to say which of the nine it was, by comparing maps. A network that draws the same map everywhere finds nothing. This contrast is borrowed from CUT {cite:p}`park2020`.
#
# Around these three, our run differs in four more points: all nine places are compared in every step, the content loss has weight 4, $S$ learns alone for the first steps, and identity terms are added (below).
#
# The other colours matter most.
# A night sky is *darker* than the houses, by day it is mostly *brighter*: a map that follows brightness would punish the right answer.
# And a lit window outshines its wall by night; by day it is a pale curtain, which a white wall outshines.
# So the colours of each picture are exchanged by a random rule, drawn anew each time: what was bright may become dark, and what was plain may become faint.
# Only *where* something changes survives.
# The rule: six waves run through the space of colours in random directions, and are mixed to three channels.
# Equal colours stay equal, similar ones stay similar, and nothing else is promised.
# Then light falls off to one side, and some grain is added.
# One rule serves all nine patches of a picture, so the patches differ by what they show and by nothing else.


# %%
def other_colours(patches):
    """(N, 9, 3, h, w) in other colours, by one rule for each image."""
    n, device = len(patches), patches.device

    def between(low, high, *shape):
        return (low + (high - low) * torch.rand(n, 1, *shape)).to(device)

    # six waves through the space of colours, mixed to three channels
    directions = 1.5 * torch.randn(n, 6, 3).to(patches)
    mixture = (torch.randn(n, 3, 6) / 6**0.5).to(patches)
    x = torch.einsum("nij,npjhw->npihw", directions, patches)
    x = torch.sin(x + between(0, 2 * torch.pi, 6, 1, 1))
    x = torch.einsum("nij,npjhw->npihw", mixture, x)
    x = x * between(0.35, 1, 1, 1, 1)
    down, across = (
        torch.linspace(-0.5, 0.5, side, device=device)
        for side in patches.shape[-2:]
    )
    x = x + between(-0.4, 0.4, 1, 1, 1) * down[:, None]  # light falls off
    x = x + between(-0.4, 0.4, 1, 1, 1) * across
    grain = 0.04 * torch.randn(patches.shape).to(device)
    return (x + grain).clamp(-1.2, 1.2)


# %%
TEMPERATURE = 0.2  # the smaller, the more a difference of two correlations counts


def standard(maps):
    """Mean 0 and variance 1 in every map, but flat ones stay small."""
    maps = maps - maps.mean((-2, -1), keepdim=True)
    return maps / (maps.square().mean((-2, -1), keepdim=True) + 1e-3).sqrt()


def find_again(maps, others):
    """What S pays for content: partners are alike, and found among the nine."""
    one, two = maps.flatten(2), others.flatten(2)  # (N, 9, pixels)
    alike = one @ two.transpose(1, 2) / one.shape[-1]  # correlations (N, 9, 9)
    nine = torch.arange(9, device=maps.device).repeat(len(maps))
    found = F.cross_entropy(alike.flatten(0, 1) / TEMPERATURE, nine)
    return content_loss(maps, others) + found


# %% tags=["nbval-check-output"]
patches = cut(a)
torch.manual_seed(1)
mine = other_colours(patches)
torch.manual_seed(1)
torch.testing.assert_close(mine, opgan.recoloured(patches))
maps = [standard(untrained.siamese.content(some)) for some in (patches, mine)]
torch.testing.assert_close(
    maps[0], opgan.standardised(untrained.siamese.content(patches))
)
torch.testing.assert_close(find_again(*maps), opgan.registration_loss(*maps))
nothing = torch.zeros(1, 9, 21, 21)
print(f"a constant map pays {float(find_again(nothing, nothing)):.4f} = ln 9")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: what S is shown", "image": {"alt": "Nights, days, and the same pictures in other colours: skies may be green or pink, darker or brighter than the houses, but every outline is kept."}}
torch.manual_seed(3)
kept = torch.cat([night, day])
repainted = opgan.assembled(other_colours(cut(kept))).clamp(-1, 1)
plots.grid(
    {
        "night": night,
        "other colours": repainted[:4],
        "day": day,
        "again": repainted[4:],
    },
    caption="The same picture to S: outlines stay, every order of brightness may turn.",
)

# %% [markdown]
# ### Check S before you train a GAN
#
# Now $S$ learns alone, for some seconds, and then two questions decide whether it is of any use.
# Is its map of a night close to its map of the **true day**?
# And is it far from that of **another street**?
# The *gap* is the mean squared difference of two standardised maps.
# If $r$ is their correlation, it is $2 (1 - r)$: 0 for equal maps, 2 for unrelated ones, 4 for inverted ones.
# (The training below starts a new $S$, at `fast` with the same warm-up.)

# %%
torch.manual_seed(run.seed)
learner = OPGAN(taught).to(run.device)  # `begin` lets S alone move at first
optimisers, stream, steady = make_optimisers(learner), world(taught), []
for step in range(taught.warm_up):
    pictures = {key: some.to(run.device) for key, some in next(stream).items()}
    play(learner, optimisers, pictures, step)
    steady.append(spread(learner.siamese, a))


def gap(images):
    """How far S's content maps of the nights are from those of some pictures."""
    maps = [run.in_parts(learner.content_maps, x) for x in (test["a"], images)]
    return float((maps[0] - maps[1]).square().mean())


if drawn and lesson > 1:
    run.record("right answer", {"gap": gap(test["b"])})
    run.record("another street", {"gap": gap(test["b"].roll(1, 0))})
    for name, found in run.metrics.items():
        print(f"{name}: {found['gap']:.2f}")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Spread of the raw content maps over the steps of S alone, on a logarithmic axis. With the literal loss it falls to a small part of what it was; with the stabilised one it does not."}}
ways = {"literal": collapsed, "stabilised": steady}
plots.lines(
    {name: (range(1, 1 + len(some)), some) for name, some in ways.items()},
    x="steps of S alone",
    y="spread of the raw map",
    log="y",
)

# %% [markdown]
# With the literal loss the maps go flat (its curve is shorter, because its lesson has half as many steps).
# If you port this method, log this one number.
# We know the paper only from summaries; it may have a detail that prevents this.
#
# And does $S$ see the shift of the first slider?
# The cycle cost 0 for every shift.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "The content gap of S against the shift of the true day in pixels: a curve that rises with the first pixels."}}
if drawn:
    few = range(0, 9, 1 if run.profile == "fast" else 4)
    found = {"S": (few, [gap(test["b"].roll(k, -1)) for k in few])}
    x = "shift of the true day (pixels)"
    display(plots.lines(found, x=x, y="gap (2: unrelated maps)"))

# %% [markdown]
# (o7)=
# ## One step by hand
#
# The order is CycleGAN's, and $S$ moves together with the discriminators:
#
# 1. the generators move, with all terms of {eq}`opgan-full`. $S$ and the discriminators stay as they are, but the gradient runs *through* them;
# 2. the generators stay, and $S$ and the discriminators move, each by its own loss.
#
# $S$ is no adversary: nothing rewards it if the generators' loss grows.
# It is shown this step's translations, while discriminators are shown some of a pool.
# Both directions go through one $S$: a night and its day, and a day and its night.
# So $D_1$ means that both patches show a night, drawn or made, and $D_2$ that both show a day.
#
# We write the stabilised step, with chapter 2's identity terms.
# They are needed because our content is blind to the order of brightness, so it does not object if a generator inverts all colours.
# Their price: what shines at night tends to stay as it is.


# %%
def content_term(net, in_a, in_b):
    """All nine cells of a picture in a and of its counterpart in b."""
    maps = [standard(net.siamese.content(cut(images))) for images in (in_a, in_b)]
    return content_loss(*maps)


def domain_term(net, in_a, in_b, pairs):
    """The pairs that were drawn for this direction: D1, D2 and C."""
    pool = torch.cat([cut(in_a), cut(in_b)], dim=1)  # (N, 18, 3, h, w)
    scores = [net.siamese.domain(pool[:, i], pool[:, j]) for i, j in pairs]
    kinds = [{"D1": 0, "D2": 1}.get(scenario(*pair), 2) for pair in pairs]
    classes = torch.tensor(kinds, device=in_a.device).expand(len(in_a), -1)
    return domain_loss(torch.stack(scores, dim=1), classes)


# %%
def adam(*networks, loss):
    """One step of these networks alone, with a fresh Adam."""
    weights = [p for network in networks for p in network.parameters()]
    loss.backward(inputs=weights)
    torch.optim.Adam(weights, lr=2e-4, betas=(0.5, 0.999), fused=True).step()
    for p in weights:
        p.grad = None


def generators_by_hand(net, a, b):
    """The first move; returns the translations and the pairs that were drawn."""
    numbers, fake_b, fake_a = net.recipe, net.g_ab(a), net.g_ba(b)
    pairs = [net.draw_pairs()[0] for _ in range(2)]
    fooled = (net.d_b(fake_b) - 1).square().mean() + (
        net.d_a(fake_a) - 1
    ).square().mean()
    cycles = l1(net.g_ba(fake_b), a) + l1(net.g_ab(fake_a), b)
    same = l1(net.g_ab(b), b) + l1(net.g_ba(a), a)
    loss = fooled + 10 * cycles + numbers.lambda_identity * same
    for (in_a, in_b), some in zip(((a, fake_b), (fake_a, b)), pairs, strict=True):
        loss = loss + numbers.lambda_content * content_term(net, in_a, in_b)
        loss = loss + numbers.lambda_domain * domain_term(net, in_a, in_b, some)
    adam(net.g_ab, net.g_ba, loss=loss)
    return fake_a.detach(), fake_b.detach(), pairs


# %%
def critics_by_hand(net, a, b, fake_a, fake_b, pairs):
    """The second move. S's content half sees real pictures alone.

    Chapter 2's pool is left out: while it fills, it hands back this step's fakes.
    """
    real = cut(torch.cat([a, b]))
    maps = [standard(net.siamese.content(x)) for x in (real, other_colours(real))]
    loss = find_again(*maps)
    for d, x, fake in ((net.d_a, a, fake_a), (net.d_b, b, fake_b)):
        loss = loss + 0.5 * ((d(x) - 1).square().mean() + d(fake).square().mean())
    for (in_a, in_b), some in zip(((a, fake_b), (fake_a, b)), pairs, strict=True):
        loss = loss + domain_term(net, in_a, in_b, some)
    adam(net.d_a, net.d_b, net.siamese, loss=loss)


# %% tags=["nbval-check-output"]
hand = replace(
    RECIPES["smoke"], average=0.0, warm_up=0, siamese_rate=2e-4, learning_rate=2e-4
)
torch.manual_seed(run.seed)
by_hand = OPGAN(hand).double()  # in fp64 the order of adding hardly matters
by_play, exact = deepcopy(by_hand), next(world(hand))
exact = {key: images.double() for key, images in exact.items()}
torch.manual_seed(5)
made = generators_by_hand(by_hand, exact["a"], exact["b"])
critics_by_hand(by_hand, exact["a"], exact["b"], *made)
torch.manual_seed(5)
play(by_play, make_optimisers(by_play), exact, step=0)
both = zip(by_hand.parameters(), by_play.parameters(), strict=True)
equal = all(torch.allclose(p, q, rtol=1e-7, atol=1e-9) for p, q in both)
print("turns:", [(turn.loss, turn.moves) for turn in by_play.turns])
print("the step by hand equals the package's:", equal)
assert equal

# %% [markdown]
# ## Training
#
# The **baseline** is CycleGAN, with the same generators and discriminators, piles, rates, identity terms and seed, and as many steps of the generators.
# (So it is not quite as free as {eq}`opgan-gauge` says: identity terms forbid it to shift days. What it makes of nights they do not see.)
# All that OP-GAN has besides is $S$, which learns alone at first (`warm_up`).
# (In what a training prints, and in the tables of claims, OP-GAN is called `method` and CycleGAN `baseline`.)


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the ceiling, and what a film shows"}
class Ceiling(OPGAN):
    """What pairs would give: one generator, and the distance to the true day."""

    def __init__(self, numbers):
        super().__init__(
            replace(numbers, lambda_content=0.0, lambda_domain=0.0, warm_up=0)
        )
        self.turns = (Turn("distance", ("g_ab",)),)

    def forward(self, scene):
        scene.fake_b = self.g_ab(scene.batch["a"])

    def distance(self, scene):
        return {"l1": l1(scene.fake_b, scene.batch["b"])}


def as_pictures(maps):
    """Content maps in grey, as large as the pictures they belong to."""
    edge = recipe.size - maps.shape[-1]
    grey = (maps / 2.5).clamp(-1, 1).expand(-1, 3, -1, -1)
    return F.pad(grey, (0, edge, 0, edge), value=-1.0)


def pictures_and_maps(model, images):
    """Translations; the content maps of the inputs and of the translations."""
    made = model.translate(images)
    rows = [made]
    if model.siamese is not None:
        rows += [as_pictures(model.content_maps(some)) for some in (images, made)]
    return torch.cat(rows, dim=2)


# %%
# what the results file calls them, and what we do
ARMS = {
    "method": "ceiling" if paired else "OP-GAN" if recipe.has_siamese else "edges"
}
if not paired and recipe.lambda_content == recipe.lambda_domain == 0:
    ARMS = {"method": "CycleGAN, alone"}
ARMS |= {"baseline": "CycleGAN"}


def train(arm, numbers, kind=OPGAN):
    """Train one model of this chapter; returns it with its history and its film."""
    torch.manual_seed(run.seed)
    model = kind(numbers)
    film = Film(test["a"][:4], numbers.steps, pictures_and_maps)
    later = log_spaced(numbers.steps - numbers.warm_up)
    film.at = sorted({*film.at, *(numbers.warm_up + step for step in later)})
    # fp32: the same arithmetic on every machine
    return model, run.fit(arm, model, world(numbers), film, precision="fp32"), film


# %%
trained = {ARMS["method"]: train("method", recipe, Ceiling if paired else OPGAN)}
if compare:
    alone = replace(
        recipe, lambda_content=0.0, lambda_domain=0.0, warm_up=0,
        steps=recipe.steps - recipe.warm_up,
    )  # fmt: skip
    trained["CycleGAN"] = train("baseline", alone)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the curves", "image": {"alt": "Loss terms of OP-GAN over the steps. The adversarial terms have a dashed undecided line at 0.25, the domain terms one at two times ln 3."}}
model, history, film = trained[ARMS["method"]]
undecided = dict.fromkeys(("gan_ab", "gan_ba", "d_a", "d_b"), 0.25)
undecided |= dict.fromkeys(("domain", "siamese_domain"), 2 * 1.0986)
plots.curves(history, undecided=undecided)

# %% [markdown]
# `content` is what the generators pay for content, times its weight, `siamese_content` what $S$ pays to learn it; `domain` and `siamese_domain` likewise.
# Both directions are added, so an undecided $S$ pays $2 \ln 3$.
# Look at `domain`: does it fall to next to nothing?
# Once $S$ tells night from day without fail, this loss has no gradient left for the generators.
#
# Now the film.
# First row: nights as days; second: $S$'s maps of the nights; third: its maps of the translations.
# While $S$ learns alone, the first row stands still and only the two rows of maps change.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the film"}
scrub(
    film.frames,
    film.labels,
    "Four nights as days, the content maps of the nights and of the days, while all networks learn",
    enlarge=3 if recipe.size <= 64 else 1,
)

# %% [markdown]
# ## Results

# %%
outputs = {
    name: run.in_parts(model.translate, test["a"])
    for name, (model, _, _) in trained.items()
}
own = outputs[ARMS["method"]]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Six rows; columns night, CycleGAN, OP-GAN, true day. CycleGAN's days have roofs in what was empty sky, and smears or nothing where cars were; OP-GAN's have the night's roofs, trees and cars."}}
columns = {"night" if drawn else "dusk": test["a"][:6]}
columns |= {name: outputs[name] for name in reversed(outputs)}
columns |= {"true day": test["b"]} if drawn else {}
caption = "Follow the roofs, then count trees and cars."
run.show("a_to_b.png", plots.grid(columns, caption))

# %% [markdown]
# Look at three things.
#
# 1. **The skyline.** Where does CycleGAN put roofs that the night does not have? Is there one in OP-GAN's day?
# 2. **The road.** A day mostly has no car, so $D_B$ likes empty roads. What is left of each car?
# 3. **What OP-GAN does not know.** What has become of lit windows, and of people? A content map says *that* something is there, not *what* it is.
#
# Beside them the content maps, as the generators' loss sees them:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Four rows: the content map of the night, of CycleGAN's day, of OP-GAN's day and of the true day. Outlines of roofs, windows and cars agree in all but CycleGAN's."}}
watcher = model if model.siamese is not None else learner
shown = [("of the night", test["a"])]
shown += [(f"of {name}", outputs[name]) for name in reversed(outputs)]
shown += [("of the true day", test["b"])] if drawn else []
plots.grid(
    {
        name: as_pictures(run.in_parts(watcher.content_maps, images[:4]))
        for name, images in shown
    },
    caption="S's content maps: grey where nothing changes.",
)

# %% [markdown]
# They show shape and place of objects; the paper calls them *attention maps*.
# On these maps a window counts as much as a car.
# Compare, too, how exactly the translation repeats the night's map.
# The map of the true day differs more, because nothing glows.
# A loss that asks for more likeness than the truth has may be met at the price of wrong colours.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: what is kept of this run"}
rows = [test["a"], own, *([test["b"]] if drawn else [])]
Image.fromarray(strip([row[:6] for row in rows])).save(run.figure("strip.png"))
if compare and drawn:  # the chapter's first picture
    rows.insert(1, outputs["CycleGAN"])
    opening = Image.fromarray(strip([row[:6] for row in rows]))
    size = (3 * opening.width, 3 * opening.height)
    large = opening.resize(size, Image.Resampling.NEAREST)
    large.save(run.figure("opening.webp"), lossless=True)

# %% [markdown]
# ## Measuring
#
# As in the paper, a segmentation network reads the translated nights.
# It was trained once, on true days of both kinds of streets, and is the same for all methods.
#
# - **mIoU:** the intersection over union of a class, averaged over the classes.
# - **cars found, car IoU:** the share of true car pixels that is read as car; and the IoU, which also counts false alarms.
# - **sky, house, tree IoU:** the skyline and what grows into it.
# - **trees:** pixels read as tree, divided by the true number: above 1, trees were added.
# - **error:** mean absolute difference from the true day, on the scale of -1 to 1, so at most 2.
#
# Beside them stand the right answer and some naive ones: the night itself (*direct transfer*: no translation), the day of another street, and the mean of all days.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the judge"}
judge_size = min(recipe.size, 64)
truth = (
    streets.ground_truth(judge_size) if drawn else camvid.ground_truth(judge_size)
)
judge, report = judges.segmenter(truth, 8 if run.profile == "smoke" else None)
run.record_judge(report)
scores = {key: round(value, 3) for key, value in report["held_out"].items()}
print("on pictures that it has never seen:", scores)
labels = F.interpolate(test["labels"][:, None].float(), judge_size)[:, 0].long()


# %%
def read(images):
    """The class of every pixel, as the judge sees it."""
    shrunk = F.interpolate(images, judge_size, mode="bilinear", antialias=True)
    parts = shrunk.clamp(-1, 1).split(50)
    return torch.cat([judge(part).argmax(dim=1) for part in parts])


def measure(images):
    """The numbers of some translated nights."""
    seen = read(images)
    confusion = metrics.confusion_matrix(labels, seen, len(CLASSES))
    numbers = {"miou": metrics.segmentation_scores(confusion)["class_iou"]}
    each = metrics.class_scores(labels, seen, len(CLASSES), list(PARTS.values()))
    numbers |= {f"{part}_iou": each[place]["iou"] for part, place in PARTS.items()}
    numbers["car_found"] = each[PARTS["car"]]["recall"]
    trees = [(some == PARTS["tree"]).sum() for some in (seen, labels)]
    numbers["trees"] = float(trees[0] / trees[1])
    if drawn:
        numbers["error"] = metrics.mean_absolute_error(images, test["b"])
    return numbers


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: chance, and the table of this run"}
chance = {"direct transfer": test["a"], "another street": test["b"].roll(1, 0)}
chance["mean day"] = test["b"].mean(0, keepdim=True).expand_as(test["b"])
if drawn:
    chance = {"right answer": test["b"]} | chance
for name, images in chance.items():
    run.record(name, measure(images))
for arm, name in ARMS.items():
    if name in outputs:
        run.record(arm, measure(outputs[name]))
if model.siamese is not None:  # of the maps as they are: 0 is a collapse
    run.record(
        "method", {"spread": spread(model.siamese, test["a"][:10].to(run.device))}
    )
TITLES = {
    "miou": "mIoU ↑",
    "car_found": "cars found ↑",
    "car_iou": "car IoU ↑",
    "sky_iou": "sky IoU ↑",
    "house_iou": "house IoU ↑",
    "tree_iou": "tree IoU ↑",
    "trees": "trees → 1",
    "error": "error ↓",
}
rows = [
    (ARMS.get(arm, arm), *(found.get(key) for key in TITLES))
    for arm, found in run.metrics.items()
]
plots.table(["", *TITLES.values()], rows)

# %% [markdown]
# ### How to read the table
#
# Read the chance rows first.
# *Direct transfer* has every car in its place, and the judge, who knows days only, still sees most of them; but it takes the night sky for trees.
# So no single number is enough: an untranslated night beats CycleGAN on cars, and only a translation has a sky.
# *Cars found* alone could be won by calling everything a car; the claims use the IoU.
# *Another street* has a perfect day, of the wrong place, and its sky IoU is high, because all skies are above: there the numbers begin, not at 0.
# *Mean day* has no noise at all, and no object.
#
# On two axes: the error punishes what is left of the night *and* what was moved; the car IoU sees only what was kept.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two axes", "image": {"alt": "Scatter plot: error to the true day against car IoU. One mark for OP-GAN, CycleGAN, the right answer and each naive answer; the right answer is at the upper left."}}
if drawn:
    axes = {
        ARMS.get(arm, arm): ([found["error"]], [found["car_iou"]])
        for arm, found in run.metrics.items()
    }
    x = "error to the true day (colours and places)"
    display(plots.scatter(axes, x=x, y="car IoU (1: kept)"))

# %% [markdown]
# (o8)=
# ## What the sweep says
#
# The figures below come from `make sweep CHAPTER=opgan`: this notebook with something changed, one dot for each seed (some variants have one).
# Dashed lines are chance: the true day of another street, and the mean of all days.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: reading the sweep's results"}
swept = results.sweep("opgan")
SEEN = {"miou": "mIoU", "car_iou": "car IoU", "sky_iou": "sky IoU"}
SEEN |= {"tree_iou": "tree IoU"}


def dots(arms, chance=("another street", "mean day")):
    """Every seed of some variants, with chance from the first variant's own results."""
    own = next(
        (row["metrics"] for row in swept if row["arm"] == next(iter(arms))), {}
    )
    marks = {
        title: {name: own[name][key] for name in chance if key in own.get(name, {})}
        for key, title in SEEN.items()
    }
    return plots.dots(results.panels(swept, arms, SEEN), marks)


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of seven variants, from CycleGAN over the literal loss, each loss alone, both, and edges to pairs: mIoU, car IoU, sky IoU, tree IoU."}}
VARIANTS = {
    "cyclegan": "CycleGAN",
    "literal": "literal OP-GAN",
    "domain_alone": "domain loss alone",
    "content_alone": "content loss alone",
    "full": "both (this book)",
    "edges": "edges, no network",
    "paired": "ceiling: pairs, L1",
}
dots(VARIANTS)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: how much the raw content maps vary in the end"}
ENDS = {arm: VARIANTS[arm] for arm in ("literal", "full")}
TITLE = {"spread": "spread of the raw maps: seeds 0 / 1 / 2"}
plots.table(*results.table(swept, ENDS, TITLE))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
THREE = "Six nights, what the variant makes of them, the true days"
leaf("opgan_variants", VARIANTS.values(), THREE, enlarge=3)

# %% [markdown]
# Four questions:
#
# - **Literal OP-GAN**, with the paper's weights of 1 (but with identity terms and our small $S$, as all variants), against CycleGAN: can a flat map keep anything? Hardly: its maps go flat (the small table says how flat), and the street is rebuilt as without it.
# - **The domain loss alone** has no content in it. A summary of the paper says that it helps as much as the content loss (unverified; below the next table). Here it does not: without content nothing speaks for the cars.
# - **Edges.** A fixed formula, *how large is the gradient of colour here, compared with the rest of the picture?*, takes the place of the learnt map; its maps are compared by L1. It has no weights and cannot collapse. It does as well here, and its pictures are the cleanest of the unpaired ones: in this world a learnt map is worth no more than edges.
# - **Pairs.** With the true day at hand a plain L1 needs no GAN. The distance to this line is the price of having none.
#
# ### The paper's table
#
# PSPNet, mIoU in per cent, trained on the well-lit domain and applied to translated pictures.
# **We could not verify these numbers**: they come from a summary, not from the paper itself, so trust their order more than their digits.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
header = "unverified, direct, UNIT, DRIT, CycleGAN, OP-GAN, AugGAN (labels)"
PAPER = {
    "CamVid, cloudy to sunny": "41.86 19.94 18.20 26.26 51.40 55.31",
    "SYNTHIA, night to day": "44.49 34.97 12.66 22.88 50.86 –",
}
plots.table(
    header.split(", "), [(name, *text.split()) for name, text in PAPER.items()]
)

# %% [markdown]
# On CamVid, the same source says: CycleGAN 26.26, with $\mathcal L_{cc}$ alone 45.63, with $\mathcal L_{dc}$ alone 45.86, with both 51.40.
#
# Read along the rows: **the other translators are worse than no translation at all.** They edit too much; roads and buildings change shape and colour, as the paper's pictures are said to show.
# Only the two methods that keep objects, one of them with labels, gain anything.
#
# ### Photographs
#
# `source="camvid"` takes photographs from a car {cite:p}`brostow2009`: one drive at dusk, and days of other drives (read from `$I2I_DATA/camvid`).

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of OP-GAN and CycleGAN on CamVid: mIoU, car, sky and tree IoU."}}
PHOTOS = {"photos": "OP-GAN", "photos_cyclegan": "CycleGAN"}
dots(PHOTOS, chance=("another street", "direct transfer"))

# %% [markdown]
# The photographs may not be shown here.
# Dusk is a single drive, so its test pictures show streets that the training has seen in other frames.
#
# The sky turns to day, but more cars are found in the untranslated dusk (*direct transfer*) than in either translation, and ours keeps no more of them than CycleGAN.
# What holds in the drawn world does not hold here, at 64 pixels, on one seed each.
# We suppose that a distant car of a few dark pixels gives $S$ too few edges to hold on to.
#
# (o9)=
# ### How others keep objects
#
# - **DiscoGAN** {cite:p}`kim2017` is CycleGAN's twin: two generators and the way back. It keeps what the way back needs, and no more.
# - **UNIT** {cite:p}`liu2017` maps both domains into one latent space with shared layers; what survives is what the shared code holds.
# - **DRIT** {cite:p}`lee2018` divides the code into content, which both domains share, and attributes; a discriminator on the content code sees to it that it tells no domain.
# - **AugGAN** {cite:p}`huang2018` adds a parsing network that shares weights with the generator, and needs a label for every pixel.
# - **Shape consistency** {cite:p}`zhang2018` trains a segmenter with the translators, on medical volumes, so that shapes must survive.
# - **CUT** {cite:p}`park2020`, of the same year, needs neither $S$ nor a cycle: features of a patch must match its own place *better than other places of the same picture*. That contrast keeps them from collapsing; our third change borrows it.
#
# ## The claims
#
# Every claim and its margin was written into `book/claims.toml` before the runs that judge it.
# First this run, beside your predictions; then all claims over the seeds.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
run.claims_table(predictions)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*results.claims_table("03_opgan"))

# %% [markdown]
# ## Break it
#
# **Without identity** (`lambda_identity=0`).
# Now nothing objects if the generator paints everything *inverted*: dark walls, green windows, all outlines in place.
# Whether a run goes this way is left to chance; those in the figure did not, and their cars are only paler.
# The identity terms, *a day that goes into $G_{AB}$ comes out as it is*, tie the colours down: a generator that leaves days as they are does not easily invert nights.
#
# **Piles that are alike** (`piles="alike"`).
# Now both piles hold low houses and cars, and differ in light alone.
# CycleGAN loses its reason to rebuild, and keeps nearly all.
# So the losses leave the door open, but it is the data that push objects through it.
#
# **Too much content** (`lambda_content=40`).
# If the content weighs much more than $D$, outlines are all that counts: everything stands in its place, and little has a colour.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of this book's OP-GAN, one without identity terms, one with ten times the content weight, and OP-GAN and CycleGAN on piles that are alike: mIoU, car IoU, sky IoU, tree IoU."}}
BROKEN = {
    "full": "this book's",
    "no_identity": "without identity",
    "content_heavy": "content times ten",
    "alike": "piles alike",
    "alike_cyclegan": "piles alike, CycleGAN",
}
dots(BROKEN)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("opgan_broken", BROKEN.values(), THREE, enlarge=3)

# %% [markdown]
# :::{admonition} Misconception: "the cycle guarantees that content is kept"
# :class: warning
# The first slider is the counterexample: a cycle of 0, and nothing in its place.
# :::
#
# :::{admonition} Misconception: "self-supervised means that nothing can go wrong with the labels"
# :class: warning
# An answer that is worth nothing may fit labels that cost nothing.
# The literal content loss is 0 for a constant map.
# :::
#
# :::{admonition} Misconception: "a larger cycle weight keeps objects"
# :class: warning
# By {eq}`opgan-gauge` the cycle of $A$ costs the same for every $T$, and for a perfect way back that cost is 0.
# Ten times nothing is nothing.
# :::
#
# :::{admonition} Misconception: "S knows objects"
# :class: warning
# It knows where something changes, and a point of its maps sees only 7 × 7 pixels.
# It would hold on to a shadow, a reflection or a stain as firmly as to a car.
# :::
#
# :::{admonition} Responsible use
# :class: important
# A translated picture that lacks a pedestrian, or a scan with a tumour too many, is worse than a bad picture, because it looks right.
# Never measure or decide on translated pictures unless somebody has shown, object by object, that what matters has survived.
# The paper's third use, colonoscopy, is such a case.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: ex-opgan-by-hand
# Two content maps of 2 × 2 pixels: $(0, 1; 1, 0)$ and $(0, 1; 0, 1)$.
# Give $\mathcal L_{cc}$.
# The scores of a pair are $(0, 0, \ln 2)$ and its class is $C$: give $\mathcal L_{dc}$.
# ```
#
# ```{solution} ex-opgan-by-hand
# :class: dropdown
# Two of four pixels differ by 1: $0.5$.
# The class has $2 / (1 + 1 + 2) = 1/2$, so the loss is $\ln 2 \approx 0.69$.
# ```
#
# ```{exercise}
# :label: ex-opgan-pairs
# With a grid of 4 × 4: how many pairs are there, and which share of them is $C_1$?
# ```
#
# ```{solution} ex-opgan-pairs
# :class: dropdown
# 32 patches, $32 \cdot 31 / 2 = 496$ pairs, 16 of kind $C_1$: 3 %. Finer grids make uniform drawing worse.
# ```
#
# ```{exercise}
# :label: ex-opgan-flip
# Is a left-right flip a $T$ that leaves *all* terms of {eq}`opgan-full` with $\beta = 0$ unchanged?
# What do the identity terms say to it?
# And turning the picture upside down?
# ```
#
# ```{solution} ex-opgan-flip
# :class: dropdown
# The flip: yes, if mirrored days are as common as days.
# In our world they nearly are; but walls have a dark edge on their right, and the dashes of the road and the places of trees are not quite symmetric.
# The identity terms notice: a day that goes into $G_{AB}'$ comes out mirrored.
# Upside down: the cycle of $A$ does not mind, but $D_B$ does, because no day has its sky below.
# ```
#
# ```{exercise}
# :label: ex-opgan-norm
# A colleague puts an instance norm behind every layer of $S$.
# Which of its two tasks suffers, and why?
# ```
#
# ```{solution} ex-opgan-norm
# :class: dropdown
# The domain's: a patch and the same patch at a third of its brightness become alike after the norm, and with them night and day.
# Content may even gain.
# ```
#
# ```{exercise}
# :label: ex-opgan-alike
# Predict CycleGAN's and OP-GAN's car IoU for `piles="alike"`.
# Then train both: `make run CHAPTER=opgan SET="piles=alike"`, or OP-GAN alone with `SET="piles=alike compare=false"`.
# ```
#
# ```{solution} ex-opgan-alike
# :class: dropdown
# Nothing rewards an empty road any more, so CycleGAN keeps nearly all cars ("Break it"), and OP-GAN has little left to save.
# That a car keeps its place is still nobody's merit: the cycle does not see it ({eq}`opgan-gauge`), and the identity terms look at days alone.
# ```
#
# ```{exercise}
# :label: ex-opgan-edges
# **Project.** Replace $S$'s map by one of your own (the outlines of a classical operator, a depth map, features of a network that you trust), and check its *gap* before you train: equal for a night and its day, different for other streets.
# ```
#
# ```{solution} ex-opgan-edges
# :class: dropdown
# A beginning is `content="edges"` with `lambda_content=18 lambda_domain=0 warm_up=0 steps=900`.
# For your own map, subclass `OPGAN` and override `content_of`; `opgan.edges` shows the form.
# Judge the gap with `gap` above, whose maps you replace.
# ```
#
# The last cell checks the content loss.
# Break `content_loss` above (sum instead of mean, no square, a detach), run its cell again and then this one.

# %%
checks.check_content_maps(content_loss)

# %% [markdown]
# ## At paper scale
#
# Networks of the paper's sizes at 256 pixels, the literal loss, no identity terms, and CycleGAN's batch, rates and steps (no source names others).
# The paper translated CamVid from cloudy to sunny; our split goes from dusk to day, so compare directions, not numbers.
#
# ```bash
# make run CHAPTER=opgan PROFILE=paper SOURCE=camvid
# ```

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*profiles(RECIPES))

# %% [markdown]
# What is not known of the paper, and therefore ours: whether $S$ itself minimises $\mathcal L_{cc}$, the layers of $S$, how many channels a map has, how pairs are drawn, what $D_1$ means with one $S$ and two directions (for us: both patches in domain $A$, original or translated), that both directions' losses are added, and $S$'s rate.
# At test time $S$ and the discriminators are dropped; a translation costs what CycleGAN's costs.
# Without a GPU the profile asks for `allow_slow=True`; with `steps=1` it shows that one true step fits your machine.
# We have not run it to the end.
#
# ## Close
#
# **In three sentences.** A cycle compares a picture with its round trip, so objects may move, appear and vanish on the way.
# OP-GAN compares a picture with its translation, by content maps of a Siamese network that is supervised by position and origin of patches.
# Left to itself such a network makes the comparison empty; it has to be forced to see something, and to be blind to what may change.
#
# :::{admonition} Quiz
# :class: tip dropdown
# 1. Which of the four scenarios feed the content loss? *$C_1$ alone.*
# 2. And which the domain loss? *All; $C_1$ and $C_2$ are one class.*
# 3. Within one step, who moves first, $G$ or $S$? *$G$, with $S$ and $D$ fixed; then $S$ and $D$.*
# 4. $\mathcal L_{cc}$ falls to 0 within a few hundred steps. Good news? *Look at the spread of the maps first.*
# 5. (Chapter 2) All horses stand on meadows, all zebras on savannah. What becomes of the grass, and why? *It turns to sand, because $D$ compares sets of whole pictures. Here the sets of streets differ.*
# 6. (Chapter 1) What does a paired L1 know that no loss of this chapter knows? *The true day of this very night.*
# :::
#
# **What is left open.** $S$ needs no labels, because it makes its own out of positions.
# But a network that is to change what we name, such as the colour of hair, needs labels, and labels are expensive.
# MatchGAN {cite:p}`sun2020` has few of them, and invents *target* labels for pictures that have none.
#
# :::{admonition} 한국어 요약
# :class: note dropdown
# CycleGAN은 영상과 되돌아온 영상만 비교하고, 영상과 그 변환 결과는 직접 비교하지 않는다. 그래서 물체가 사라지거나 새로 생겨도 순환 일관성 손실은 0일 수 있다.
# 되돌릴 수 있는 어떤 변형 T를 끼워 넣어도 A의 순환 손실은 변하지 않는다(게이지 자유도).
# OP-GAN은 여기에 가중치를 공유하는 샴 네트워크 S를 더한다. 픽셀 레이블은 필요 없다.
# 원본과 변환 영상을 3×3 격자로 나누고 패치 두 개를 뽑는다. 같은 위치의 두 패치(C1)는 내용이 같아야 하고, 패치의 출처(D1, D2, C)는 도메인을 알려 준다.
# 내용 손실 L_cc는 내용 주의 지도의 제곱 차이이고, 도메인 손실 L_dc는 세 클래스의 교차 엔트로피이다.
# 먼저 S와 판별자를 고정하고 생성자를 학습하고, 그다음 생성자를 고정하고 S와 판별자를 학습한다.
# 논문 그대로의 손실에서는 지도가 상수로 붕괴할 수 있다. 이 책의 안정화 판은 지도를 표준화하고, 색을 바꾼 실제 패치를 아홉 개 중에서 다시 찾게 한다.
# 밤에는 하늘이 벽보다 어둡고 낮에는 대개 밝으므로, 내용은 밝기의 순서를 보지 않아야 한다. 그 대신 색이 뒤집힐 수 있어 항등 손실이 필요하다.
# 학습 전에 S를 검사한다. 밤과 그 실제 낮의 지도는 가깝고, 다른 거리의 지도와는 멀어야 한다.
# 고정된 윤곽선 지도도 그만큼 잘 작동하는가? 그 답도 측정하여 그림에 보인다.
# :::
#
# **Further reading.** The paper {cite:p}`xie2020`; its parent {cite:p}`zhu2017`; a contrastive relative {cite:p}`park2020`; labels instead of self-supervision {cite:p}`huang2018`; hidden messages in a cycle {cite:p}`chu2017`.

# %%
path = run.close()
print("results:", path)
