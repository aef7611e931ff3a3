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
# # AGGAN: leave the rest alone
#
# *Unsupervised Attention-guided Image-to-Image Translation*, by Youssef A. Mejjati, Christian Richardt, James Tompkin, Darren Cosker and Kwang In Kim, NeurIPS 2018 {cite:p}`mejjati2018`.
#
# ## What you will see
#
# Zebras live on the savannah and horses on meadows, or so the photographs say.
# Ask CycleGAN for a zebra, and it hands you the savannah as well.
#
# ![Five columns of animals and five rows. First row: brown horses in green meadows. Second row, CycleGAN: striped animals on sand-coloured ground. Third row, AGGAN: the horses' own meadows, and striped animals in them. Fourth row, AGGAN's map: the outline of the animal, bright on black. Fifth row: the right answers, which no training has seen.](../book/results/aggan_opening.webp)
#
# The first row is what goes in, the second what CycleGAN makes of it: look at the ground.
# The third row is AGGAN, with generators of the same kind and the same losses. It has one more thing to decide, *where* to paint, and the fourth row shows what it decided; the last is the truth.
# Nobody ever told it what an animal is, or where one stands.
#
# **Core route, 45 minutes:** leave out "Break it" and the exercises. **Deep route, 2 hours:** everything.
# The two trainings take some minutes on a laptop with two cores; the paper's own recipe takes many hours on a GPU (last section).
#
# After this chapter you can
#
# 1. write a translation as a composition of two pictures, and say which pixel comes from where;
# 2. argue why a map without any supervision settles on what tells two sets apart;
# 3. predict from the training pictures alone when it will *not* settle on the animal;
# 4. say what the paper's switch does to the discriminators, and why;
# 5. choose numbers that neither a copy of the input nor a repainted picture can win.
#
# **You need** {ref}`chapter 2 <c2>`: two generators, two discriminators, one cycle. The boxes on {ref}`attention <b7>` and on {ref}`FID and KID <b16>` help.
#
# :::{admonition} Two minutes before you start
# :class: tip dropdown
# 1. A pixel is 0.8 in one picture and -0.2 in another. You mix three quarters of the first with one quarter of the second. What do you get?
# 2. Two generators both return their input unchanged. What does their cycle cost?
# 3. An animal covers a quarter of a picture. What is the intersection over union of the animal and the whole picture?
# 4. In chapter 2, what did $D_Y$ see of the input, and what of its translation?
#
# *Answers: 0.55; nothing; 0.25; nothing of the input, all of the translation.*
# :::
#
# The next three cells set the run up. You may change the numbers; at first reading, skip them.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Show the parameters: everything that you may change"}
# fmt: off
profile: str = None  # the size of everything; None: $I2I_PROFILE, or else "fast" {"smoke", "fast", "paper"}
seed: int = 0  # of weights, data and noise [0, 2147483647]
source: str = "safari"  # drawn animals, or real pictures {"safari", "weizmann_horse", "apple2orange_grocery", "apple2orange", "horse2zebra"}
steps: int = None  # training steps [1, 10000000]
device: str = None  # where to compute; None: on a GPU if there is one {"cpu", "cuda"}
out: str = None  # folder of the results; None: one under runs/, named by the parameters
resume: bool = False  # continue an interrupted run
allow_slow: bool = False  # really run the paper's profile on a CPU
compare: bool = True  # train the baseline (CycleGAN) beside the method
meadow: float = 0.85  # share of each drawn pile on its own ground: horses on meadow, zebras on savannah [0, 1]
task: str = "coat"  # what tells the drawn piles apart {"coat", "shape", "style", "alike"}
attention: bool = None  # attention networks (True), or maps of ones: CycleGAN with these networks
attention_rate: float = None  # learning rate of the attention networks [1e-09, 1]
switch: float = None  # part of the steps before the discriminators are attended; 1: never [0, 1]
switch_share: float = None  # of attended pixels, above which the switch waits; 1: it does not [1e-06, 1]
threshold: float = None  # what the map must reach for the discriminators to see a pixel [0, 1]
freeze: bool = None  # attention stays as it is after the switch
norm_off: bool = None  # no norm in the discriminators after the switch
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
from i2i_tutor.data import horses, safari, unpaired
from i2i_tutor.data.streams import Stream
from i2i_tutor.film import Film, leaf, scrub, strip
from i2i_tutor.measuring import judges, metrics, results
from i2i_tutor.methods.aggan import AGGAN, RECIPES, AttentionNetwork
from i2i_tutor.methods.base import profiles
from i2i_tutor.nn import count_parameters
from i2i_tutor.parameters import ParameterError, Range
from i2i_tutor.training import make_optimisers, play


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the opening of the run: it checks the parameters"}
class Own:
    """The parameters of this chapter alone. The recipe's are in its last section."""

    source: Annotated[
        Literal[
            "safari", "weizmann_horse", "apple2orange_grocery", "apple2orange",
            "horse2zebra",
        ],
        "drawn animals, or real pictures",
    ] = "safari"  # fmt: skip
    compare: Annotated[bool, "train the baseline (CycleGAN) beside the method"] = (
        True
    )
    meadow: Annotated[
        float, Range(0, 1),
        "share of each drawn pile on its own ground: horses on meadow, zebras on savannah",
    ] = 0.85  # fmt: skip
    task: Annotated[
        Literal["coat", "shape", "style", "alike"],
        "what tells the drawn piles apart",
    ] = "coat"


run = chapter.open_run(
    globals(), "06_aggan", RECIPES, Own,
    numbers=(
        "attention", "attention_rate", "switch", "switch_share", "threshold", "freeze",
        "norm_off", "average",
    ),
    slow="11 million weights, 133,400 steps of a third of a trillion multiplications: days",
)  # fmt: skip
recipe = run.recipe
drawn = source == "safari"
if task != "coat" and not drawn:
    raise ParameterError(f"task {task!r} is drawn, so it needs source 'safari'")
a_name, b_name = ("apple", "orange") if "apple" in source else ("horse", "zebra")

# %% [markdown]
# (a1)=
# ## The problem
#
# **The wish.** Translate one kind of object and leave everything else as it is: the meadow, the sky, the rider, the other objects.
# Nobody draws masks or boxes. As in chapter 2 there are two unrelated piles of pictures, and nothing else.
#
# (a2)=
# **What CycleGAN does instead.** Recall what its discriminator is asked: does this picture look as though it came from pile b?
# Pile b was photographed where zebras live. A zebra in a green meadow looks *unlike* pile b, so $D$ punishes it, and the generator learns to bring the savannah along.
# The cycle does not object, because a savannah can be turned back into a meadow.
# The paper begins with this complaint: backgrounds and other objects are repainted, too.
#
# Our world shows this with one number, 0.85 unless you change it.
# The share `meadow` of the horses' pictures lies on meadow, the rest on savannah; for the zebras it is the other way round.
# Each pile has a few exceptions, as real photographs do.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two piles, and the tasks of \"Break it\""}
def evening(images):
    """The same pictures by the light of the evening: red stays, green and blue fade."""
    light = torch.tensor([1.0, 0.72, 0.5]).view(3, 1, 1)
    return images.add(1).mul(light).sub(1)


def world(numbers, task=task):
    """The training stream of this run, or of another task."""
    size, batch, load = numbers.size, numbers.batch, numbers.load_size
    if not drawn:
        door = horses if source in horses.SOURCES else unpaired
        return door.train(source, size, batch, run.seed, load_size=load)
    draw = partial(safari.train, "procedural", size, batch, run.seed, plants=True)
    if task == "alike":  # four steps of five show a horse in pile b as well
        some, most = draw(), draw(coats=("plain", "plain"))
        return Stream(
            lambda position, _: (most if position % 5 else some).batch(position),
            run.seed, about=some.about | {"task": task},
        )  # fmt: skip
    if task == "style":
        stream = draw(coats=("plain", "plain"))
    else:
        stream = draw(meadow=(meadow, 1 - meadow))
    if task == "coat":
        return stream
    return stream.mapped(
        lambda batch: batch | {"b": changed(batch["b"], task)}, task=task
    )


def changed(images, task=task):
    """Pictures of pile b as the task has them."""
    if task == "shape":
        return images.flip(2)
    return evening(images) if task == "style" else images


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Two columns of six training pictures. Left brown horses, nearly all on green meadow; right striped zebras, nearly all on sand-coloured savannah."}}
stream = world(recipe)
piles = [next(stream) for _ in range(6)]
plots.grid(
    {f"pile {side}": torch.cat([p[side][:1] for p in piles]) for side in "ab"},
    caption="Two piles. Most horses stand on meadow, most zebras on savannah.",
)

# %% [markdown]
# We test on each animal's *usual* ground: all horses on meadow, all zebras on savannah.
# The program can draw every scene in either coat and on either ground, so we know the right answer, the same scene with the other animal, and the animal's mask. No training step sees either.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the fixed test set"}
def fixed(count):
    """The test set: a and b, if known their right answers, the mask of either."""
    size = recipe.size
    if source in horses.SOURCES:
        held = horses.evaluation(source, size, count=min(count, 50))
        truth = {"right_b": held["b"], "right_a": held["a"], "repainted": held["b"]}
        return held | truth | {"mask_a": held["mask"], "mask_b": held["mask"]}
    if not drawn:
        return unpaired.evaluation(source, size, count=min(count, 60))
    coats = ("plain", "plain" if task == "style" else "stripes")
    green, dry = (
        safari.evaluation(
            "procedural", size, count=count, coats=coats, meadow=share, plants=True
        )
        for share in (1.0, 0.0)
    )
    flat = task == "shape"
    return {
        "a": green["a"],
        "b": changed(dry["b"]),
        "right_b": changed(green["b"]),
        "right_a": dry["a"],
        "repainted": changed(dry["b"]),
        "mask_a": green["mask"],
        "mask_b": green["mask"].flip(2) if flat else green["mask"],
    }


# on a CPU a translation at 256 pixels takes seconds
patient = recipe.size <= 128 or run.device.type != "cpu"
count = (20 if run.profile == "smoke" else 100) if patient else 10
everything = fixed(2 * count if drawn else count)
test = {key: images[:count] for key, images in everything.items()}
# other scenes, to compare crowds with
others = {key: everything[key][count:] for key in "ab"}
known = "mask_a" in test

# %% [markdown]
# (a3)=
# ## The idea
#
# The task has two parts: find *where* to translate, and decide *what* to paint there.
# CycleGAN has a network for the second part only. AGGAN gives each domain one more, an **attention network**, for the first.
#
# (a4)=
# | paper | chapter 2 | in code |
# | --- | --- | --- |
# | source domain $S$, target domain $T$ | $X$, $Y$ | `a`, `b` |
# | generators $F_{S \to T}$, $F_{T \to S}$ | $G$, $F$ | `g_ab`, `g_ba` |
# | attention networks $A_S$, $A_T$ | none | `attention_a`, `attention_b` |
# | their maps $s_a$, $t_a$ (a for attention) | none | `map_a`, `map_b` |
#
# $A_S$ looks at a picture $s$ of the source domain and returns a map $s_a = A_S(s)$ with one number between 0 and 1 for every pixel.
# The generator $F_{S \to T}$ sees the **whole** picture, too, and paints a whole picture.
# Then the two are composed, with the map for what is painted and its inverse for what is kept:
#
# $$
# s' = s_a \odot F_{S \to T}(s) + (1 - s_a) \odot s .
# $$ (aggan-composition)
#
# In words: where the map is 1 the pixel is the generator's, where it is 0 it is the input's own, unchanged to the last bit, and in between it is a mixture.

# %% tags=["remove-input"]
for here, there, start, end in (
    ("a", "b", "a", "fake b"),
    ("b", "a", "fake b", "a again"),
):
    looks, paints = f"attention_{here}", f"g_{here}{there}"
    places = {start: (0, 0.7), looks: (1.1, 0), paints: (1.1, 1.4)}
    places |= {"compose": (2.2, 0.7), end: (3.1, 0.7)}
    arrows = [
        (start, looks, ""),
        (start, paints, ""),
        (start, "compose", "kept"),
        (looks, "compose", "where"),
        (paints, "compose", "what"),
        ("compose", end, ""),
    ]
    says = f"{start} goes to {looks}, which says where, to {paints}, which says what, and directly to the composition; out comes {end}"
    if here == "a":
        places |= {"d_b": (4.1, 0.7)}
        arrows += [(end, "d_b", "")]
        says += ", which d_b judges"
    display(inline.diagram(places, arrows, f"{says}.", plain=[start, end]))

# %% [markdown]
# In the second diagram, the way back, one point is easily missed: it does not reuse the first map. It asks the *other* domain's attention network, on the *translated* picture: where is the zebra in it?
# So the two attention networks have to agree about one object without ever seeing it in both coats.
#
# (a5)=
# **Why should the map find the animal?** No loss mentions it. Let us think the four cases through by hand.
# The painter below is imagined: our program draws what CycleGAN tends to paint, a zebra *and* the savannah.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: four maps", "image": {"alt": "Four rows of horse, map and composition. Map of zeros: the horse, unchanged. Map of ones: a zebra on savannah. Map of the ground alone: the brown horse, now on savannah. Map of the animal alone: a zebra in the horse's own meadow."}}
if known:
    here = test["mask_a"]
    MAPS = {
        "nothing": torch.zeros_like(here),
        "everything": torch.ones_like(here),
        "the ground alone": 1 - here,
        "the animal alone": here,
    }
    COMPOSED = {
        name: where * test["repainted"] + (1 - where) * test["a"]
        for name, where in MAPS.items()
    }
    tiles = {
        f"{a_name}": test["a"][:1].expand(4, -1, -1, -1),
        "map": torch.cat([where[:1] for where in MAPS.values()]) * 2 - 1,
        "composition": torch.cat([made[:1] for made in COMPOSED.values()]),
    }
    caption = (
        "From top to bottom: the map is 0, 1, in the wrong place, in the right one."
    )
    display(plots.grid(tiles, caption))

# %% [markdown]
# - **Map 0:** nothing is painted. The output is the input, and $D_T$, among whose real pictures no horse has ever been, knows it at once.
# - **Map 1:** this is CycleGAN. Everything may change, and $D_T$ asks for the savannah as well.
# - **Map in the wrong place:** the horse is still there, brown, and a brown horse is what tells the domains apart. $D_T$ wins again.
# - **Map on the animal:** the horse is gone. What still gives the picture away is its ground, and a ground like this *does* occur among the zebras, if seldom. At a share of 0.85 a zebra on meadow is 15 % of the real pictures and 85 % of such made ones; the best $D$ gives it $0.15 / (0.15 + 0.85) = 0.15$, and a brown horse 0.
#
# So the map must cover what tells the two domains apart, or the discriminator wins.
# But why nothing more? That is the cycle's doing: a pixel that is not attended is copied there, and copied back if the second map leaves it alone too, so it costs nothing, and every attended pixel has to be painted twice without a mistake.
# To paint the ground as well would bring more from $D$ and cost more in the cycle. Which side wins depends on the piles. If the balance holds, the map contains what is needed and little else.
#
# Look again at this argument, and at the word *animal*. It does not occur in it.
# The map goes to what tells the domains apart, **whatever that is**. Keep this in mind for the slider `meadow`.
#
# ## Predict, then measure
#
# Write down what you expect; a table puts it beside our measurement. Nothing is graded.
# *Ground* is measured in decibels: ten more are a tenth of the squared change. *Fit* is the overlap (intersection over union) with the animal's mask.

# %%
predictions = {
    # does AGGAN keep the meadow better than CycleGAN, by 8 decibels? True or False
    "aggan-ground-to-zebra": None,
    "aggan-ground-to-horse": None,  # ... and the savannah, on the way to a horse?
    "aggan-coat-to-zebra": None,  # are its stripes as good as CycleGAN's, to within 0.15?
    "aggan-coat-to-horse": None,  # ... and is its brown?
    "aggan-map-to-zebra": None,  # does the map fit the horse?
    "aggan-map-to-horse": None,  # ... and the zebra?
    "aggan-mean-mask": None,  # each horse, better by 0.1 than the mean of all masks?
}

# %% [markdown]
# ## The networks
#
# The discriminator is a PatchGAN, and in the paper the generator is chapter 2's with half the width (and zeros at the borders, norms with weights, a ReLU after every sum).
# New is the attention network: it halves the picture twice, has one residual block, doubles it twice, and ends in a sigmoid.
# Here it is from scratch; the paper's kernels at the end are 3, 3 and 7 pixels wide.


# %%
def layer(*parts, width):
    """Some parts, instance norm with weights of its own, ReLU."""
    return [*parts, nn.InstanceNorm2d(width, affine=True), nn.ReLU()]


class Block(nn.Module):
    """Two convolutions, added to the input; unlike chapter 2's, a ReLU follows the sum."""

    def __init__(self, width):
        super().__init__()
        first = layer(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), width=width
        )
        second = layer(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), width=width
        )
        self.branch = nn.Sequential(*first, *second[:-1])

    def forward(self, x):
        return torch.relu(x + self.branch(x))


# %%
def attention_network(base=32, kernels=(3, 3, 7)):
    """A picture (N, 3, H, W) to a map (N, 1, H, W) between 0 and 1."""
    pad, near = nn.ReflectionPad2d, nn.Upsample
    layers = layer(pad(3), nn.Conv2d(3, base, 7, stride=2), width=base)
    half = nn.Conv2d(base, 2 * base, 3, stride=2, padding=1)
    layers += [*layer(half, width=2 * base), Block(2 * base)]
    for width, side in zip((2 * base, base), kernels[:2], strict=True):
        # twice as large by repeating every value, then a convolution
        up = [
            near(scale_factor=2),
            pad(side // 2),
            nn.Conv2d(2 * base, width, side),
        ]
        layers += layer(*up, width=width)
    last = [pad(kernels[2] // 2), nn.Conv2d(base, 1, kernels[2])]
    return nn.Sequential(*layers, *last, nn.Sigmoid())


ours, package = attention_network(8), AttentionNetwork(8, (3, 3, 7))
for mine, theirs in zip(ours.parameters(), package.parameters(), strict=True):
    mine.data.copy_(theirs)
picture = torch.rand(1, 3, 32, 32)
torch.testing.assert_close(ours(picture), package(picture))

# %% tags=["nbval-check-output"]
with torch.device("meta"):  # shapes without memory
    whole = AGGAN(RECIPES["paper"])
    parts = {
        "generator": (whole.g_ab, 2_855_811),
        "attention network, as it ran": (whole.attention_a, 104_001),
        "attention network, as printed": (attention_network(), 154_689),
        "discriminator": (whole.d_b, 2_766_657),
        "all six": (whole, 11_452_938),
    }
for name, (part, official) in parts.items():
    found = count_parameters(part)
    print(
        f"{name}: {found:,} weights, official {official:,}, equal: {found == official}"
    )

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the sizes of this run"}
rows = []
for name, numbers in {"this run": recipe, "the paper": RECIPES["paper"]}.items():
    with torch.device("meta"):
        sized = AGGAN(replace(numbers, average=0.0, attention=True))
    counts = [
        count_parameters(sized.get_submodule(x)) for x in ("g_ab", "attention_a")
    ]
    counts += [count_parameters(sized.d_b), count_parameters(sized)]
    rows.append((name, numbers.size, numbers.blocks, *(f"{n:,}" for n in counts)))
header = ["", "pixels", "blocks", "weights of a generator"]
plots.table([*header, "of attention", "of a discriminator", "of all six"], rows)

# %% [markdown]
# :::{admonition} Why "as it ran" and "as printed"
# :class: note dropdown
# In the official code the sizes of the three last kernels stand in the wrong argument of a helper function, which ignores them. So they are 1 × 1, and the map is constant on blocks of 4 × 4 pixels.
# A small run cannot afford such coarse maps: ours has the printed kernels, and the profile `paper` has the code's.
# :::
#
# Choosing the place gets far fewer weights than painting, in the paper 4 % of them.
#
# (a6)=
# ## The losses, from scratch
#
# Nothing new is minimised. The adversarial terms are chapter 2's least squares, the cycle is its L1 with $\lambda_{cyc} = 10$, and there is no identity loss, no term that keeps the map small, and no supervision of it.
# New is only that every picture is composed. Two functions say it all:


# %%
def compose(image, painted, where):
    """What is painted where the map is 1; the image's own pixels where it is 0."""
    return where * painted + (1 - where) * image


def hop(image, generator, attention):
    """One translation: the composed picture and its map."""
    painted, where = generator(image), attention(image)  # (N, 3 or 1, H, W)
    return compose(image, painted, where), where


def adversarial_loss(on_fake):
    """What a generator, with its attention, pays for the numbers that D gives."""
    return (on_fake - 1).square().mean()


def discriminator_loss(on_real, on_fake):
    """Halved, as in chapter 2."""
    return 0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())


def cycle_loss(cycled, image, weight=10.0):
    """Where the way back leads, compared with where one started."""
    return weight * (cycled - image).abs().mean()


# %% [markdown]
# The other way is $t' = t_a \odot F_{T \to S}(t) + (1 - t_a) \odot t$ with $t_a = A_T(t)$, and both ways back are
#
# $$
# \begin{split}
# s'' &= A_T(s') \odot F_{T \to S}(s') \\
# &+ (1 - A_T(s')) \odot s' ,\\
# t'' &= A_S(t') \odot F_{S \to T}(t') \\
# &+ (1 - A_S(t')) \odot t' .
# \end{split}
# $$ (aggan-back)
#
# $$
# \begin{split}
# \mathcal L &= \mathcal L_{adv}(F_{S \to T}, A_S, D_T) \\
# &+ \mathcal L_{adv}(F_{T \to S}, A_T, D_S) \\
# &+ \lambda_{cyc} \, \mathbb E_s \lVert s - s'' \rVert_1 \\
# &+ \lambda_{cyc} \, \mathbb E_t \lVert t - t'' \rVert_1 .
# \end{split}
# $$ (aggan-full)
#
# In words ($\mathcal L_{adv}$ is that of chapter 2, with the composed picture as the made one): the two generators and the two attention networks together minimise what they pay to both discriminators and for both ways back; the discriminators do their best to tell real from made.
# The gradient reaches an attention network through the composition {eq}`aggan-composition` alone. At a pixel, summed over the colours $c$,
#
# $$
# \frac{\partial \mathcal L}{\partial s_a} = \sum_c \frac{\partial \mathcal L}{\partial s'_c} \big( F_{S \to T}(s)_c - s_c \big) ,
# $$
#
# so the map rises where painting instead of keeping lowers the loss.

# %% tags=["nbval-check-output"]
torch.manual_seed(run.seed)
# rates for this one step; the official one is 1e-4 for all six networks
small = replace(
    RECIPES[run.profile], learning_rate=2e-4, attention_rate=1e-4, together=True,
    switch=1.0, average=0.0,
)  # fmt: skip
untrained = AGGAN(small).to(run.device)
batch = {key: images.to(run.device) for key, images in next(world(small)).items()}
a, b = batch["a"], batch["b"]
with torch.no_grad():
    fake_b, map_a = hop(a, untrained.g_ab, untrained.attention_a)
    expected, its_map = untrained.hop(a, untrained.g_ab, untrained.attention_a)
print("a", tuple(a.shape), "-> map", tuple(map_a.shape))
print(
    "-> fake b", tuple(fake_b.shape), "-> d_b", tuple(untrained.d_b(fake_b).shape)
)
torch.testing.assert_close(fake_b, expected)
torch.testing.assert_close(map_a, its_map)
zeros, ones = torch.zeros_like(map_a), torch.ones_like(map_a)
painted = untrained.g_ab(a).detach()
print("map 0 returns the input:", torch.equal(compose(a, painted, zeros), a))
print("map 1 is CycleGAN:", torch.equal(compose(a, painted, ones), painted))

# %% tags=["nbval-check-output"]
with torch.no_grad():
    back, _ = hop(fake_b, untrained.g_ba, untrained.attention_b)
    same_map = compose(fake_b, untrained.g_ba(fake_b), map_a)
    on_real, on_fake = untrained.d_b(b), untrained.d_b(fake_b)
print("the way back has a map of its own:", not torch.allclose(back, same_map))
package = 0.5 * losses.discriminator_loss(on_real, on_fake, "least_squares")
torch.testing.assert_close(discriminator_loss(on_real, on_fake), package)
torch.testing.assert_close(
    adversarial_loss(on_fake), losses.generator_loss(on_fake, "least_squares")
)
torch.testing.assert_close(cycle_loss(back, a), 10 * losses.l1(back, a))
print(
    f"map 0, there and back, costs {float(cycle_loss(compose(a, painted, zeros), a)):.0f}"
)
print(
    f"D(real) = 0.4, D(fake) = 0.7: D pays {float(discriminator_loss(torch.tensor(0.4), torch.tensor(0.7))):.3f}"
)

# %% [markdown]
# **The cycle sharpens the map.** A pixel whose map is 0.3 is mixed twice, so the painter's mistakes come through in part, and the input's own detail is lost in part. With 0 there is no mistake. With 1 there is at least a generator that can learn to undo the other.
# So the cycle pushes the map to both ends. Does it? There is a histogram below.
#
# ## One step by hand
#
# A whole step in plain PyTorch: generators *and* attention networks first, then the discriminators. The attention networks get an optimiser of their own, because in our short runs their rate is another.
# Here all optimisers are new. In a loop, where they live on, each turn begins by clearing the gradients of whoever moves in it.


# %%
def step_by_hand(net, a, b):
    """One step with fresh Adam optimisers, before the switch."""

    def adam(rate, *networks):
        weights = [p for network in networks for p in network.parameters()]
        # fused, as the package's, so that the last bits are equal
        return torch.optim.Adam(weights, lr=rate, betas=(0.5, 0.999), fused=True)

    painters = adam(2e-4, net.g_ab, net.g_ba)
    lookers = adam(1e-4, net.attention_a, net.attention_b)
    fake_b, _ = hop(a, net.g_ab, net.attention_a)
    fake_a, _ = hop(b, net.g_ba, net.attention_b)
    cycled_a, _ = hop(fake_b, net.g_ba, net.attention_b)  # the other map
    cycled_b, _ = hop(fake_a, net.g_ab, net.attention_a)
    loss = adversarial_loss(net.d_b(fake_b)) + adversarial_loss(net.d_a(fake_a))
    (loss + cycle_loss(cycled_a, a) + cycle_loss(cycled_b, b)).backward()
    painters.step()
    lookers.step()
    critics = adam(2e-4, net.d_a, net.d_b)
    critics.zero_grad()  # the loss above has left gradients in the discriminators
    loss = discriminator_loss(net.d_a(a), net.d_a(fake_a.detach()))
    loss = loss + discriminator_loss(net.d_b(b), net.d_b(fake_b.detach()))
    loss.backward()
    critics.step()


# %% tags=["nbval-check-output"]
# (the pool of the package hands its first pictures through as they are)
by_hand, by_play = deepcopy(untrained), deepcopy(untrained)
step_by_hand(by_hand, a, b)
play(by_play, make_optimisers(by_play), batch, step=0)
pairs = zip(by_hand.parameters(), by_play.parameters(), strict=True)
equal = all(torch.equal(p, q) for p, q in pairs)
print("turns:", [(turn.loss, turn.moves) for turn in untrained.turns])
print("the step by hand equals the package's:", equal)
assert equal

# %% [markdown]
# The official code moves in four turns: $F_{S \to T}$ with $A_S$, then $D_T$, then $F_{T \to S}$ with $A_T$ on pictures made anew, then $D_S$. That is `together=False`, which the profile `paper` has; it costs a second pass through all networks.
#
# ## Training
#
# The **baseline** is CycleGAN: the same generators and discriminators, steps, pictures, rates and seed, with a map of ones.
# AGGAN has its two attention networks more, and nothing else.
# Both translate with averages of their weights, as in the chapters before, and the discriminators see whole pictures from beginning to end: the switch has a section of its own.
# (In what a training prints, and in the tables of claims, AGGAN is called `method` and CycleGAN `baseline`.)
#
# :::{admonition} A composition of your own
# :class: tip dropdown
# Hand it to `train` below as `own_compose(image, painted, where)`, for example the function `compose` from above after you have changed it: a map that is cut at 0.5, a painting that is added instead of pasted. `AGGAN` calls it in every hop.
# :::

# %%
# what the results file calls them, and what we do
ARMS = {"method": "AGGAN" if recipe.attention else "CycleGAN, alone"}
ARMS |= {"baseline": "CycleGAN"}


def pictures_and_maps(model, images):
    """Pictures of a as b, their maps, pictures of b as a, their maps."""
    rows, sides = [], (images, test["b"][:4].to(images.device))
    for some, way in zip(sides, model.directions, strict=True):
        where = model.attention_map(some, way)
        rows += [model.translate(some, way), (2 * where - 1).expand(-1, 3, -1, -1)]
    return torch.cat(rows, dim=2)


def train(arm, numbers, own_compose=None):
    """Train one model of this chapter; returns it with its history and its film."""
    torch.manual_seed(run.seed)
    model = AGGAN(numbers)
    model.compose = own_compose or model.compose
    film = Film(test["a"][:4], numbers.steps, pictures_and_maps)
    # fp32, as in the official code: the same arithmetic on every machine
    return model, run.fit(arm, model, world(numbers), film, precision="fp32"), film


# %%
trained = {ARMS["method"]: train("method", recipe)}
if compare:
    alone = replace(recipe, attention=False)
    trained["CycleGAN"] = train("baseline", alone)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the curves", "image": {"alt": "Loss terms of AGGAN over the steps. The adversarial terms have a dashed undecided line at 0.25."}}
model, history, film = trained[ARMS["method"]]
undecided = dict.fromkeys(("gan_ab", "gan_ba", "d_a", "d_b"), 0.25)
if recipe.attention and recipe.switch < 1:
    run.record("method", {"switched_at": int(model.switched_at)})
    came = (
        f"came before step {int(model.switched_at)}"
        if model.switched
        else "never came"
    )
    print(f"the switch {came}; attended pixels: {float(model.share):.0%}")
plots.curves(history, undecided=undecided)

# %% [markdown]
# `gan_ab` is what `g_ab` and `attention_a` pay to `d_b`, `cycle_a` the cycle of a times $\lambda_{cyc}$; the dashed line is an undecided $D$.
# Do not read one curve alone: if the map goes to 0 everywhere (it *closes*), the cycle falls to zero *at once*, and nothing is translated. A low cycle is only good news beside an adversarial term that is not at its worst.
#
# Now the film. First and second row: horses as zebras, and the map; third and fourth: zebras as horses, and the map. White means paint, black means leave.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the film"}
scrub(
    film.frames,
    film.labels,
    "Four horses as zebras with their maps, four zebras as horses with their maps, while all networks learn",
    enlarge=3 if recipe.size <= 64 else 1,
)

# %% [markdown]
# At step 0 the map is grey everywhere, because the sigmoid of next to nothing is one half. Watch how it goes on: at which step can you first tell an animal?
# The same in numbers, from the maps of the film:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the values of the maps", "image": {"alt": "Histograms of the map's values at several steps. At step 0 all values stand at one half."}}
kept = dict(zip(film.labels, film.frames, strict=True))
shown = [f"step {step}" for step in (0, 100, 200, 500)] + film.labels[-1:]
values = {
    label: torch.from_numpy(kept[label][recipe.size : 2 * recipe.size, :, 0] / 255)
    for label in dict.fromkeys(shown)
    if label in kept
}
# for the figure of the rates below
means = {
    label.removeprefix("step "): frame[recipe.size : 2 * recipe.size].mean() / 255
    for label, frame in kept.items()
}
run.record(
    "method", {f"map_at_{step}": float(mean) for step, mean in means.items()}
)
plots.histogram(values, x="value of the map of a (0: kept, 1: painted)")

# %% [markdown]
# Nothing in the losses asks for zeros and ones by name. It is the cycle that does not like mixtures.
#
# ## Results


# %%
def translated(model):
    """Every test picture translated, and where it was painted."""
    made = {}
    for side, other, way in (("a", "b", "AtoB"), ("b", "a", "BtoA")):
        paint = partial(model.translate, direction=way)
        look = partial(model.attention_map, direction=way)
        made[f"fake_{other}"] = run.in_parts(paint, test[side])
        made[f"map_{side}"] = run.in_parts(look, test[side])
    return made


outputs = {name: translated(model) for name, (model, _, _) in trained.items()}
own = outputs[ARMS["method"]]


def gallery(side, other):
    """Columns: the input, what each model makes of it, the map, the right answer."""
    columns = {{"a": a_name, "b": b_name}[side]: test[side][:4]}
    columns |= {name: outputs[name][f"fake_{other}"] for name in reversed(outputs)}
    columns["the map"] = 2 * own[f"map_{side}"] - 1
    return columns | ({"right answer": test[f"right_{other}"]} if known else {})


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Horses to zebras, four rows; columns horse, CycleGAN, AGGAN, AGGAN's map, right answer. CycleGAN's zebras stand on sand-coloured ground; AGGAN's stand in the horse's own green meadow; the map is a bright animal on black."}}
caption = "Look at the ground under the feet: CycleGAN's, and AGGAN's."
run.show("a_to_b.png", plots.grid(gallery("a", "b"), caption))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Zebras to horses, four rows; columns zebra, CycleGAN, AGGAN, AGGAN's map, right answer. CycleGAN's horses stand on green; AGGAN's stand on the zebra's own savannah, brown with faint ghosts of stripes."}}
caption = "The other way round: whose savannah is still the same?"
run.show("b_to_a.png", plots.grid(gallery("b", "a"), caption))

# %% [markdown]
# Look at three things.
#
# 1. **The ground**, blade by blade. Where the map is next to 0 it is the input's own: not *like* the right answer, but the same pixels.
# 2. **The rim of the map.** Muzzle, mane, tail and hooves are dark in both coats. They tell nothing apart, and the map has no reason to cover them.
# 3. **Ghosts of stripes** on the brown horses: the hidden message of {ref}`chapter 2 <hidden-message>`. Attention leaves it less room, but forbids it nowhere.

# %% [markdown]
# **What does the cycle charge, and where?** There and back, how far is a pixel from where it was? Its map says how much of it was painted:


# %%
def charge(side, other, way):
    """Mean error there and back, over pixels in ten steps of the map's value."""
    back = run.in_parts(
        partial(model.translate, direction=way), own[f"fake_{other}"]
    )
    error = (back - test[side]).abs().mean(1)
    step = own[f"map_{side}"][:, 0].mul(10).long().clamp(max=9)
    errors = {10 * low: error[step == low] for low in range(10)}
    return {low: float(part.mean()) for low, part in errors.items() if len(part)}


run.record("method", {
    f"back_{side}_{low}": error
    for side, other, way in (("a", "b", "BtoA"), ("b", "a", "AtoB"))
    for low, error in charge(side, other, way).items()
})  # fmt: skip

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Mean error of the way back against the map's value, in ten steps, for horses and zebras; one dot for each seed."}}
swept = results.sweep("aggan")
CHARGED = {
    f"a {name}, there and back": {
        low / 100: results.by_arm(swept, f"back_{side}_{low}").get("full", [])
        for low in range(0, 100, 10)
    }
    for side, name in (("a", "horse"), ("b", "zebra"))
}
plots.spread(
    CHARGED, x="value of the map (start of the step)", y="error of the way back"
)

# %% [markdown]
# Kept pixels come back as they were. Where is the error largest, in the middle or at 1? That is where the cycle pushes the map away from. (Each dot is a run of the chapter as it stands, with another seed.)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: what is kept of this run"}
for side, other in ("ab", "ba"):  # input, translation, map, right answer
    where = (2 * own[f"map_{side}"] - 1).expand(-1, 3, -1, -1)
    rows = [test[side], own[f"fake_{other}"], where]
    rows += [test[f"right_{other}"]] if known else []
    line = Image.fromarray(strip([row[:5] for row in rows]))
    line.save(run.figure(f"strip_{side}.png"))
    if compare and side == "a":  # the chapter's first picture
        rows.insert(1, outputs["CycleGAN"]["fake_b"])
        opening = Image.fromarray(strip([row[:5] for row in rows]))
        size = (3 * opening.width, 3 * opening.height)
        large = opening.resize(size, Image.Resampling.NEAREST)
        large.save(run.figure("opening.webp"), lossless=True)

# %% [markdown]
# ### The thought experiment, with D's verdict
#
# Here are the four hand-made compositions again, and the trained $D_T$ answers. Leaf through them:


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: D's verdict on four maps"}
def verdict(images, where):
    """The mean number that the trained d_b gives pictures with their maps."""
    images, where = images.to(run.device), where.to(run.device)
    with torch.no_grad():
        return float(model.discriminator("b")(model.attended(images, where)).mean())


if known:
    said = {name: verdict(COMPOSED[name], MAPS[name]) for name in MAPS}
    real = verdict(test["b"], own["map_b"])
    white = [(2 * MAPS[name] - 1).expand(-1, 3, -1, -1)[:4] for name in MAPS]
    frames = [
        strip([test["a"][:4], where, COMPOSED[name][:4]])
        for name, where in zip(MAPS, white, strict=True)
    ]
    labels = [f"painted: {name}; d_b says {said[name]:.2f}" for name in MAPS]
    print(f"real zebras get {real:.2f} (1 is real, 0 made)")
    alt = "Four horses, a map, and the composition by that map, with the number of d_b"
    display(
        scrub(frames, labels, alt, enlarge=3 if recipe.size <= 64 else 1, shown=0)
    )

# %% [markdown]
# Ask two things. Does $D_T$ give the untouched horse the lowest number? And what does it give a brown horse on savannah, the map in the wrong place?
# A discriminator at the end of a game has met few such pictures lately, so do not expect the four numbers in perfect order.
# In a running notebook, shape the map yourself: `value` is the map inside, `grow` lets it reach beyond the animal, or with negative numbers stay within.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: a map of your own", "image": {"alt": "One horse, a map around it, and the composition; the caption gives the number of d_b."}}
def with_map(grow, value):
    """The composition by a map that is larger or smaller than the animal."""
    side = 2 * abs(grow) + 1
    sign = 1 if grow >= 0 else -1
    where = sign * F.max_pool2d(sign * test["mask_a"], side, 1, abs(grow)) * value
    made = compose(test["a"], test["repainted"], where)
    caption = f"d_b gives such pictures {verdict(made, where):.2f} on average."
    tiles = {
        a_name: test["a"][:1],
        "map": 2 * where[:1] - 1,
        "composition": made[:1],
    }
    return plots.grid(tiles, caption)


if known:
    widgets.live(
        with_map,
        grow=IntSlider(value=2, min=-3, max=12, continuous_update=False),
        value=FloatSlider(value=1, min=0, max=1, step=0.1, continuous_update=False),
    )

# %% [markdown]
# ## Measuring
#
# ### What is asked
#
# - **ground:** where no animal is, nothing should change: the signal-to-noise ratio (PSNR) between input and output, in decibels. Ten decibels more are a tenth of the squared error; equal pictures get 60. (The one pixel around the animal, where both mix, does not count.)
# - **coat:** of the animal's pixels, which share does a judge take for the wanted coat? It is a segmentation network like chapter 2's, trained on these grounds.
# - **change of the animal:** how much it has changed, where 1 is as much as in the right answer.
# - **map:** the overlap (IoU) of the map with the animal, at 0.5 and at the paper's threshold.
# - **KID:** the mean of two distances between crowds of pictures, to the pile that is wanted and to the one it came from, in the features of our judge, times 100.
#
# The overlap need not reach 1, since the dark parts of an animal tell nothing apart.
#
# Beside the numbers stand the best to be had, the right answer, and some naive answers: the input copied (a map of 0), AGGAN's generator without its map (a map of 1), another scene, the mean picture with the mean mask.


# %%
def read(images):
    """The class of every pixel, as the judge sees it."""
    shrunk = F.interpolate(images, judge_size, mode="bilinear", antialias=True)
    parts = shrunk.clamp(-1, 1).split(50)
    return torch.cat([judge(part).argmax(dim=1) for part in parts])


def crowds(images, side, other):
    """KID to the wanted pile and to the pile it came from, averaged, times 100."""
    features = judges.Features(judge)
    return 50 * sum(
        metrics.distribution_distances(others[pile], images, features)["kernel"]
        for pile in (side, other)
    )


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the judge"}
judge, judge_size = None, min(recipe.size, 64)
if drawn:
    truth = safari.ground_truth(judge_size, plants=True)
    judge, report = judges.segmenter(truth, 8 if run.profile == "smoke" else None)
    run.record_judge(report)
    scores = {key: round(value, 3) for key, value in report["held_out"].items()}
    print("on pictures that it has never seen:", scores)


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the share of the coat"}
def upright(images, side):
    """Pictures as they stood before the task `shape`, or the other way round."""
    return images.flip(2) if task == "shape" and side == "b" else images


def coat(images, side):
    """The share of the animal's pixels that the judge reads as the wanted coat."""
    wanted = safari.CLASSES.index({"a": "plain", "b": "stripes"}[side])
    there = F.interpolate(test["mask_a"], judge_size)[:, 0] > 0.5
    return float((read(upright(images, side))[there] == wanted).float().mean())


# %%
def one_way(images, where, side, other):
    """The numbers of translations into one side, and of their maps."""
    before, found = test[other], {"map": float(where.mean())}
    if known:
        inside, right = test[f"mask_{other}"], test[f"right_{side}"]
        outside = 1 - F.max_pool2d(inside, 3, 1, 1)
        found["ground"] = min(metrics.psnr(images, before, outside), 60.0)
        whole = metrics.mean_absolute_error(right, before, inside)
        found["change"] = (
            metrics.mean_absolute_error(images, before, inside) / whole
        )
        found["iou"] = metrics.map_iou(where, inside)
        found["iou_threshold"] = metrics.map_iou(where, inside, recipe.threshold)
    if judge and task != "style":  # it has never seen an evening
        found |= {"coat": coat(images, side), "kid": crowds(images, side, other)}
    return found


# %%
def measure(made):
    """The numbers of some translations both ways, for example `to_b_ground`."""
    numbers = {}
    for side, other in ("ba", "ab"):
        found = one_way(made[f"fake_{side}"], made[f"map_{other}"], side, other)
        numbers |= {f"to_{side}_{key}": value for key, value in found.items()}
    return numbers


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: chance"}
def made_up(image, where):
    """Translations without a network: functions of the target and the other side."""
    return {f"fake_{s}": image(s, o) for s, o in ("ba", "ab")} | {
        f"map_{o}": where(s, o) for s, o in ("ba", "ab")
    }


def map_of(value):
    return lambda side, other: torch.full_like(test[other][:, :1], value)


def same(images, many):
    """The mean of some pictures, as often as there are others."""
    return images.mean(0, keepdim=True).expand_as(many)


unmapped = {
    side: run.in_parts(model.averaged(f"g_{other}{side}"), test[other])
    for side, other in ("ba", "ab")
}
chance = {"input copied, map 0": made_up(lambda s, o: test[o], map_of(0.0))}
chance["generator alone, map 1"] = made_up(lambda s, o: unmapped[s], map_of(1.0))
if known:
    right = made_up(lambda s, o: test[f"right_{s}"], lambda s, o: test[f"mask_{o}"])
    chance = {"right answer": right} | chance
    chance["another scene"] = {key: x.roll(1, 0) for key, x in right.items()}
    chance["mean picture, mean mask"] = made_up(
        lambda s, o: same(test[s], test[o]),
        lambda s, o: same(test[f"mask_{o}"], test[f"mask_{o}"]),
    )
for name, made in chance.items():
    run.record(name, measure(made))
for arm, name in ARMS.items():
    if name in outputs:
        run.record(arm, measure(outputs[name]))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the table of this run"}
TITLES = {
    "ground": "ground (dB) ↑",
    "coat": "coat ↑",
    "change": "change of the animal → 1",
    "iou": "map's IoU at .5 ↑",
    "iou_threshold": "at the threshold ↑",
    "map": "mean of the map",
    "kid": "KID × 100 ↓",
}


def score_table(side, name):
    """One direction's numbers: of chance, and of this run's arms."""
    measured = run.metrics["method"]
    keys = {f"to_{side}_{key}": title for key, title in TITLES.items()}
    keys = {key: title for key, title in keys.items() if key in measured}
    rows = [
        (ARMS.get(arm, arm), *(found.get(key) for key in keys))
        for arm, found in run.metrics.items()
    ]
    return plots.table([f"into a {name}", *keys.values()], rows)


score_table("b", b_name)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
score_table("a", a_name)

# %% [markdown]
# ### How to read the two tables
#
# Read the chance rows first.
# *Input copied* has a perfect ground: **a signal-to-noise ratio rewards doing nothing**, so it means something only beside the coat.
# *Generator alone* shows what AGGAN's painter does where nobody lets it: look at its ground. It has never been punished for anything outside of the map.
# A map of ones already overlaps with the animal as far as the animal fills the picture, and the mean mask does better, because all animals stand near the middle. The map's IoU starts there, not at 0.
#
# **And KID?** The paper's number is, as far as we know, a mean of two distances: to the target pile, since the object should be the target's, and to the source pile, since the ground should be the source's.
# *Another scene* holds the right answers in another order; KID compares sets, so it cannot notice.
# *Input copied* has no distance to the source pile and all of it to the target; the right answer is partly away from both. Compare the means: how much do they differ? And how does the mean picture do, a blur?
# We print this number, and no claim rests on it.
#
# On two axes, *changed enough* against *kept enough*:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two axes", "image": {"alt": "Scatter plot: change of the animal against the ground's signal-to-noise ratio. One mark for AGGAN, CycleGAN, the right answer and each of the naive answers."}}
if known:
    axes = {
        ARMS.get(arm, arm): ([m["to_b_change"]], [m["to_b_ground"]])
        for arm, m in run.metrics.items()
    }
    x = "change of the animal (1: as much as the right answer)"
    display(plots.scatter(axes, x=x, y="ground kept (PSNR, dB; 60: equal)"))

# %% [markdown]
# (a7)=
# ## The attended discriminator
#
# The paper has a second idea, which our runs have left out so far.
#
# As long as $D$ sees whole pictures, it also sees grounds, and their statistics differ between the piles: meadow here, savannah there.
# So the generator gains a little with every blade of grass that it turns to sand, the map grows with it, and in the end, the paper says, it drifts to all ones: CycleGAN.
# The cure is to show $D$ attended pixels only.
# With a threshold $\tau$, and $[\,\cdot\,]$ for 1 if true and 0 if not,
#
# $$
# \begin{split}
# D_T \text{ sees } &[A_T(t) \ge \tau] \odot t &&\text{(real)} \\
# \text{and } &[A_S(s) \ge \tau] \odot s' &&\text{(made)} .
# \end{split}
# $$ (aggan-attended)


# %%
def attended(image, where, threshold=0.1):
    """What an attended D is shown: mid-grey where the map is below the threshold."""
    return image * (where >= threshold)


# %% tags=["nbval-check-output"]
after = deepcopy(untrained)
after.attend()
steps_up = torch.tensor([0.0, 0.05, 0.1, 0.5])
where, tone = steps_up.expand(2, 1, 8, 4), torch.full((2, 3, 8, 4), 0.5)
seen = attended(tone, where, after.recipe.threshold)
print("equals the package's:", torch.equal(seen, after.attended(tone, where)))
shown = (attended(tone, where)[0, 0, 0] != 0).tolist()
print("maps of 0, 0.05, 0.1 and 0.5 are shown:", shown)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: what D would see", "image": {"alt": "Four rows; columns: a real zebra, the same cut out on grey, AGGAN's zebra, the same cut out on grey. The grey is what the map leaves out."}}
plots.grid(
    {
        f"real {b_name}": test["b"][:4],
        "what D sees of it": attended(test["b"], own["map_b"])[:4],
        f"made {b_name}": own["fake_b"][:4],
        "and of that": attended(own["fake_b"], own["map_a"])[:4],
    },
    caption="The switch: D no longer sees the ground.",
)

# %% [markdown]
# Without ground there is nothing to gain from the ground. The gradient of $D$ reaches the pixels that are shown; the comparison with $\tau$ gives the map none. What is *composed* still has the soft map.
#
# (a8)=
# Four details belong to it.
# A map that has not learnt anything yet would hide the wrong things, so the first **30 epochs**, of 100, run with whole pictures: a warm-up.
# The threshold, **0.1**, is there because small values all over the map would otherwise let the ground leak through.
# From the switch on the attention networks are **frozen**, their optimiser takes no more steps; probably so that the map no longer drifts: what would $D$ see if it could shrink to nothing? And the discriminators lose their instance norm, probably because grey areas would distort its statistics.
#
# In this book the switch comes after a *part* of the steps (`switch`), since our short runs have no epochs.
# It can wait for a sign, too (`switch_share`): until the maps reach $\tau$ at no more than this share of the pixels. The sign needs no label.
#
# Does the cure help here? Try it: `switch=0.65` in the first cell. The next section has done so.
#
# (a9)=
# ## What the sweep says
#
# The figures below come from `make sweep CHAPTER=aggan`: this notebook with something changed, one dot for each seed. An empty line has not been run yet.
#
# ### Where does attention give way?
#
# The slider of the first section: which share of each pile lies on its own ground?


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: reading the sweep's results"}
SHARES = {0.5: "50", 0.7: "70", 0.85: "85", 0.95: "95", 1.0: "100"}


def over_shares(measure, names):
    """Every seed's value at every share: name for readers -> share -> values."""
    values = results.by_arm(swept, measure)
    arms = {"meadow_85": "full", "cyclegan_85": "cyclegan"}
    return {
        name: {
            share: values.get(arms.get(f"{arm}_{label}", f"{arm}_{label}"), [])
            for share, label in SHARES.items()
        }
        for arm, name in names.items()
    }


def dots(arms, measures):
    """Every seed of some variants."""
    return plots.dots(results.panels(swept, arms, measures))


FIVE = "Top to bottom: five inputs, their translations, the maps, right answers"
KEPT = {"to_b_coat": "coat (share)", "to_b_ground": "ground (dB)"}
KEPT |= {"to_b_iou": "map's IoU", "to_b_map": "mean of the map"}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Ground kept in decibels against the share of meadow, for AGGAN and CycleGAN. One dot for each seed."}}
plots.spread(
    over_shares("to_b_ground", {"meadow": "AGGAN", "cyclegan": "CycleGAN"}),
    x="share of each pile on its own ground",
    y="ground kept (PSNR, dB)",
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Overlap of AGGAN's map with the animal against the share of meadow, one dot for each seed."}}
plots.spread(
    over_shares("to_b_iou", {"meadow": "AGGAN"}),
    x="share of each pile on its own ground",
    y="overlap of map and animal (IoU at .5)",
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
pictured = [f"share {share:g}" for share in SHARES if share != 0.7]
leaf("aggan_meadow", pictured, FIVE, enlarge=3)

# %% [markdown]
# At 1 no zebra stands on a meadow, ever. Then the ground tells the domains apart as surely as the coat, on about twice as many pixels, and nothing holds the map to the animal.
# What it takes instead is not even settled: leaf through the seeds.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
seeds = [f"seed {seed}, to {to}" for seed in range(3) for to in (b_name, a_name)]
leaf("aggan_limit", seeds, "Share 1. " + FIVE, enlarge=3)

# %% [markdown]
# If the ground is taken along, is this a failure? By the argument of the idea it is the right answer: *attend what tells the domains apart*.
# The method cannot know that you meant the animal. Only the exceptions in your piles say so; the curve shows how many of them it takes.
# So before you train, ask of your own two folders: what, besides the object, is different in *every* picture?
#
# ### The switch

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of four variants: no switch, switch early, switch late, switch late without freezing; coat, ground and overlap of the map."}}
SWITCH = {
    "full": "no switch",
    "switch_early": "switch early",
    "switch_late": "switch late",
    "no_freeze": "late, not frozen",
}
dots(SWITCH, KEPT)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("aggan_switch", SWITCH.values(), FIVE, enlarge=3)

# %% [markdown]
# Read this as an experiment. Does the map need a rescue here? The exceptions on the other ground may do for $D$ what the switch is meant to do.
# A switch freezes the map of that moment, with its faults, so we expect an early one to cost more than a late one.
#
# Then look at the last variant, whose map may go on moving. We had expected it to grow; it **shrinks**, to a small window with a few stripes in it.
# Think of what pulls. $D$ judges what the map shows, so a map that shows less gives less away; the cycle likes a smaller map anyway; and the comparison with $\tau$ has no slope by which anything could call the map back.
# This is what the freeze is for.
#
# On photographs, where grounds differ in a thousand ways, it may well be what saves the map. We have not measured that.
#
# ### How fast may attention learn?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of a slow, the usual and a fast attention rate, and of CycleGAN: coat, ground and overlap of the map."}}
RATES = {
    "rate_low": "a quarter of the rate",
    "full": "this book's rate",
    "rate_high": "five times the rate",
    "cyclegan": "CycleGAN",
}
dots(RATES, KEPT)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the map over the steps", "image": {"alt": "Mean of the map over the steps for a slow, the usual and a fast attention rate, one dot for each seed."}}
STEPS = sorted(
    int(key.removeprefix("map_at_"))
    for key in {key for row in swept for key in row["metrics"]["method"]}
    if key.startswith("map_at_")
)
plots.spread(
    {
        name: {
            step: results.by_arm(swept, f"map_at_{step}").get(arm, [])
            for step in STEPS
        }
        for arm, name in RATES.items()
        if arm != "cyclegan"
    },
    x="step",
    y="mean of the map of a",
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
rates = [name for arm, name in RATES.items() if arm != "cyclegan"]
leaf("aggan_rates", rates, FIVE, enlarge=3)

# %% [markdown]
# It is a race. The map is pushed down by the cycle from the first step on, because nobody can paint yet; it is pulled up by $D$ only when the painter has something to offer.
# If the map learns too fast, it may close before the painter can paint, and a closed map lets no gradient through to the painter: the identity is a trap. If it learns too slowly, it is still a blur when the run ends.
#
# ### The paper's table
#
# KID × 100, lower is better. **We could not verify the paper's numbers**: they come from notes, not from the paper itself, so trust their order more than their digits. Ours stand in the last two columns. The paper's features, pictures and sizes are others, and see above for what the number is worth.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
pairs = "apple-orange orange-apple zebra-horse horse-zebra lion-tiger tiger-lion"
columns = [pair.replace("-", " to ") for pair in pairs.split()]
PAPER = {
    "DiscoGAN": "18.34 21.56 16.60 13.68 16.10 19.97",
    "RA": "12.75 13.84 10.97 10.16 9.98 12.68",
    "DualGAN": "13.04 12.42 12.86 10.38 10.18 10.44",
    "UNIT": "11.68 11.76 13.63 11.22 11.00 10.23",
    "CycleGAN": "8.48 9.82 11.44 10.25 10.15 10.97",
    "AGGAN": "6.44 5.32 8.87 6.93 8.56 9.17",
}
found = {name: run.metrics.get(arm, {}) for arm, name in ARMS.items()}
mine = {
    name: [found.get(name, {}).get(f"to_{side}_kid") for side in "ba"]
    for name in PAPER
}
plots.table(
    ["", *columns, f"ours, to {b_name}", f"to {a_name}"],
    [(name, *text.split(), *mine[name]) for name, text in PAPER.items()],
)

# %% [markdown]
# RA stands for residual attention; DiscoGAN, DualGAN and UNIT translate whole pictures, as CycleGAN does.
#
# ### Photographs
#
# `source="weizmann_horse"` takes real photographs of horses whose masks are known (read from `$I2I_DATA/weizmann_horse`). Half of them are striped inside their masks by a small renderer, the other half stay as they are. Here the grounds do *not* differ between the piles.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of AGGAN and CycleGAN on photographs of horses: ground, change of the animal, overlap of the map with the real masks."}}
PHOTOS = {"photos": "AGGAN", "photos_cyclegan": "CycleGAN"}
seen_there = {"to_b_ground": "ground (dB)", "to_b_change": "change of the animal"}
dots(PHOTOS, seen_there | {"to_b_iou": "map's IoU"})

# %% [markdown]
# The photographs may not be shown here; the numbers may. The line of CycleGAN's map is that of a map of ones.
# A dot at 60 decibels beside a change of 0 is a map that has closed: nothing was painted, so nothing was spoilt.
#
# And fruit in shops, without any mask: `source="apple2orange_grocery"`, as in chapter 2 {cite:p}`klasson2019`.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf(
    "aggan_fruit",
    ["apples, as oranges, and the map", "oranges, as apples, and the map"],
    "Top to bottom: five photographs, AGGAN's translations, and its maps",
    enlarge=3,
)

# %% [markdown]
# Such a picture can only be looked at. Does the map end where the fruit ends, or does it take the crate along? (Photographs © 2019 Marcus Klasson, MIT licence, shrunk.)
#
# ## The claims
#
# Every claim and its margin was written into `book/claims.toml` before the runs that judge it.
# First this run, beside your predictions; then all claims over the seeds.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
run.claims_table(predictions)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*results.claims_table("06_aggan"))

# %% [markdown]
# (a10)=
# ## Break it
#
# The paper names three limits, and each follows from the composition or from the argument of the four maps. The parameter `task` sets each of them up.
#
# - **Shape** (`task="shape"`): the pictures of pile b are upside down, ground and all. A new outline would have to grow where the old animal is not.
# - **Style** (`task="style"`): both piles hold brown horses on the same mixture of grounds, and pile b was photographed in the evening. What tells them apart is everywhere. Where should the map go?
# - **Alike** (`task="alike"`): four of five pictures in pile b show a brown horse as well, on the same mixture of grounds. What tells the piles apart is rare.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the piles of the tasks", "image": {"alt": "Four columns of five pictures. Pile a: brown horses on meadow and savannah. Style: brown horses in evening light. Shape: zebras upside down, the sky below. Alike: brown horses, with one zebra among them."}}
if drawn:
    tiles = {}
    for name in ("style", "shape", "alike"):
        stream = world(recipe, name)
        batches = [next(stream) for _ in range(5)]
        tiles.setdefault("pile a", torch.cat([batch["a"][:1] for batch in batches]))
        tiles[f"{name}: pile b"] = torch.cat([batch["b"][:1] for batch in batches])
    display(plots.grid(tiles, caption="What tells each of the three from pile a?"))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
TASKS = {"full": "coat", "shape": "shape", "style": "style", "alike": "alike"}
leaf("aggan_tasks", TASKS.values(), FIVE, enlarge=3)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Dot plots of the four tasks: mean of the map, overlap of the map with the animal, and coat."}}
dots(TASKS, {"to_b_map": "mean of the map", "to_b_iou": "IoU", "to_b_coat": "coat"})

# %% [markdown]
# The paper expects the map to go to 1 for a style, and then AGGAN *is* CycleGAN: attention costs nothing there, and gives nothing.
# It need not get there. Half of an exaggerated evening is an evening, too, so a map that stays grey everywhere does as well: it has told nothing apart, since there is nothing to be told.
# With a shape nearly everything tells the piles apart; with piles that are nearly alike $D$ has little to say, and the cycle, which likes a map of 0, has the last word.
# (A judge of coats cannot read an evening, so that line is empty.)
#
# :::{admonition} Misconception: "an attention map is a segmentation"
# :class: warning
# It is a map of what tells two piles apart. In the figure of the slider the same networks with the same losses mark the animal alone at one share of meadow and the ground with it at another; and hooves, which are dark in both coats, are animal and yet no reason to mark anything.
# Change one pile, and the "object" changes.
# :::
#
# :::{admonition} Misconception: "the ground is kept perfectly, so the method works"
# :class: warning
# Copying the input keeps it more perfectly still: see the first rows of the tables. Always ask for both axes.
# :::
#
# :::{admonition} Misconception: "the map was taught by masks"
# :class: warning
# Search the losses above for a mask. There is none; the masks of this chapter are in `test`, which no training touches.
# :::
#
# :::{admonition} Responsible use
# :class: important
# A method that changes one object and leaves every other pixel as good as untouched makes forgeries that are hard to see: nothing around the change looks made.
# And it paints *what distinguishes a pile*, whether or not that is there: with healthy and ill patients as piles it can add a lesion to a sound scan, in an otherwise genuine picture.
# Mark such pictures, keep the map beside them, and never use one as evidence.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: ex-aggan-by-hand
# A picture has two values, $s = (1, -1)$; the generator paints $(-1, 1)$, the map is $(1, 0.5)$. Give $s'$. The way back has a map of $(1, 0)$ and paints $(0.5, 0.5)$. Give $s''$ and the cycle loss with $\lambda_{cyc} = 10$. Which value pays?
# ```
#
# ```{solution} ex-aggan-by-hand
# :class: dropdown
# $s' = (-1,\ 0.5 \cdot 1 + 0.5 \cdot (-1)) = (-1, 0)$. $s'' = (0.5, 0)$. The errors are $0.5$ and $1$, their mean is $0.75$, so the loss is $7.5$. Both pay; the second because the way back kept the mixture instead of repainting it. With a map of 0 there it would have cost nothing.
# ```
#
# ```{exercise}
# :label: ex-aggan-closed
# Both maps are 0 everywhere. Which gradients do the generators and the attention networks get from the cycle, and which from $D$? Why is this state hard to leave?
# ```
#
# ```{solution} ex-aggan-closed
# :class: dropdown
# The cycle's error is 0 at every pixel, and PyTorch's slope of $|x|$ at 0 is 0: nothing. A generator's output is multiplied by 0: nothing. An attention network gets $D$'s gradient times *painted minus kept*, but also times the slope of its sigmoid, $s_a (1 - s_a)$, which is next to 0. So nobody moves: a map that closes before the painter can paint stays closed.
# ```
#
# ```{exercise}
# :label: ex-aggan-bug
# A colleague's way back is `compose(fake_b, g_ba(fake_b), map_a)`: the map of the way there, once more. No error is raised. What has `attention_b` lost, and what would you see?
# ```
#
# ```{solution} ex-aggan-bug
# :class: dropdown
# `attention_b` no longer learns from the cycle of a (it still does from what $D$ says of fake a, and from the cycle of b), and nothing asks the two maps to agree: what one network painted, the other need not find. You might see maps that fit worse, above all those of zebras. To try it, override `forward` in a child of `AGGAN`.
# ```
#
# ```{exercise}
# :label: ex-aggan-threshold
# A map is 0.95 on the animal, 0.3 in a rim around it and 0.05 elsewhere. Animal, rim and the rest are 20, 10 and 70 % of the picture. Give its IoU with the animal at 0.5 and at 0.1. Which pixels does an attended $D$ see?
# ```
#
# ```{solution} ex-aggan-threshold
# :class: dropdown
# At 0.5 the map is the animal: 1. At 0.1 it is animal and rim: $20 / 30 = 0.67$. $D$ sees animal and rim.
# ```
#
# ```{exercise}
# :label: ex-aggan-slider
# Predict the map for `meadow=0.5` and for `meadow=0.15`, where *horses* mostly stand on savannah. Then run one of them: `make run CHAPTER=aggan SET="meadow=0.15 compare=false"`.
# ```
#
# ```{solution} ex-aggan-slider
# :class: dropdown
# At 0.5 the ground tells nothing apart, so the map has even less reason to leave the animal. At 0.15 the grounds are exchanged; the piles differ as much as at 0.85, so in training the map should behave alike. But the test set has horses on meadow, which are the exceptions now.
# ```
#
# ```{exercise}
# :label: ex-aggan-plant
# **Project: plant a feature where you want it.** Whoever knows what makes $D$ tell two domains apart can write it into a region of their choice. Take the trained painter and a map that you have cut yourself: stripes on the horse's hind half only. Where does it look wrong, and would $D$ notice? Then think of two piles of your own (scans with and without a device, leaves with and without a spot) and say what the exceptions in each pile must be.
# ```
#
# ```{solution} ex-aggan-plant
# :class: dropdown
# No fixed answer. A beginning: `mine = own["map_a"].clone(); mine[..., recipe.size // 2 :] = 0` keeps the left half, which is the hind half of a horse that looks right; choose one. Then `made = compose(test["a"], unmapped["b"], mine)`, `plots.grid({"horse": test["a"][:4], "half": made[:4]})` and `verdict(made, mine)`. The painter has seen the whole picture and paints all of it, so the seam is sharp and the halves do not know of each other. To be of use, the region must enter the training: subclass `AGGAN`, and multiply the maps by yours in its `forward`.
# ```
#
# The last cell checks the composition. Break `compose` above (exchange map and inverse, forget what is kept), run its cell again and then this one.

# %%
checks.check_composition(compose)

# %% [markdown]
# ## At paper scale
#
# The networks of the paper on its data: 11,452,938 weights in six networks, batch 1, Adam with 1e-4, 100 epochs, the rate falling over the last 50, a pool of 50 translations *with their maps*, the switch after 30 epochs.
#
# ```bash
# make run CHAPTER=aggan PROFILE=paper SOURCE=horse2zebra
# ```

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*profiles(RECIPES))

# %% [markdown]
# Where paper and official code differ, we follow the code: least squares instead of logarithms, and an attended $D$ is shown the composed picture, where a formula of the paper has the bare painting. The code goes through both piles in a fixed order and crops both pictures of a step alike; ours are drawn independently.
# Steps and epochs are those of horses and zebras, 1,334 pictures; `apple2orange` has 1,019, so its epochs are counted too long.
# The code's authors advise to train several times, since results depend on the initial weights, and users report more than 20 GB of main memory.
# Without a GPU the profile asks for `allow_slow=True`; with `steps=1` it shows that one true step fits your machine.
# What we have not done is run it to the end, so this chapter shows no result at that size.
#
# **Two methods, one nickname.** *AttentionGAN* by Tang and others {cite:p}`tang2019` was first called AGGAN as well. There the *generator* itself puts out the map, beside the picture; there is no attention network apart from it. If an implementation called AGGAN looks strange to you, look at its authors first.
#
# ## Close
#
# **In three sentences.** AGGAN composes every translation from painted and kept pixels, by a map that an attention network draws without supervision.
# The discriminators force the map onto what tells the domains apart, and the cycle keeps it from covering more.
# What tells the domains apart is decided by your piles, not by you.
#
# :::{admonition} Quiz
# :class: tip dropdown
# 1. What does the generator see, the attended pixels or the picture? *The whole picture; the map only decides what is used of its output.*
# 2. Whose map does the way back use? *That of the other domain's attention network, on the translated picture.*
# 3. All zebras stand on savannah, all horses on meadow. Where does the map go? *To the animals and to the ground: both tell the domains apart.*
# 4. After the switch, which networks still learn? *Generators and discriminators; the attention networks are frozen.*
# 5. (Chapter 2) The cycle loss is 0. Is the translation right? *Unknown. Here it may even mean that nothing was translated: map 0.*
# 6. (Chapter 5) PixelDA had masks of the foreground. What did it use them for, and what does AGGAN do without any? *For its content similarity, which holds the object and frees the ground. AGGAN has to find the object; it repaints that and keeps the ground.*
# :::
#
# **What is left open.** Somebody still has to sort the pictures into two piles, and everything in this chapter hung on how that was done.
# TUNIT {cite:p}`baek2021` asks what can be done with one heap and no labels at all.
#
# :::{admonition} 한국어 요약
# :class: note dropdown
# AGGAN은 CycleGAN에 도메인마다 주의 네트워크를 하나씩 더해, 물체만 바꾸고 배경은 그대로 둔다. 마스크 같은 감독은 없다.
# 주의 지도(attention map)는 화소마다 0과 1 사이의 값이고, 1이면 생성자의 화소를, 0이면 입력의 화소를 쓴다. 이것이 합성(composition)이다.
# 돌아오는 길에는 변환된 영상에 대해 다른 도메인의 주의 네트워크가 새 지도를 만든다.
# 지도가 0이면 판별자가 바로 알아채고, 1이면 CycleGAN과 같으며, 틀린 곳에 있으면 원래 물체가 남는다.
# 그래서 지도는 두 도메인을 구별하는 것에 머문다. 순환 일관성은 지도를 0과 1로 몰아간다.
# 손실은 CycleGAN과 같고, 지도에 대한 손실은 없다.
# 말은 늘 초원에, 얼룩말은 늘 사바나에 있으면 배경도 도메인을 구별하므로 지도는 배경까지 덮는다. 예외가 조금만 있어도 달라진다.
# 논문은 30 에포크 뒤에 판별자가 주의 영역만 보게 하고(attended discriminator) 주의 네트워크를 고정한다. 이 책에서는 그 전환(switch)을 실험으로 다룬다.
# 모양이 바뀌는 과제나 전체 화풍을 바꾸는 과제에는 맞지 않는다.
# 배경 보존만 재면 아무것도 하지 않는 방법이 이긴다. 두 축을 함께 보아야 한다.
# :::
#
# **Further reading.** The paper {cite:p}`mejjati2018`; its parent {cite:p}`zhu2017`; KID {cite:p}`binkowski2018`; the other method of that name {cite:p}`tang2019`.

# %%
path = run.close()
print("results:", path)
