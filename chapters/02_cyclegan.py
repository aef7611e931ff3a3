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
# # CycleGAN: two piles of pictures
#
# *Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks*, by Jun-Yan Zhu, Taesung Park, Phillip Isola and Alexei A. Efros, ICCV 2017 {cite:p}`zhu2017`.
#
# ## What you will see
#
# Turn these horses into zebras. You get a pile of horses and a pile of *other* zebras, in other places and poses, and nobody tells you which belongs to which.
#
# ![Four rows of five pictures. First row: brown horses on meadow and savannah. Second row, GAN alone: striped animals whose legs are lost in much the same speckled ground for every horse. Third row, CycleGAN: a striped animal in the pose of each horse, on the horse's own ground, with pale halos. Fourth row, and back: brown horses again, close to those of the first row.](../book/results/cyclegan_opening.webp)
#
# The first row is what goes in. The second is what comes out if only a discriminator teaches: stripes, but one speckled ground for every horse. Where have the hills and the savannah gone?
# The third row is CycleGAN. It adds a single demand, which the fourth row shows: *there and back again, you should stand where you started.*
# In a few minutes you will have trained both methods.
#
# **Core route, 45 minutes:** leave out "Break it" and the exercises. **Deep route, 2 hours:** everything.
# The trainings take some minutes on a laptop with two cores; the paper's own recipe takes hours on a GPU (last section).
#
# After this chapter you can
#
# 1. say why an adversarial loss alone does not decide *which* picture a picture becomes;
# 2. write the full objective of CycleGAN, and say which network each term moves;
# 3. tell mode collapse from a permuted mapping, by a number;
# 4. name wrong mappings whose cycle loss is zero;
# 5. find out whether a network hides information in its translation.
#
# **You need** {ref}`chapter 1 <p3>`: conditional GANs, and {ref}`the PatchGAN <p8>`.
# The boxes on {ref}`GANs <b1>`, {ref}`least squares <b10>` and {ref}`mode collapse <b11>` are short.
#
# :::{admonition} Two minutes before you start
# :class: tip dropdown
# 1. A code swaps every letter for another one, always the same. What do you need to decode a text? What if you have the text and no key, but know English?
# 2. You translate a sentence into a language that you do not speak, and back again, and get the same sentence. Was the translation right?
# 3. $D$ answers with one number $s$ and is punished by $(s - 1)^2$ on real and $s^2$ on made pictures. It answers 0.5 to everything. What does it pay for each?
# 4. In chapter 1, what did $D$ see beside the picture?
#
# *Answers: a table of letters, or else the habits of the language; you cannot know; 0.25; the input, which here has no partner.*
# :::
#
# The next three cells set the run up. You may change the numbers; at first reading, skip them.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Show the parameters: everything that you may change"}
# fmt: off
profile: str = None  # the size of everything; None: $I2I_PROFILE, or else "fast" {"smoke", "fast", "paper"}
seed: int = 0  # of weights, data and noise [0, 2147483647]
source: str = "safari"  # drawn animals, drawn houses, or a set of real pictures {"safari", "day_night", "facades", "cmp", "apple2orange_grocery", "apple2orange", "cezanne2photo", "horse2zebra", "monet2photo", "summer2winter_yosemite"}
steps: int = None  # training steps [1, 10000000]
device: str = None  # where to compute; None: on a GPU if there is one {"cpu", "cuda"}
out: str = None  # folder of the results; None: one under runs/, named by the parameters
resume: bool = False  # continue an interrupted run
allow_slow: bool = False  # really run the paper's profile on a CPU
compare: bool = True  # train the baseline (GAN alone) beside the method
upside_down: bool = False  # turn every picture of pile b on its head: a task of shape
adversarial: bool = None  # with discriminators (True), or the cycle alone (False)
objective: str = None  # of every adversarial term {"least_squares", "vanilla"}
lambda_forward: float = None  # weight of the cycle a, b, a; 0 leaves it out [0, 1000000]
lambda_backward: float = None  # weight of the cycle b, a, b; 0 leaves it out [0, 1000000]
cycle: str = "l1"  # what compares a picture with itself after the cycle {"l1", "adversarial"}
lambda_identity: float = None  # weight of the identity terms; 0 leaves them out [0, 1000000]
average: float = None  # decay of the averaged generators, which translate; 0: the last weights do [0, 0.999999]
# fmt: on

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the imports"}
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from IPython.display import display
from ipywidgets import FloatSlider, IntSlider
from PIL import Image
from torch import nn

from i2i_tutor import chapter, checks, inline, losses, plots, widgets
from i2i_tutor.data import facades, safari, unpaired
from i2i_tutor.data.streams import to_tensor, to_uint8
from i2i_tutor.film import Film, leaf, scrub, strip
from i2i_tutor.measuring import judges, metrics, results
from i2i_tutor.methods.base import profiles
from i2i_tutor.methods.cyclegan import RECIPES, AdversarialCycleGAN, CycleGAN
from i2i_tutor.nn import ImagePool, PatchGAN, ResNetGenerator, count_parameters
from i2i_tutor.training import make_optimisers, play


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the opening of the run: it checks the parameters"}
class Own:
    """The parameters of this chapter alone. The recipe's are in its last section."""

    source: Annotated[
        Literal[*unpaired.SOURCES],
        "drawn animals, drawn houses, or a set of real pictures",
    ] = "safari"
    compare: Annotated[bool, "train the baseline (GAN alone) beside the method"] = (
        True
    )
    upside_down: Annotated[
        bool, "turn every picture of pile b on its head: a task of shape"
    ] = False
    cycle: Annotated[
        Literal["l1", "adversarial"],
        "what compares a picture with itself after the cycle",
    ] = "l1"


run = chapter.open_run(
    globals(), "02_cyclegan", RECIPES, Own,
    numbers=(
        "adversarial", "objective", "lambda_forward", "lambda_backward",
        "lambda_identity", "average",
    ),
    slow="28 million weights, 80,000 steps of a trillion multiplications each: days",
)  # fmt: skip
recipe = run.recipe
game = {"l1": CycleGAN, "adversarial": AdversarialCycleGAN}[cycle]
NAMES = {
    "safari": ("horse", "zebra"),
    "day_night": ("day", "night"),
} | dict.fromkeys(("facades", "cmp"), ("plan", "photo"))
a_name, b_name = NAMES.get(source, ("a", "b"))

# %% [markdown]
# (c1)=
# ## The problem
#
# Chapter 1 needed pairs: for every input the right answer, pixel by pixel.
# Pairs are rare.
# Somebody has to draw the plan of each house; nobody can photograph one street in summer and in winter with the same cars; and no camera has ever caught one horse twice in the same step, brown and striped.
# Two piles are easy to come by: pictures of one kind, the *domain* $X$ (in code `a`), and pictures of another kind, $Y$ (`b`).
#

# %% tags=["remove-input"]
pairs = {
    f"{side}{n}": (column, n - 1)
    for n in (1, 2, 3)
    for column, side in enumerate("xy")
}
piles = {
    "x4": (2.1, 0),
    "x5": (2.4, 1),
    "x6": (2.0, 2),
    "y4": (3.3, 0.3),
    "y5": (2.9, 1.3),
    "y6": (3.4, 2),
}
titles = {"paired (chapter 1)": (0.5, -0.7), "unpaired (this chapter)": (2.7, -0.7)}
inline.diagram(
    pairs | piles | titles,
    [("x1", "y1", "--"), ("x2", "y2", "--"), ("x3", "y3", "--")],
    "Left, chapter 1: every x is tied to its y. Right, this chapter: a pile of x and a pile of y; no x has an answer.",
    plain=[*titles],
)

# %% [markdown]
# Our two piles are horses and zebras in a landscape; here are four training steps. The two pictures in a row have nothing to do with each other.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two piles", "image": {"alt": "Two columns of four training pictures. Left brown horses, right striped zebras; the two pictures of a row differ in pose, place and ground."}}
def world(numbers):
    """The training stream of this run."""
    stream = unpaired.train(
        source, numbers.size, numbers.batch, run.seed, load_size=numbers.load_size
    )
    if upside_down:
        stream = stream.mapped(
            lambda batch: batch | {"b": batch["b"].flip(2)}, upside_down=True
        )
    return stream


piles = [next(stream) for stream in [world(recipe)] for _ in range(4)]
plots.grid(
    {f"pile {side}": torch.cat([p[side][:1] for p in piles]) for side in "ab"},
    caption="Two piles: nothing in a row belongs together.",
)

# %% [markdown]
# A program drew them, and it can draw any scene in either coat.
# So we own what no photographer has: for each horse *the same horse as a zebra*, in the same scene and down to the last stripe.
# No training step ever sees these *counterfactuals*. They are for measuring only.
#
# Change `source` for other piles: with `"day_night"` drawn houses by day and by night, with `"facades"` plans and photographs of houses, and with `"horse2zebra"`, `"monet2photo"` and others the paper's own sets.
#
# (c2)=
# ## The idea
#
# Two generators: $G$ translates from $X$ to $Y$ (`g_ab`), $F$ from $Y$ to $X$ (`g_ba`).
# Two discriminators: $D_Y$ (`d_b`) compares real pictures of $Y$ with $G$'s, $D_X$ (`d_a`) those of $X$ with $F$'s.
# Neither sees the input: there is no pair that it could compare with.
#

# %% tags=["remove-input"]
for here, there, way in (("a", "b", "forward"), ("b", "a", "backward")):
    forth, back = f"g_{here}{there}", f"g_{there}{here}"
    fake, again, real = f"fake {there}", f"{here} again", f"real {there}"
    arrows = [
        (here, forth, ""),
        (forth, fake, ""),
        (fake, back, ""),
        (back, again, ""),
    ]
    arrows += [
        (again, here, "-- L1"),
        (fake, f"d_{there}", ""),
        (real, f"d_{there}", ""),
    ]
    places = {
        here: (0, 0),
        forth: (1, 0),
        fake: (2, 0),
        back: (1, 1),
        again: (0, 1),
    }
    places |= {f"d_{there}": (2, 1), real: (2, 2), f"{way} cycle": (0.3, 2)}
    says = f"The {way} cycle: {forth} turns {here} into {fake}, {back} turns that into {again}, "
    says += f"which L1 compares with {here}. d_{there} compares {fake} with {real}."
    display(
        inline.diagram(
            places, arrows, says, plain=[here, fake, again, real, f"{way} cycle"]
        )
    )

# %% [markdown]
# (c4)=
# **Why two discriminators are not enough.** $D_Y$ is content when the *set* of translations looks like the set $Y$.
# It does not ask which horse became which zebra.
# Two failures satisfy it, or nearly so:
#
# - **mode collapse**: every horse becomes the same few good zebras;
# - a **permuted mapping**: every horse becomes a good zebra, but the wrong one. Scenes change places, or all zebras look the other way.
#
# **Cycle consistency** adds the demand that the way back exists: $F(G(x)) \approx x$ (forward) and $G(F(y)) \approx y$ (backward).
# If many horses become one zebra, no network can tell from that zebra which horse it was, and the cycle loss is high. Collapse now costs.
# A permuted mapping, though, can be undone perfectly well.
# Keep that in mind: *the cycle asks for a way back, not for the right way.*
#
# Here are the failures, made by hand. For each, `way back` is the error of the best $F$ that could undo it:

# %% tags=["nbval-check-output"]
scenes = unpaired.evaluation("safari", 48, count=20)
horses, zebras, where = (scenes[key] for key in ("a", "b", "mask"))
# what G makes of the horses, where the animals stand in it, where the best way back leads
answers = {
    "right": (zebras, where, horses),
    "all mirrored": (zebras.flip(3), where.flip(3), horses),
    "scenes swapped": (zebras.roll(1, 0), where.roll(1, 0), horses),
    "collapsed": (zebras[:1], where[:1], horses.median(0, keepdim=True).values),
}
for name, (made, there, undone) in answers.items():
    made, there, undone = (
        made.expand_as(zebras),
        there.expand_as(where),
        undone.expand_as(horses),
    )
    shape = float((where * there).sum() / torch.maximum(where, there).sum())
    variety = metrics.diversity(made) / metrics.diversity(zebras)
    lost = metrics.mean_absolute_error(undone, horses)
    print(
        f"{name:15} shape kept {shape:.2f}, diversity {variety:.2f}, way back {lost:.2f}"
    )

# %% [markdown]
# *Shape kept* is the overlap (intersection over union) of the animal in the answer with the animal in the input; *diversity* is how much two answers differ on average, as a share of how much two real zebras differ.
# Only the collapsed answer lacks diversity, and only it has no way back.
# The two permuted ones are wrong and cost the cycle nothing; no discriminator can object either, since every picture is a real zebra.
# Even the wrong scene keeps some of the shape, because all animals stand near the middle: that is what *chance* is worth, and the tables of scores below have a row for it.
#
# :::{admonition} Misconception: "the cycle loss guarantees that the content is kept"
# :class: warning
# It guarantees that the content can be *computed back*.
# "All mirrored" above has a cycle loss of zero, and so has a code that swaps all letters.
# What makes the networks leave a leg in its place is that a convolutional network finds it easiest to leave things where they are.
# :::
#
# ## Predict, then measure
#
# Write down what you expect; a table puts it beside our measurement. Nothing is graded.

# %%
predictions = {
    # does the cycle keep the horse's shape better than the GAN alone? True or False
    "cyclegan-shape": None,
    "cyclegan-ground": None,  # ... and change less of the ground?
    "cyclegan-variety": None,  # ... and do its zebras differ more from each other?
    "cyclegan-way-back": None,  # ... and does the way back lead closer to it?
    # does a zebra get its own stripes back through a brown horse?
    "cyclegan-message": None,
    "cyclegan-hidden": None,  # and does a little noise on that horse destroy them?
}

# %% [markdown]
# ## The networks
#
# The generator is not a U-Net but a small *residual* network.
# It halves the picture twice, thinks about it in some residual blocks, and doubles it twice.
# A residual block adds what it computes to its input, so leaving things alone is the easiest thing to learn. (Instance norm is explained below.)


# %%
def convolution(channels_in, channels_out, side, **options):
    """A convolution, instance norm and ReLU: nearly everything here is made of it."""
    return [
        nn.Conv2d(channels_in, channels_out, side, **options),
        nn.InstanceNorm2d(channels_out),
        nn.ReLU(),
    ]


class Block(nn.Module):
    """Two convolutions that keep size and width, added to the input."""

    def __init__(self, width):
        super().__init__()
        first = [nn.ReflectionPad2d(1), *convolution(width, width, 3)]
        # no ReLU before the sum, nor after it
        second = [nn.ReflectionPad2d(1), *convolution(width, width, 3)[:2]]
        self.branch = nn.Sequential(*first, *second)

    def forward(self, x):
        return x + self.branch(x)


# %%
def generator(base=64, blocks=9):
    """The paper's generator; ``base`` is its width at full size."""
    layers = [nn.ReflectionPad2d(3), *convolution(3, base, 7)]
    layers += [*convolution(base, 2 * base, 3, stride=2, padding=1)]
    layers += [*convolution(2 * base, 4 * base, 3, stride=2, padding=1)]
    layers += [Block(4 * base) for _ in range(blocks)]
    for width in (4 * base, 2 * base):
        up = nn.ConvTranspose2d(
            width, width // 2, 3, stride=2, padding=1, output_padding=1
        )
        layers += [up, nn.InstanceNorm2d(width // 2), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.ReflectionPad2d(3), nn.Conv2d(base, 3, 7), nn.Tanh()
    )


ours, package = generator(8, 2), ResNetGenerator(base=8, blocks=2)
for mine, theirs in zip(ours.parameters(), package.parameters(), strict=True):
    mine.data.copy_(theirs)
picture = torch.rand(1, 3, 32, 32)
torch.testing.assert_close(ours(picture), package(picture))

# %% [markdown]
# The discriminator is chapter 1's PatchGAN with three channels instead of six, because it sees one picture.
# In the paper its patches are 70 × 70 pixels, and a generator has nine blocks; both are smaller in this run, for smaller pictures:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the sizes"}
rows = []
for name, numbers in {"this run": recipe, "the paper": RECIPES["paper"]}.items():
    with torch.device("meta"):  # shapes without memory
        parts = CycleGAN(replace(numbers, average=0.0, adversarial=True))
        counts = [count_parameters(part) for part in (parts.g_ab, parts.d_b, parts)]
    patch = {1: 16, 2: 34, 3: 70, 4: 142, 5: 286}[numbers.patch_layers]
    sizes = (numbers.size, numbers.blocks, 4 * numbers.base, patch)
    rows.append((name, *sizes, *(f"{count:,}" for count in counts)))
header = ["", "pixels", "blocks", "channels in a block", "patch (pixels)"]
plots.table([*header, "weights of G", "of D", "of all four"], rows)

# %% tags=["nbval-check-output"]
with torch.device("meta"):
    parts = {
        "generator, 9 blocks (256 px)": generator(64, 9),
        "generator, 6 blocks (128 px)": generator(64, 6),
        "discriminator": PatchGAN(3, layers=3, norm="instance"),
        "all four": CycleGAN(RECIPES["paper"]),
    }
for name, expected in zip(
    parts, (11_378_179, 7_837_699, 2_764_737, 28_285_832), strict=True
):
    count = count_parameters(parts[name])
    print(
        f"{name}: {count:,} weights, official code {expected:,}, equal: {count == expected}"
    )

# %% [markdown]
# :::{admonition} The paper's generator, layer by layer
# :class: note dropdown
# For a picture of 256 × 256; `base` is 64. The second column is the paper's short name.
#
# | layer | name | channels | pixels | weights |
# | --- | --- | --- | --- | --- |
# | 7 × 7, instance norm, ReLU | c7s1-64 | 3 → 64 | 256 | 9,472 |
# | 3 × 3, stride 2, norm, ReLU | d128 | 64 → 128 | 128 | 73,856 |
# | 3 × 3, stride 2, norm, ReLU | d256 | 128 → 256 | 64 | 295,168 |
# | nine residual blocks | R256 × 9 | 256 | 64 | 9 × 1,180,160 |
# | 3 × 3 transposed, stride 2, norm, ReLU | u128 | 256 → 128 | 128 | 295,040 |
# | 3 × 3 transposed, stride 2, norm, ReLU | u64 | 128 → 64 | 256 | 73,792 |
# | 7 × 7, tanh | c7s1-3 | 64 → 3 | 256 | 9,411 |
#
# The blocks hold more than nine tenths of the weights, and work at a quarter of the width.
# :::
#
# Normalisation is **instance norm**: every channel of every picture gets mean 0 and variance 1 by itself {cite:p}`ulyanov2016`.
# It has no weights and no memory, so training and testing compute the same, and a batch of two pictures gives what two batches of one give.

# %% tags=["nbval-check-output"]
torch.manual_seed(run.seed)
# The paper's weights and learning rate at this run's size: what the step by hand below writes out.
paper_like = replace(
    RECIPES[run.profile], learning_rate=2e-4, lambda_forward=10.0, lambda_backward=10.0, lambda_identity=0.0,
    average=0.0,
)  # fmt: skip
untrained = CycleGAN(paper_like).to(run.device)
batch = {
    key: images.to(run.device) for key, images in next(world(paper_like)).items()
}
a, b = batch["a"], batch["b"]
with torch.no_grad():
    together, apart = (
        untrained.g_ab(torch.cat([a, b])),
        torch.cat([untrained.g_ab(a), untrained.g_ab(b)]),
    )
print("a", tuple(a.shape), "-> g_ab", tuple(together[: len(a)].shape), end=" ")
print("-> d_b", tuple(untrained.d_b(together).shape))
print("batched equals one by one:", torch.allclose(together, apart, atol=1e-5))

# %% [markdown]
# (c3)=
# ## The losses, from scratch
#
# **Adversarial.** CycleGAN replaces the cross entropy of chapter 1 by **least squares** {cite:p}`mao2017`.
# $D$ answers with a number $s$ for each patch. It is trained to answer 1 to real patches and 0 to made ones; the generator is trained to make patches to which $D$ answers 1.


# %%
def discriminator_loss(on_real, on_fake):
    """Halved, as in the paper, so that D learns slower relative to G."""
    return 0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())


def adversarial_loss(on_fake):
    """What a generator pays for the number that D gives its fakes."""
    return (on_fake - 1).square().mean()


# %% [markdown]
# Why squares? Look at how hard each loss pushes $G$, against the number that $D$ gave.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the three curves", "image": {"alt": "Three curves of the push on G against D's number from -4 to 4. The original log(1 - D) fades to zero for negative numbers, where D is sure of a fake; -log D fades for positive numbers and never exceeds one; least squares grows linearly on both sides of 1."}}
s = torch.linspace(-4, 4, 161, requires_grad=True)
pushes = {}
for name, loss in {
    "log(1 - D), original": -F.softplus(s),
    "-log D, chapter 1": F.softplus(-s),
    "least squares": (s - 1).square(),
}.items():
    (slope,) = torch.autograd.grad(loss.sum(), s)
    pushes[name] = (s.detach(), slope.abs())
plots.lines(
    pushes, x="D's number for a made patch", y="push on G (absolute gradient)"
)

# %% [markdown]
# The original form stops pushing when $D$ is sure of the fake (left): *vanishing gradients*.
# Chapter 1's form stops when $D$ is fooled (right), even if the patch's number lies far above those of real patches.
# Least squares pushes towards 1 from both sides, and the farther away the number is, the harder it pushes. The authors found training steadier and the pictures better.
#
# **Cycle and identity** are means of absolute differences: L1, as in chapter 1.
#
# (c11)=
# The *identity loss* shows $G$ a picture that already is in $Y$ and asks $G$ to leave it alone: $G(y) \approx y$, and $F(x) \approx x$.
# It keeps the tint: without it $G$ may turn a painting of daylight into a photograph at sunset. $D_Y$ accepts that, because its pile has sunsets, too, and so does the cycle, because $F$ can undo it.
# The paper uses it from paintings to photographs, with half of the cycle's weight; the official code always does, by default.


# %%
def cycle_loss(cycled, image, weight=10.0):
    """Where the way back leads, compared with where one started."""
    return weight * (cycled - image).abs().mean()


def identity_loss(same, image, weight=5.0):
    """A picture that already is where it should be, and what is made of it."""
    return weight * (same - image).abs().mean()


# %% [markdown]
# (c7)=
# Write $\mathcal L_{GAN}(G, D_Y)$ for the game about $Y$. In the paper's formula (its equation 1):
#
# $$
# \begin{split}
# &\mathcal L_{GAN}(G, D_Y) = \\
# &\mathbb E_y[\log D_Y(y)] \\
# &+ \mathbb E_x[\log(1 - D_Y(G(x)))] .
# \end{split}
# $$ (cyclegan-gan)
#
# $D_Y$ maximises it and $G$ minimises it; in practice each pays the least squares above.
# The cycle's two halves (equation 2) and the full objective (equation 3), with $\lambda = 10$ in the paper:
#
# $$
# \begin{split}
# \mathcal L_{cyc}(G, F) &= \mathbb E_x \lVert F(G(x)) - x \rVert_1 \\
# &+ \mathbb E_y \lVert G(F(y)) - y \rVert_1 ,
# \end{split}
# $$ (cyclegan-cycle)
#
# $$
# \begin{split}
# \mathcal L(G, F, D_X, D_Y) &= \mathcal L_{GAN}(G, D_Y) \\
# &+ \mathcal L_{GAN}(F, D_X) \\
# &+ \lambda\, \mathcal L_{cyc}(G, F) ,
# \end{split}
# $$ (cyclegan-full)
#
# and what is wanted is (equation 4)
#
# $$
# \begin{split}
# G^*, F^* = \arg &\min_{G, F}\, \max_{D_X, D_Y} \\
# &\mathcal L(G, F, D_X, D_Y) .
# \end{split}
# $$ (cyclegan-aim)
#
# In words: both generators together minimise what they pay to both discriminators, plus $\lambda$ times the mean error of both ways back, while each discriminator does its best to tell real from made.
# The first term of {eq}`cyclegan-full` moves $G$ and $D_Y$, the second $F$ and $D_X$; *each* half of {eq}`cyclegan-cycle` moves both generators and no discriminator.
# If the identity loss is used, add $\tfrac\lambda2 (\mathbb E_y \lVert G(y) - y \rVert_1 + \mathbb E_x \lVert F(x) - x \rVert_1)$.
# A small $\lambda$ lets the picture change more, a large one keeps more of it: see {ref}`How much cycle? <c7-lambda>`.

# %% tags=["nbval-check-output"]
fake_b = untrained.g_ab(a).detach()
on_real, on_fake = untrained.d_b(b).detach(), untrained.d_b(fake_b).detach()
package = 0.5 * losses.discriminator_loss(on_real, on_fake, "least_squares")
torch.testing.assert_close(discriminator_loss(on_real, on_fake), package)
torch.testing.assert_close(
    adversarial_loss(on_fake), losses.generator_loss(on_fake, "least_squares")
)
torch.testing.assert_close(cycle_loss(fake_b, b), 10 * losses.l1(fake_b, b))
half = torch.full((2, 1, 6, 6), 0.5)
print(
    f"all equal the package's; an undecided D pays {float(discriminator_loss(half, half)):.2f},",
    end=" ",
)
print(f"an error of 0.1 on the way back costs {float(cycle_loss(b + 0.1, b)):.1f}")

# %% [markdown]
# **A pool of earlier fakes.** A discriminator that only ever sees the newest fakes forgets the older tricks, and the game can go in circles.
# So each gets a pool of 50 pictures.
# The rule is exact, and often told wrongly: while the pool fills, every fake is stored *and* used.
# Then, with probability one half, $D$ is shown an old picture and the new one takes its place; otherwise $D$ is shown the new one and the new one is **not** stored.

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
pool, shown_new = ImagePool(50), 0
for number in range(1050):
    picture = torch.full((1, 1, 2, 2), float(number))
    (answer,) = pool.query(picture)
    shown_new += bool(torch.equal(answer, picture)) and number >= 50
kept = {int(value) for value in pool.slot0[:, 0, 0, 0]}
print(
    "pictures in the pool:",
    int(pool.count),
    "| of 1,000 later queries answered with the new picture:",
    shown_new,
)
print("the oldest picture still kept was made", 1049 - min(kept), "steps ago")

# %% [markdown]
# ## One step by hand
#
# A whole training step in plain PyTorch: generators first, both with one optimiser; then both discriminators, which learn from the fakes made *before* that step.
# The pool is empty, so it hands back what it gets.


# %%
def step_by_hand(g_ab, g_ba, d_a, d_b, a, b):
    """One step of CycleGAN with fresh Adam optimisers and without identity terms."""
    players = [[*g_ab.parameters(), *g_ba.parameters()]]
    players += [[*d_a.parameters(), *d_b.parameters()]]
    options = {"lr": 2e-4, "betas": (0.5, 0.999), "fused": True}
    adam = [torch.optim.Adam(weights, **options) for weights in players]
    fake_b, fake_a = g_ab(a), g_ba(b)
    cycled_a, cycled_b = g_ba(fake_b), g_ab(fake_a)
    loss_g = adversarial_loss(d_b(fake_b)) + adversarial_loss(d_a(fake_a))
    loss_g = loss_g + cycle_loss(cycled_a, a) + cycle_loss(cycled_b, b)
    loss_g.backward()
    adam[0].step()
    # the generators' loss has left gradients in the discriminators
    adam[1].zero_grad()
    loss_d = discriminator_loss(d_a(a), d_a(fake_a.detach()))
    loss_d = loss_d + discriminator_loss(d_b(b), d_b(fake_b.detach()))
    loss_d.backward()
    adam[1].step()
    return loss_g.item(), loss_d.item()


# %% tags=["nbval-check-output"]
by_hand, by_play = deepcopy(untrained), deepcopy(untrained)
step_by_hand(by_hand.g_ab, by_hand.g_ba, by_hand.d_a, by_hand.d_b, a, b)
play(by_play, make_optimisers(by_play), batch, step=0)
equal = all(
    torch.equal(p, q)
    for p, q in zip(by_hand.parameters(), by_play.parameters(), strict=True)
)
print("turns:", [(turn.loss, turn.moves) for turn in untrained.turns])
print("the step by hand equals the package's:", equal)
assert equal

# %% [markdown]
# One line above is easy to forget: the generators' loss flows *through* the discriminators and leaves gradients there.
# Without `zero_grad` the discriminators would then also step towards being fooled.
# The package's `play` gives gradients only to the networks that move.
#
# ## Training
#
# This run is a small copy of the paper's; its numbers (`recipe`) and the paper's are in the last section.
# As in chapter 1, we translate with an average of each generator's weights over the last hundred steps or so, which the paper does not take.
# The **baseline** is the GAN alone: the same four networks, steps, pictures and seed, with both cycle terms left out.
# (Its other settings are those that suit CycleGAN; nobody has looked for better ones for it.)
# Its steps are quicker, because nothing is translated back.
# (In what a training prints, and in the tables of claims, CycleGAN is called `method` and the GAN alone `baseline`.)

# %%
# what the results file calls them, and what we do
ARMS = {"method": "CycleGAN", "baseline": "GAN alone"}
# on a CPU a translation at 256 pixels takes seconds
patient = recipe.size <= 128 or run.device.type != "cpu"
# if the source is drawn, a and b of the test set show the same scenes
drawn = source in ("safari", *unpaired.HOUSES)
count = (100 if drawn else 60) if patient else 10
test = unpaired.evaluation(source, recipe.size, count=count)


def upright(images, side):
    """Pictures of pile b as they stood before `upside_down`, or the other way round."""
    return images.flip(2) if side == "b" and upside_down else images


test["b"] = upright(test["b"], "b")


# %%
def both_ways(model, images):
    """Pictures of a as b, above pictures of b as a."""
    views = [
        model.translate(images),
        model.translate(test["b"][:4].to(images.device), "BtoA"),
    ]
    return torch.cat(views, dim=2)


def train(arm, game, numbers, own_cycle=None):
    """Train one model of this chapter; returns it with its history and its film."""
    torch.manual_seed(run.seed)
    model = game(numbers)
    model.cycle_loss = own_cycle or model.cycle_loss
    film = Film(test["a"][:4], numbers.steps, both_ways)
    # fp32 as the official code; bf16 would save little in networks as small as these
    return model, run.fit(arm, model, world(numbers), film, precision="fp32"), film


# %%
trained = {"CycleGAN": train("method", game, recipe)}
if compare:
    alone = replace(recipe, lambda_forward=0.0, lambda_backward=0.0)
    trained["GAN alone"] = train("baseline", CycleGAN, alone)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the curves", "image": {"alt": "Loss terms of CycleGAN over the steps. Both cycle terms fall steeply at first and then slowly. The adversarial terms stay near the dashed undecided line of 0.25, the generators' mostly above it and the discriminators' mostly below."}}
model, history, film = trained["CycleGAN"]
undecided = 0.25 if recipe.objective == "least_squares" else 0.6931
plots.curves(
    history, undecided=dict.fromkeys(("gan_ab", "gan_ba", "d_a", "d_b"), undecided)
)

# %% [markdown]
# `gan_ab` is what `g_ab` pays to `d_b`, `cycle_a` the forward cycle times $\lambda$, and so on.
# The dashed line is what either side pays when $D$ answers 0.5 to everything.
# The cycle terms fall: both generators learn to undo each other.
# As in chapter 1, no curve says whether the pictures are good. Leaf through the film (above, horses become zebras; below, zebras become horses):

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the film"}
scrub(
    film.frames,
    film.labels,
    "Four pictures of pile a as b, and four of pile b as a, while both networks learn",
    enlarge=3 if recipe.size <= 64 else 1,
)

# %% [markdown]
# In which order do things appear? Usually first an animal with regular stripes, in front of one ground for all, and last what tells one scene from the next: its own ground, hills and tree. Only the cycle asks for those.
#
# (c5)=
# ## Results


# %%
def there_and_back(model):
    """Every test picture translated, and translated back."""
    made = {}
    for side, there, other, back in (
        ("a", "AtoB", "b", "BtoA"),
        ("b", "BtoA", "a", "AtoB"),
    ):
        translated = run.in_parts(
            partial(model.translate, direction=there), test[side]
        )
        made[f"fake_{other}"] = translated
        made[f"cycled_{side}"] = run.in_parts(
            partial(model.translate, direction=back), translated
        )
    return made


outputs = {name: there_and_back(model) for name, (model, _, _) in trained.items()}


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: a gallery"}
def gallery(side, other, caption, count=4):
    """Input, what each model makes of it, the way back, the right answer if known."""
    columns = {NAMES.get(source, ("a", "b"))["ab".index(side)]: test[side][:count]}
    columns |= {
        name: made[f"fake_{other}"][:count]
        for name, made in reversed(outputs.items())
    }
    columns["and back"] = outputs["CycleGAN"][f"cycled_{side}"][:count]
    return plots.grid(
        columns | ({"right answer": test[other][:count]} if drawn else {}), caption
    )


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Horses to zebras, four rows; columns horse, GAN alone, CycleGAN, CycleGAN's way back, and the same animal drawn as a zebra. The GAN alone paints striped animals on a speckled ground that is much the same in every row. CycleGAN paints stripes on the horse's own shape and keeps its ground; the way back resembles the horse."}}
caption = "GAN alone forgets the scene; CycleGAN keeps it, and finds the way back."
run.show("a_to_b.png", gallery("a", "b", caption))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Zebras to horses, four rows; columns zebra, GAN alone, CycleGAN, CycleGAN's way back, and the same animal drawn as a horse. CycleGAN's animal is brown, with ghosts of stripes, and keeps its shape and ground; the way back carries nearly the zebra's own stripes."}}
caption = "The way back wears the zebra's own stripes, through a brown horse."
run.show("b_to_a.png", gallery("b", "a", caption))

# %% [markdown]
# Look at three things.
#
# 1. **The stripes are where the horse was**, in its own pose and on its own ground. Nobody ever showed the network this horse with stripes.
# 2. **They are not the stripes of the right answer.** They cannot be: which stripes a horse would have had is written nowhere in the picture.
# 3. **Second figure, column "and back":** these *are* the zebra's own stripes, or nearly so, in number and slant. They have travelled through a brown horse. How?
#
# The third point is one of the strangest things about this method; it has a {ref}`section of its own <hidden-message>`.
# The faults deserve a look, too: pale halos around the animals, a rippled sky, trees that dissolve.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: what is kept of this run"}
own = outputs["CycleGAN"]
# kept beside the results: input, translation, way back, right answer
for side, other in ("ab", "ba"):
    rows = [test[side], own[f"fake_{other}"], own[f"cycled_{side}"]]
    rows += [test[other]] if drawn else []
    lines = Image.fromarray(strip([row[:5] for row in rows]))
    lines.save(run.figure(f"strip_{side}.png"))
if compare:  # the chapter's first picture
    rows = [
        test["a"],
        outputs["GAN alone"]["fake_b"],
        own["fake_b"],
        own["cycled_a"],
    ]
    opening = Image.fromarray(strip([row[:5] for row in rows]))
    size = (3 * opening.width, 3 * opening.height)
    large = opening.resize(size, Image.Resampling.NEAREST)
    large.save(run.figure("opening.webp"), lossless=True)

# %% [markdown]
# ## Measuring
#
# ### What is asked
#
# A table must ask questions that have one answer each. For animals, in either direction:
#
# - **shape kept:** a judge (a small segmentation network that has learnt from drawn truth, as in chapter 1) says where it sees an animal. How much does that overlap with where the input has one?
# - **coat:** of the pixels where the input's animal stands, which share does the judge take for the wanted coat?
# - **ground:** how much has changed where no animal is? Nothing should.
# - **error to the right answer:** the mean difference to the counterfactual.
# - **diversity** of the answers and the error of the **ways back**.
#
# Beside every number stand the best to be had, *real pictures*, and chance: the input copied, the right answer *of another scene*, and the mean picture of the other pile for every input.


# %%
def shrunk(images):
    """Pictures at the size at which the judge reads."""
    return F.interpolate(
        images.cpu(), judge_size, mode="bilinear", antialias=True
    ).clamp(-1, 1)


def read(images):
    """The class of every pixel, as the judge sees it."""
    return torch.cat(
        [judge(part).argmax(dim=1) for part in shrunk(images).split(50)]
    )


def error(images, side):
    """Mean distance to the right answer."""
    return metrics.mean_absolute_error(images, upright(test[side], side))


# %%
judge_size, judged = min(recipe.size, 64), None
if source == "safari":
    judged = safari.ground_truth(judge_size)
elif source in ("facades", "cmp"):
    judged = facades.ground_truth(unpaired.HOUSES[source]["source"], judge_size)
if judged:
    judge, report = judges.segmenter(
        judged, steps=8 if run.profile == "smoke" else None
    )
    run.record_judge(report)
    truth = unpaired.evaluation(source, judge_size, count=len(test["a"]))
    print(
        "on pictures that it has never seen:",
        {k: round(v, 3) for k, v in report["held_out"].items()},
    )


# %%
def animals(images, side):
    """Of horses and zebras: shape, coat, ground."""
    found, there = read(images), truth["mask"][:, 0].bool()
    coat = safari.CLASSES.index({"a": "plain", "b": "stripes"}[side])
    seen = upright(test["ab".replace(side, "")], "ab".replace(side, ""))
    return {
        "shape": float((there & (found > 0)).sum() / (there | (found > 0)).sum()),
        "coat": float((found[there] == coat).float().mean()),
        "ground": metrics.mean_absolute_error(images, seen, 1 - test["mask"]),
        "counterfactual": error(images, side),
    }


# %% [markdown]
# :::{admonition} What is asked of the other sources
# :class: note dropdown
# At night every pixel that shines should be a pane of this house: `windows` is the share of the shining pixels that are. The position of the panes is known from the plan.
# Photographs get the FCN-score of chapter 1; plans need no network, since every pixel is read as the class of the nearest colour.
# For sets without any truth, such as apples and oranges, a simple classifier (ridge regression on pictures of 8 × 8 pixels) says which share of the translations it takes for the other kind.
# :::


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: scores of the other sources"}
def lights(images, side):
    """Of days and nights: the error, and where it shines."""
    panes = (
        sum(
            test["labels"] == facades.CLASSES.index(name)
            for name in ("window", "shop")
        )
        > 0
    )
    shines = images[:, 0] > 0  # red above mid-grey: by night only a lit pane is
    right = float(panes[shines].float().mean()) if shines.any() else 0.0
    return {"counterfactual": error(images, side)} | (
        {"windows": right} if side == "b" else {}
    )


def plans(images, side):
    """Of plans and photographs: the FCN-score."""
    found = (
        read(images)
        if side == "b"
        else torch.from_numpy(facades.to_labels(to_uint8(shrunk(images)))).long()
    )
    confusion = metrics.confusion_matrix(
        truth["labels"], found, len(facades.CLASSES)
    )
    return metrics.segmentation_scores(confusion) | {
        "counterfactual": error(images, side)
    }


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: a simple classifier for real pictures"}
def thumbnails(images):
    """Pictures as 8 x 8 pixels and a constant, ``(N, 193)``."""
    return F.pad(F.adaptive_avg_pool2d(images, 8).flatten(1), (0, 1), value=1.0)


def taken(images, side):
    """Of two folders: the share that is taken for the wanted side."""
    as_b = thumbnails(images.cpu()) @ direction > 0
    return {"taken": float((as_b == (side == "b")).float().mean())}


if not drawn:
    pictures = [next(stream) for stream in [world(recipe)] for _ in range(200)]
    # (400 * batch, 193), and what each of them is, a or b
    known = torch.cat([thumbnails(p[side]) for side in "ab" for p in pictures])
    kinds = torch.tensor([-1.0, 1.0]).repeat_interleave(len(known) // 2)
    ridge = known.T @ known + torch.eye(known.shape[1])  # ridge regression
    direction = torch.linalg.solve(ridge, known.T @ kinds)


# %%
def measure(made):
    """Scores and diversity of the translations, and the errors of both ways back."""
    score = {
        "safari": animals,
        "day_night": lights,
        "facades": plans,
        "cmp": plans,
    }.get(source, taken)
    numbers = {}
    for side in "ab":
        images = made[f"fake_{side}"]
        found = score(upright(images, side), side)
        found["diversity"] = metrics.diversity(images) / metrics.diversity(
            test[side]
        )
        numbers |= {f"to_{side}_{key}": value for key, value in found.items()}
        if f"cycled_{side}" in made:
            numbers[f"way_back_{side}"] = metrics.mean_absolute_error(
                made[f"cycled_{side}"], test[side]
            )
    return numbers


# %%
chance = {
    "real pictures": {f"fake_{side}": test[side] for side in "ab"},
    "input copied": {"fake_a": test["b"], "fake_b": test["a"]},
    "another scene": {f"fake_{side}": test[side].roll(1, 0) for side in "ab"},
    "the mean picture": {
        f"fake_{side}": test[side].mean(0, keepdim=True).expand_as(test[side])
        for side in "ab"
    },
}
for name, made in chance.items():
    run.record(name, measure(made))
for arm, name in ARMS.items():
    if name in outputs:
        run.record(arm, measure(outputs[name]))


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the table of this run"}
def score_table(side, titles):
    """One direction's numbers: of this run's arms, and of chance."""
    names = {
        key: title
        for key, title in titles.items()
        if any(key in found for found in run.metrics.values())
    }
    rows = [
        (ARMS.get(arm, arm), *(found.get(key) for key in names))
        for arm, found in run.metrics.items()
    ]
    return plots.table(
        [
            f"into {NAMES.get(source, ('a', 'b'))['ab'.index(side)]}",
            *names.values(),
        ],
        rows,
    )


def titles(side, back):
    """The columns of one direction, of every source."""
    kinds = {
        "shape": "shape kept ↑",
        "coat": "coat ↑",
        "ground": "change of ground ↓",
        "windows": "shining on panes ↑",
    }
    kinds |= {
        "class_iou": "class IoU ↑",
        "taken": "taken for it ↑",
        "counterfactual": "error to the right answer ↓",
    }
    kinds["diversity"] = "diversity → 1"
    return {f"to_{side}_{key}": title for key, title in kinds.items()} | {
        f"way_back_{back}": "error of the way back ↓"
    }


score_table("b", titles("b", "a"))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
score_table("a", titles("a", "b"))

# %% [markdown]
# ### How to read the two tables
#
# Read the chance rows first.
# *Input copied* has shape and ground as good as can be, and not one stripe.
# *Another scene* is a perfect zebra in the wrong place: the judge finds its coat only where the two animals happen to overlap, and little of shape and ground is right.
# So no column means anything alone; a translation has to be good in all of them.
# (A diversity below 1 alone is no collapse either: copied horses are all different, but differ less than zebras, having no stripes.)
#
# And look at the **error to the right answer**.
# Into zebras, copying the horse can beat every network in this column: stripes in the wrong place cost twice, once where one is missing and once where one is too many.
# It is the trap of chapter 1's L1 loss, and the reason why we do not judge zebras by it.
# Into horses there is nothing to guess, and the column tells the truth.
#
# On two axes, *changed enough* against *kept enough*:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two axes", "image": {"alt": "Scatter plot of both methods and of chance: share of the animal in a zebra's coat against overlap of the shape. Real zebras in the upper right corner, copied horses upper left, the mean picture lower left, another scene in the middle, CycleGAN nearest to the real zebras."}}
if source == "safari":
    axes = {
        ARMS.get(arm, arm): ([m["to_b_coat"]], [m["to_b_shape"]])
        for arm, m in run.metrics.items()
    }
    display(
        plots.scatter(
            axes,
            x="coat: share of the animal read as striped",
            y="shape kept (IoU)",
        )
    )

# %% [markdown]
# (hidden-message)=
# ### A hidden message
#
# The riddle again: a zebra becomes a plain brown horse, the horse becomes a zebra, and it wears *the first zebra's stripes*.
# The cycle loss demands that; the discriminator forbids showing it. So the message has to be written where $D$ does not look: in differences of brown.
# Chu and others found this in maps {cite:p}`chu2017`: details of aerial photographs came back from a map that did not show them.
#
# It can only be seen on the way **rich → poor → rich**: a zebra has stripes, which a horse cannot show. A horse has nothing that it must hide in a zebra.
# We ask how alike the stripes that came back are to the original ones (correlation of brightness within the animal: 1 the same, 0 unrelated). The control decides: a **real** horse of the same scene, in which nobody has hidden anything. (Even that scores above 0, because mane, tail and hooves are dark on every zebra.)

# %%
# b is the rich side of every drawn source: stripes, lit windows, colours
middle = outputs["CycleGAN"]["fake_a"]
noise = torch.randn(middle.shape, generator=torch.Generator().manual_seed(run.seed))
inside = upright(test.get("mask", torch.ones_like(middle[:, :1])), "b")


def come_back(images, level=0.0):
    """The rich pictures that the way back makes of poor ones with noise."""
    return run.in_parts(
        partial(model.translate, direction="AtoB"),
        (images + level * noise).clamp(-1, 1),
    )


def returned(images):
    """How much of what was there has come back."""
    stripes = metrics.pattern_correlation(images, test["b"], inside)
    return {
        "stripes_returned": stripes,
        "error_returned": metrics.mean_absolute_error(images, test["b"]),
    }


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
ways = {
    "its own picture": come_back(middle),
    "its own picture, noise 0.1": come_back(middle, 0.1),
}
if drawn:
    ways["a real picture"] = come_back(test["a"])
ways["another scene's picture"] = come_back(middle).roll(1, 0)
for name, images in ways.items():
    run.record(name, returned(images))
rows = [(name, *run.metrics[name].values()) for name in ways]
plots.table([f"{b_name} made back from", "stripes returned ↑", "error ↓"], rows)

# %% [markdown]
# The proof in pictures. The second and the fourth column both show a brown horse; only one carries a message.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the proof", "image": {"alt": "Four zebras in rows; columns: the zebra; CycleGAN's own horse of it; the zebra made back from that horse, with nearly the first zebra's stripes; a real horse of the same scene; and the zebra made from that, with other stripes."}}
proof = {
    "1 the original": test["b"][:4],
    "2 its own translation": middle[:4],
    "3 back from 2": ways["its own picture"][:4],
}
if drawn:
    proof |= {
        "4 a real one": test["a"][:4],
        "5 back from 4": ways["a real picture"][:4],
    }
plots.grid(
    proof,
    caption="2 and 4 both show a horse; only 2 gives the zebra its own stripes back.",
)

# %% [markdown]
# How faint is the message? Noise wipes out what is fainter than itself, so we add some to the middle picture:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: noise on the message", "image": {"alt": "Curves of the stripes returned against the strength of noise on the middle picture. From its own translation the curve starts high and falls slowly; from a real picture it is low throughout."}}
levels = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4]
pictures = {"its own picture": middle} | (
    {"a real picture": test["a"]} if drawn else {}
)
curves = {
    name: (levels, [returned(come_back(x, s))["stripes_returned"] for s in levels])
    for name, x in pictures.items()
}
plots.lines(
    curves,
    x="noise on the middle picture (standard deviation; it spans -1 to 1)",
    y="stripes returned",
)

# %% [markdown]
# The curve falls slowly: noise that you would call strong leaves most of the message standing. So it is not written in whispers.
# Look at the second column of the proof from very near: in the brown there are ghosts of stripes.
# The two networks have agreed on a code that $D$ has not learnt to punish, and that you overlook because you see a horse. The paper's networks are far larger and trained far longer, so theirs can be fainter.
# So a perfect way back is no proof that the translation shows everything; and whoever publishes such a translation may publish more than meets the eye.
#
# ### The claims
#
# Every claim and its margin was written into `book/claims.toml` before the runs that judge it.
# First this run, beside your predictions; then all claims over the seeds.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
run.claims_table(predictions)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*results.claims_table("02_cyclegan"))

# %% [markdown]
# (c8)=
# ## What does each term do?
#
# The figures below come from `make sweep CHAPTER=cyclegan`: the same notebook with seeds 0, 1 and 2, one dot each (one seed for variants without a claim).
# They train a little shorter than the run above, so compare them with each other.
# Each variant differs from the first in one thing. Dashed lines are chance; an empty line has not been run yet.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: reading the sweep's results"}
swept = results.sweep("cyclegan")


def dots(arms, measures, chance=()):
    """Every seed of some variants, with chance from the first variant's own results."""
    own = next(
        (row["metrics"] for row in swept if row["arm"] == next(iter(arms))), {}
    )
    marks = {
        title: {name: own[name][key] for name in chance if key in own.get(name, {})}
        for key, title in measures.items()
    }
    return plots.dots(results.panels(swept, arms, measures), marks)


FIVE = (
    "Top to bottom: five inputs, their translations, the ways back, right answers"
)
KEPT = {"to_b_coat": "zebra's coat (share)", "to_b_shape": "shape kept (IoU)"}
BACK = {"way_back_a": "error horse → horse", "way_back_b": "error zebra → zebra"}
TERMS = {
    "full": "CycleGAN",
    "gan_forward": "forward cycle only",
    "gan_backward": "backward cycle only",
    "gan": "GAN alone",
    "cycle_alone": "cycle alone",
}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of five variants, three seeds each: coat and shape of the zebras, with a line for another scene. CycleGAN stands right in both on every seed, the variants with half a cycle and the GAN alone left of it in the shape; the cycle alone is scattered to the left in both."}}
dots(TERMS, KEPT, ["another scene"])

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of the same variants: errors of both ways back. A variant whose cycle was left out in one direction does not find back in that direction."}}
dots(TERMS, BACK)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("cyclegan_arms", TERMS.values(), FIVE, enlarge=3)

# %% [markdown]
# **Cycle alone** is the purest lesson. Both ways back are excellent; now look at what lies between: meadows turned into savannah and savannah into meadow, stripes that run on into the grass. Whatever can be undone will do.
# (That there are stripes at all is the backward cycle's doing: to give a zebra back, $G$ must be able to paint one.)
# **GAN alone** has the stripes and loses the scene.
# **Half a cycle** finds back only in the direction that was trained; the other direction is as free as the GAN alone.
# The paper's own figures are from Cityscapes, which has labels to measure by (its Tables 2 to 5; pixel accuracy / class accuracy / class IoU):
#
# | | labels → photographs | photographs → labels |
# | --- | --- | --- |
# | cycle alone | .22 / .07 / .02 | .10 / .05 / .02 |
# | GAN alone | .51 / .11 / .08 | .53 / .11 / .07 |
# | GAN + forward cycle | .55 / .18 / .12 | .49 / .11 / .07 |
# | GAN + backward cycle | .39 / .14 / .06 | .01 / .06 / .01 |
# | **CycleGAN** | **.52 / .17 / .11** | **.58 / .22 / .16** |
# | CoGAN | .40 / .10 / .06 | .45 / .11 / .08 |
# | BiGAN/ALI | .19 / .06 / .02 | .41 / .13 / .07 |
# | SimGAN | .20 / .10 / .04 | .47 / .11 / .07 |
# | feature loss + GAN | .06 / .04 / .01 | .50 / .10 / .06 |
# | pix2pix, with pairs | .71 / .25 / .18 | .85 / .40 / .32 |
#
# Into photographs, then, the forward cycle alone is even slightly ahead; only with both cycles are both directions good.
#
# :::{admonition} The other methods in the table
# :class: note dropdown
# CoGAN shares weights between two generators. BiGAN/ALI also learns the inverse of its generator. SimGAN adds an L1 distance to the *input*, and "feature loss" takes that distance in the features of a VGG network.
# :::
#
# With people as judges, Table 1: they took 26.8 % of CycleGAN's aerial photographs and 23.2 % of its maps for real, and at most 2.6 % of any other's.
# With a cycle in one direction only, says the paper, training was often unstable, and collapsed mostly in the direction left out.
#
# (c7-lambda)=
# ### How much cycle?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots for lambda 1, 10 and 100: with 1 the ways back are worst; with 100 they are as good as with 10, and the zebra's coat is gone."}}
LAMBDAS = {"lambda_1": "lambda 1", "full": "lambda 10", "lambda_100": "lambda 100"}
dots(LAMBDAS, {"to_b_coat": KEPT["to_b_coat"], **BACK})

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("cyclegan_lambda", LAMBDAS.values(), FIVE, enlarge=3)

# %% [markdown]
# $\lambda$ is the dial between the two axes.
# With 1 the discriminators have the say, and the scene drifts: much the same ground for everyone.
# With 100 the cycle has it, and nobody listens to the discriminators any more. What comes out is a code, pale animals on the wrong ground, with stripes in the sky; and the way back from it is as good as ever.
# The paper's 10 lies between.
#
# (c6)=
# ### Variants
#
# The L1 distance *is* the cycle loss of the paper. The authors report that they tried to *replace* it by an adversarial loss, without gain.
# Reviews sometimes turn this round and write that introducing L1 brought no gain, or list an adversarial cycle as a part of CycleGAN.
# The paper does not say how that discriminator was built; ours is given its best chance: like chapter 1's conditional one it sees the original beside the copy, weighted like the other adversarial terms, with 1 instead of $\lambda$.
# `cross entropy` is chapter 1's objective instead of squares.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of CycleGAN, an adversarial cycle and cross entropy: coat, shape and the error of the way back. The adversarial cycle finds back worse than L1."}}
VARIANTS = {
    "full": "CycleGAN",
    "adversarial_cycle": "adversarial cycle",
    "bce": "cross entropy",
}
dots(VARIANTS, KEPT | {"way_back_b": BACK["way_back_b"]})

# %% [markdown]
# "Is this the same picture?" is a question that L1 answers from the first step on; a discriminator has to learn it while the pictures change.
#
# ### Tint
#
# What do the identity terms do, with $\lambda / 2 = 5$? Look at the sky and the grass rather than at the animals.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots without and with identity terms: change of the ground in both directions, and coat. With them the ground changes less."}}
TINT = {"full": "CycleGAN", "identity": "CycleGAN + identity"}
dots(
    TINT,
    {
        "to_b_ground": "change of ground, to zebra",
        "to_a_ground": "to horse",
        "to_b_coat": "zebra's coat",
    },
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("cyclegan_identity", TINT.values(), FIVE, enlarge=3)

# %% [markdown]
# Without them $G$ is free to make all grass a little yellower and all skies a little greyer, as long as $F$ takes it back: a tint that can be undone costs the cycle nothing.
# They cost some 46 % more multiplications a step at the paper's size, since each generator translates once more.
#
# ## The same notebook, by night
#
# The method knows nothing about horses. With `source="day_night"` pile a holds houses by day and pile b other houses by night, and not one setting is changed.
# The city is built of one stone (variety 0 of chapter 1), so a night has only one secret: which windows are lit.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
CITY = {"night_full": "CycleGAN", "night_gan": "GAN alone"}
leaf(
    "cyclegan_night",
    ["day to night, and back", "night to day, and back"],
    "Top to bottom: five houses, CycleGAN's translations, the ways back, right answers",
    enlarge=3,
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of day and night, one dot per run: errors to the right answer both ways, and the share of shining pixels that lie on panes, with lines for the copied input, another house and the mean picture. CycleGAN is far from the copied input and no better than the mean picture."}}
measures = {
    "to_b_counterfactual": "error, to night",
    "to_a_counterfactual": "error, to day",
}
lines = ["input copied", "another scene", "the mean picture"]
dots(CITY, measures | {"to_b_windows": "shining on panes (share)"}, lines)

# %% [markdown]
# Here the error to the right answer can be trusted, since a night has little to guess: walls are dark, and only *which* panes are lit is anyone's choice. And it says: this has not come out.
# The nights have the colours of night and lamps of the right size and number. But look where the lamps hang: often between the windows, and one run differs from the next.
# It is the *permuted mapping* of the beginning, in the wild. The discriminator sees patches with lamps at believable distances, the cycle can read every lamp back, and nobody has said that a lamp is a window.
# With horses the lazy answer, stripes on the animal, was the right one. Here it is probably the wrong one: a pane is the darkest place by day and the brightest at night, and a generator that leaves bright what is bright hangs its lamps on the wall.
#
# The last picture holds a small miracle all the same. Its way is rich → poor → rich: night, day, night, and only the night shows *which* windows are lit.
# The day between is a mess in which no window looks lit. Yet compare the first row with the third: the same windows are lit again. Where is the message hidden?
#
# **Plans and photographs.** The hardest pair, and the one with numbers in the paper: chapter 1's task without chapter 1's pairs.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of CycleGAN and the GAN alone on plans and photographs: class IoU both ways, with lines for another house and the mean picture."}}
LABELS = {"labels_full": "CycleGAN", "labels_gan": "GAN alone"}
READ = {
    "to_b_class_iou": "class IoU into photographs",
    "to_a_class_iou": "class IoU into plans",
}
dots(LABELS, READ, ["another scene", "the mean picture"])

# %% [markdown]
# Measure the distance from the dashed lines, not from zero: a house that has nothing to do with the input is right about much of the wall.
# The paper saw another failure there: its outputs into labels sometimes exchange *tree* and *building*. A permuted mapping, and the cycle is content with it.
#
# (c9)=
# ## What else it has been used for
#
# The paper shows horses and zebras, apples and oranges, summer and winter, photographs as Monet, Cézanne, Van Gogh or Ukiyo-e would have painted them, paintings as photographs, shallow focus for pictures of flowers, and maps.
# Our own gallery of real photographs is small: apples and oranges in shops (not the paper's: cut from the Grocery Store Dataset {cite:p}`klasson2019`; read from `$I2I_DATA/apple2orange_grocery`).

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf(
    "cyclegan_fruit",
    ["apples, as oranges, and back", "oranges, as apples, and back"],
    "Top to bottom: five photographs, CycleGAN's translations, and the ways back",
    enlarge=3,
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots for fruit of CycleGAN, the GAN alone and CycleGAN with identity: share of apples taken for oranges and of oranges taken for apples, with lines for real pictures and copied inputs, and the error of the way back."}}
FRUIT = {
    "fruit_full": "CycleGAN",
    "fruit_gan": "GAN alone",
    "fruit_identity": "CycleGAN + identity",
}
taken_for = {
    "to_b_taken": "apples taken for oranges",
    "to_a_taken": "oranges taken for apples",
}
dots(
    FRUIT,
    taken_for | {"way_back_a": "error apple → apple"},
    ["real pictures", "input copied"],
)

# %% [markdown]
# The classifier is not sure of real pictures either (their dashed line), so a share above that line means nothing more.
# Fooling it is easy. What the cycle should add is that *this* apple can be found again: compare red and green ones in the last row, and ask whether you could have told them apart as oranges.
# (Photographs © 2019 Marcus Klasson, MIT licence, shrunk to 48 pixels.)
#
# (c10)=
# ## Break it
#
# **A rider.** The most famous failure of the paper is a zebra with a striped rider: no horse of its training set carried anybody.
# No horse of ours does, either. Here are some that do, and beside them other things that the network has never seen: a spotted animal, and a house.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: horses that carry somebody", "image": {"alt": "Three horses with a rider in red and blue; what the network makes of them, with black and white over horse and rider; and the ways back, in which most of the rider's red and blue is lost."}}
numbers = range(safari.FIRST_EVALUATION_SCENE, safari.FIRST_EVALUATION_SCENE + 3)
riders = to_tensor(safari.draw(numbers, recipe.size, "plain", rider=True)[0])
made = run.in_parts(model.translate, riders)
back_again = run.in_parts(partial(model.translate, direction="BtoA"), made)
plots.grid(
    {"horse and rider": riders, "CycleGAN": made, "and back": back_again},
    caption="The network has never seen a rider, so it paints one like a horse.",
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: what the network has never seen", "image": {"alt": "A spotted animal, an animal with patches, a drawn house and plain noise, beside what the network makes of each: black and white marks on the animals, but also where no animal is, among the colours of grass and sky."}}
others = [
    to_tensor(safari.draw(numbers[:1], recipe.size, coat)[0])
    for coat in ("spots", "patches")
]
others += [
    facades.evaluation("procedural", recipe.size, count=1)["target"],
    0.5 * noise[:1].clamp(-1, 1),
]
unusual = torch.cat(others)
plots.grid(
    {"input": unusual, "CycleGAN": run.in_parts(model.translate, unusual)},
    caption="None of these was in the piles, and none of them is left alone.",
)

# %% [markdown]
# The network does not know what a horse is, nor where it ends. It has learnt which colours and textures have to become black and white, so it may paint stripes on a rider, on a house, even into noise.
#
# **Shape.** The paper's dogs did not become cats: colours and textures change, shapes stay.
# The parameter `upside_down` makes a task where the right answer *is* shape: all zebras, their grass and their sky stand on their heads. The same four networks, the same losses:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
SHAPE = {"full": "CycleGAN, upright", "upside_down": "CycleGAN, upside down"}
leaf("cyclegan_shape", SHAPE.values(), FIVE, enlarge=3)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of the upright and the upside-down task: zebra's coat, shape kept, with a line for another scene, and the error of the way back. Upside down the shape is lost."}}
dots(SHAPE, KEPT | {"way_back_a": BACK["way_back_a"]}, ["another scene"])

# %% [markdown]
# The last column is the treacherous one: the way back can be good although the translation is wrong.
# What the generator computes at one place depends on the neighbourhood of that place. To turn a horse on its head, every pixel would have to hear from the other end of the picture.
#
# **Colour flip.** Users of the official code sometimes see all colours come out inverted, and training never mends it.
# The cycle cannot object: if $G$ inverts and $F$ inverts again, nothing is lost. What can?
# Here every translation of this run is inverted by hand, to see which loss would notice:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: every translation inverted"}
with torch.no_grad():
    y = test["b"][:50].to(run.device)
    made = model.g_ab(test["a"][:50].to(run.device))
    rows = []
    for name, sign in {"as trained": 1, "inverted": -1}.items():
        verdict = (
            float(model.d_b(sign * made).mean()) if recipe.adversarial else None
        )
        rows.append((name, verdict, float((sign * model.g_ab(y) - y).abs().mean())))
plots.table(
    [
        "translation",
        "mean number of d_b (1 is real)",
        "identity error: mean change of a real b by g_ab",
    ],
    rows,
)

# %% [markdown]
# The identity loss notices at once, which is why the maintainers advise it. The discriminator may or may not: while it learnt, nobody showed it an inverted picture, so its number for one is a guess, and may even be the better one.
#
# **The message, by hand.** In a running notebook, choose the picture and the noise yourself:


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: a picture and its noise", "image": {"alt": "One scene: the original, its translation with noise, and what the way back makes of it."}}
def with_noise(scene, strength):
    """A rich picture, its translation with noise, and the way back."""
    one = slice(scene, scene + 1)
    noisy = (middle[one] + strength * noise[one]).clamp(-1, 1)
    again = run.in_parts(partial(model.translate, direction="AtoB"), noisy)
    return plots.grid(
        {
            "original": test["b"][one],
            "translation + noise": noisy,
            "and back": again,
        },
        caption="Does the noise wipe out the message?",
    )


widgets.live(
    with_noise,
    scene=IntSlider(value=2, min=0, max=len(middle) - 1, continuous_update=False),
    strength=FloatSlider(
        value=0.1, min=0, max=0.5, step=0.02, continuous_update=False
    ),
)

# %% [markdown]
# :::{admonition} Explain why
# :class: tip dropdown
# At which strength can *you* no longer see ghosts of the stripes, and at which can the network no longer read them?
# A network that minimises the cycle loss is paid for every detail it can smuggle past $D$, and $D$ sees only patches, and only what it has learnt to look for.
# :::
#
# :::{admonition} Misconception: "the discriminators' losses went to zero, so training has succeeded"
# :class: warning
# With least squares, a loss near 0 means that $D$ tells every made patch apart.
# The push on its number has not faded (the figure of the three curves), so $G$ goes on learning; but whether it learns anything good the loss does not say.
# If the loss stays there for long, the maintainers advise to suspect collapse. Look at the pictures.
# :::
#
# :::{admonition} Misconception: "unpaired means that the piles may be anything"
# :class: warning
# $D$ compares *sets*. If all horses stood on meadows and all zebras on savannah, the honest translation would be punished, and the network would turn grass into sand.
# In medical pictures that is a tumour that was never there. Never use a translation as evidence.
# :::
#
# :::{admonition} Misconception: "a larger batch is always better"
# :class: warning
# Every experiment of the paper uses batch 1. With instance norm a batch changes no picture's translation; it only averages gradients, and takes fewer steps for the same pictures.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: ex-cycle-by-hand
# On a picture of two values, $x = (1, -1)$, $G$ inverts: $G(x) = -x$. Give an $F$ with forward cycle loss 0. What is $F$'s identity loss on $x$, with weight 5?
# ```
#
# ```{solution} ex-cycle-by-hand
# :class: dropdown
# $F(y) = -y$. Its identity error is $|-x - x| = 2$ at both values, so the loss is $5 \cdot 2 = 10$.
# ```
#
# ```{exercise}
# :label: ex-cycle-term
# Write both halves of the cycle, with their weight, as one function of `g_ab`, `g_ba`, `a` and `b`. Which arm of "What does each term do?" do you get if you forget the second half?
# ```
#
# ```{solution} ex-cycle-term
# :class: dropdown
# `lambda g_ab, g_ba, a, b: cycle_loss(g_ba(g_ab(a)), a) + cycle_loss(g_ab(g_ba(b)), b)`. Without the second half: "forward cycle only", whose zebras do not find back.
# ```
#
# ```{exercise}
# :label: ex-find-the-bug
# A colleague's step by hand has no line `adam[1].zero_grad()`. No error is raised. Which gradients does `adam[1].step()` follow, and where do they pull the discriminators?
# ```
#
# ```{solution} ex-find-the-bug
# :class: dropdown
# The sum of two: those of the discriminators' own loss, and those that the generators' loss has left in them, which ask the discriminators to answer 1 to made pictures. Leave the line out of the step above and run it again: `equal` is false after a single step.
# ```
#
# ```{exercise}
# :label: ex-swapped
# Another colleague's identity term is `(g_ab(a) - a).abs().mean()`. Her translations look like their inputs. Why?
# ```
#
# ```{solution} ex-swapped
# :class: dropdown
# She feeds the wrong domain: this term asks $G$ not to translate at all. Identity shows `g_ab` pictures of `b`.
# ```
#
# ```{exercise}
# :label: ex-one-way
# You need only $X \to Y$. Can you drop $F$, $D_X$ or the backward cycle? Say for each what you lose.
# ```
#
# ```{solution} ex-one-way
# :class: dropdown
# Without $F$ there is no forward cycle, so only the adversarial loss is left. You may drop $D_X$ and the backward cycle, and keep the forward cycle; but then nothing asks $F$'s answers on real $y$ to look like $X$, and the paper reports that such runs are often unstable.
# ```
#
# ```{exercise}
# :label: ex-blur
# Train with a cycle loss of your own, a function of (`"a"` or `"b"`, the image, where its way back led) that returns one number. This one compares blurred pictures: `blurred = lambda side, image, cycled: (F.avg_pool2d(cycled, 4) - F.avg_pool2d(image, 4)).abs().mean()`, then `model, _, _ = train("blurred", CycleGAN, recipe, blurred)` and `outputs["CycleGAN"] = there_and_back(model)`. Run the cells of the section on the hidden message again. What happens to the stripes that return, and to the ghosts?
# ```
#
# ```{solution} ex-blur
# :class: dropdown
# A project without a fixed answer. The way back is no longer paid for fine detail, so there is less reason to hide it. If you are right, the stripes returned fall towards those of a real horse.
# ```
#
# The last cell checks the discriminators' loss. Break `discriminator_loss` above (forget the half, exchange real and made, take sums), run its cell again and then this one: does it name your mistake?

# %%
checks.check_least_squares_loss(discriminator_loss)

# %% [markdown]
# ## At paper scale
#
# The networks of the paper on its data: residual generators of nine blocks, 28,285,832 weights in all, batch 1, $\lambda = 10$, pool of 50, 200 epochs, the learning rate falling to zero over the last hundred.
#
# ```bash
# make run CHAPTER=cyclegan PROFILE=paper SOURCE=horse2zebra
# ```
#
# If paper and official code differ, we follow the code, which has the identity terms on; `SET="lambda_identity=0"` gives the paper's text.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*profiles(RECIPES))

# %% [markdown]
# One step at 256 pixels costs about 640 billion multiplications, and 940 billion with the identity terms: some twenty times a step of pix2pix.
# Without a GPU the profile asks for `allow_slow=True`; with `steps=1` it shows that one true step fits your machine.
# What we have not done is run it to the end, so this chapter shows no result at that size.
#
# **Your own pictures.** Two folders are enough; the trained networks then translate both ways from the command line.
#
# ```python
# from i2i_tutor.data import folders
# from i2i_tutor.training import fit
#
# stream = folders.unpaired("summer", "winter", size=recipe.size, batch=recipe.batch)
# fit(CycleGAN(recipe), stream, folder="runs/summer_and_winter")
# ```
#
# ```bash
# i2i-tutor translate summer painted --checkpoint runs/summer_and_winter --direction AtoB
# ```
#
# ## Close
#
# **In three sentences.** Two discriminators make the translations look like the other pile, and say nothing about which picture became which.
# The cycle demands a way back, which makes collapse expensive, but not a permutation, a flipped colour or a hidden message.
# That shapes stay where they are is a gift of the network, not of the loss; if a shape has to change, the gift becomes a limit.
#
# :::{admonition} Quiz
# :class: tip dropdown
# 1. What does $D_Y$ see? *One picture: a real one of $Y$, or a translation, from the pool. Never the input.*
# 2. Two runs have the same cycle loss. Are the translations equally right? *Nobody knows from that: a permuted mapping has the same.*
# 3. All answers are good zebras, all different, and none stands where its horse stood. Collapse? *No, a permuted mapping: diversity is full, shape is at chance.*
# 4. Why test the hidden message with a real horse? *In it nobody has hidden anything: whatever stripes $G$ paints there it has invented.*
# 5. (Chapter 1) Why is L1 a mean and not a sum? *So that its weight means the same at every size.*
# 6. (Chapter 1) How many logits does the 70-pixel PatchGAN give at 256 pixels? *30 × 30.*
# :::
#
# **What is left open.** Look at the small things in a translation: a tree on the horizon, the far legs, an ear. They fade first, and nothing in the losses names them.
# OP-GAN {cite:p}`xie2020` asks how objects can be kept without labelling them.
#
# :::{admonition} 한국어 요약
# :class: note dropdown
# CycleGAN은 짝이 없는 두 영상 집합만으로 양방향 변환을 학습한다. 이 장에서는 말과 얼룩말, 그리고 낮과 밤의 집을 쓴다.
# 생성자(generator) 두 개와 판별자(discriminator) 두 개가 있고, 판별자는 입력을 보지 못한다.
# 적대적 손실만으로는 어떤 영상이 어떤 영상이 되는지 정해지지 않는다.
# 모드 붕괴(mode collapse)는 모든 입력이 같은 그림이 되는 것이고, 순열된 대응은 서로 바뀐 그림이 되는 것이다.
# 순환 일관성(cycle consistency)은 갔다가 돌아오면 처음 영상이 되기를 요구한다.
# 이것은 붕괴를 막지만, 좌우 반전 같은 순열된 대응이나 색 반전은 막지 못한다.
# 항등 손실(identity loss)은 이미 목표 영역에 있는 영상을 그대로 두게 하여 색조를 지킨다.
# 논문에 따르면 최소제곱 손실과 과거 영상 50장의 저장소가 학습을 안정시킨다.
# 얼룩말을 말로 바꾸었다가 되돌리면 원래의 줄무늬가 돌아온다. 생성자가 말 그림 속에 정보를 숨기기 때문이며, 진짜 말에서는 돌아오지 않는다.
# 모양(기하)은 거의 바뀌지 않고 색과 질감이 바뀐다.
# :::
#
# **Further reading.** The paper {cite:p}`zhu2017`; least squares {cite:p}`mao2017`; the hidden message {cite:p}`chu2017`; instance norm {cite:p}`ulyanov2016`; the pool's origin {cite:p}`shrivastava2017`.

# %%
path = run.close()
print("results:", path)
