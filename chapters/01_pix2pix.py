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
# # pix2pix: one recipe for pairs of images
#
# *Image-to-Image Translation with Conditional Adversarial Networks*, by Phillip Isola, Jun-Yan Zhu, Tinghui Zhou and Alexei A. Efros, CVPR 2017 {cite:p}`isola2017`.
#
# ## What you will see
#
# A network is shown a flat, coloured plan of a house front and paints a photograph of it.
# Another network, trained to catch it cheating, is the reason why the photograph is not a blur.
# You will build both, watch them play, and measure who was right.
#
# ```{figure} ../book/results/pix2pix_opening.webp
# :alt: Three houses in rows. From left to right: a coloured plan; what a network paints that was trained with L1 alone, soft and without texture; what the same network paints after training against a discriminator as well, with bricks, window bars and crisp edges; and a real photograph of the same plan.
# The same generator, the same training pictures, the same number of steps. The second and the third column differ by one thing: a second network that says what is wrong. (The photographs of this chapter are drawn by a program, so that we know the truth about each. Which colour a wall has, no plan tells: paint and brick are the network's guess.)
# ```
#
# **Core route, 45 minutes:** leave out "Break it" and the exercises. **Deep route, 2 hours:** everything.
# The trainings take minutes on a laptop; the paper's own recipe wants a GPU (see "At paper scale").
#
# After this chapter you can
#
# 1. predict what a network trained with L1 (the mean absolute error) alone answers if several answers are right;
# 2. write the losses of a conditional GAN, and say who minimises which;
# 3. explain what "a 70 × 70 PatchGAN" is, and what it is not;
# 4. take one training step by hand, and name the mistake in one that someone else took;
# 5. read an FCN-score, the paper's measure, and say when it misleads.
#
# **You need** to know what a convolution and a gradient step are.
# The boxes on {ref}`GANs <b1>`, {ref}`conditional GANs <b2>`, {ref}`U-Nets <b3>`, {ref}`segmentation <b4>` and {ref}`distances between sets of images <b16>` are short.
#
# :::{admonition} Two minutes before you start
# :class: tip dropdown
# 1. Ten people guess the price of a house. What single number is closest to all guesses if you sum squared errors? And if you sum absolute errors?
# 2. A classifier answers 0.5 to everything. What is its cross entropy?
# 3. A 4 × 4 convolution with stride 2 is followed by another one. How many input pixels does one output see along a row?
# 4. Why is a photograph with its brightness turned up "far away" in pixels, but near to the eye?
#
# *Answers: the mean, the median; $\ln 2$; 10 (one output sees 4 values of the layer below, which together see $3 \cdot 2 + 4 = 10$ pixels); every pixel changes a little, and nothing by which you recognise the scene does.*
# :::
#
# The next three cells set the run up. At first reading, skip them.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Show the parameters: everything that you may change"}
# fmt: off
profile: str = None  # the size of everything; None: $I2I_PROFILE, or else "fast" {"smoke", "fast", "paper"}
seed: int = 0  # of weights, data and noise [0, 2147483647]
source: str = "procedural"  # drawn houses, or the paper's real ones {"procedural", "cmp"}
steps: int = None  # training steps [1, 10000000]
device: str = None  # where to compute; None: on a GPU if there is one {"cpu", "cuda"}
out: str = None  # folder of the results; None: one under runs/, named by the parameters
resume: bool = False  # continue an interrupted run
allow_slow: bool = False  # really run the paper's profile on a CPU
task: str = "labels_to_photo"  # what is translated into what {"labels_to_photo", "photo_to_labels", "edges_to_photo", "grey_to_colour", "day_to_night"}
variety: float = None  # how many right photographs a drawn plan has; None: 0.3, real ones have their own [0, 1]
compare: bool = True  # train the baseline (no discriminator) beside the method
adversary: str = None  # the discriminator sees input and output, the output alone, or there is none {"conditional", "unconditional", "none"}
pixel_loss: str = None  # what holds the output near the target {"l1", "l2"}
lambda_pixel: float = None  # weight of the pixel loss; 0 leaves the GAN alone [0, 1000000]
skips: bool = None  # U-Net (True), or the encoder-decoder of Table 2 (False)
patch_layers: int = None  # of the discriminator: patches of 1, 16, 34, 70, 142, 286 pixels [0, 5]
dropout_layers: int = None  # decoder layers with dropout [0, 12]
noise: bool = None  # one channel of Gaussian noise beside the input
average: float = None  # decay of the averaged generators, which translate; 0: the last weights do [0, 0.999999]
# fmt: on

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the imports"}
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import display
from ipywidgets import Dropdown, IntSlider
from PIL import Image

from i2i_tutor import chapter, checks, inline, losses, plots, widgets
from i2i_tutor.data import facades
from i2i_tutor.data.streams import to_tensor, to_uint8
from i2i_tutor.files import book_file
from i2i_tutor.film import Film, leaf, read_frames, scrub, strip
from i2i_tutor.measuring import judges, metrics, results
from i2i_tutor.methods.base import profiles
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.nn import PatchGAN, PixelGAN, ResNetGenerator, UNet, count_parameters
from i2i_tutor.parameters import Range
from i2i_tutor.training import make_optimisers, play


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the opening of the run: it checks the parameters"}
class Own:
    """The parameters of this chapter alone. The recipe's are in its last section."""

    source: Annotated[facades.Source, "drawn houses, or the paper's real ones"] = (
        "procedural"
    )
    task: Annotated[facades.Task, "what is translated into what"] = (
        "labels_to_photo"
    )
    variety: Annotated[
        float | None,
        Range(0, 1),
        "how many right photographs a drawn plan has; None: 0.3, real ones have their own",
    ] = None
    compare: Annotated[
        bool, "train the baseline (no discriminator) beside the method"
    ] = True


run = chapter.open_run(
    globals(), "01_pix2pix", RECIPES, Own,
    numbers=(
        "adversary", "pixel_loss", "lambda_pixel", "skips", "patch_layers",
        "dropout_layers", "noise", "average",
    ),
    slow="54 million weights, 80,000 steps: a night, or days on an older processor",
)  # fmt: skip
recipe, drawn = run.recipe, run.source == "procedural"
world = partial(facades.evaluation, run.source, task=task, variety=variety)

# %% [markdown]
# (p2)=
# ## The problem
#
# We have pairs $(x, y)$ of an input image $x$ and a target image $y$, and want a {term}`generator` $G$ that turns a new $x$ into a good $y$.
# Colouring grey pictures, painting photographs from sketches, reading a map from an aerial view: each was a field of its own, with its own loss.
# pix2pix uses one recipe for all.
#
# Our pairs are house fronts: a plan (a label map with twelve classes: window, door, balcony, ...) and a photograph.
# The paper used 400 real ones {cite:p}`tylecek2013`; with `source="cmp"` you do too.
# By default a program draws the houses, because then the *truth is known*: we can photograph one house again and again, and decide how much its photographs differ.
#
# How much is a number, the **variety** of the world.
# At 0 every plan has exactly one photograph; at 1 materials, colours, light and weather are free, so a plan has endlessly many.
# Below is one plan, photographed three times at each of three varieties.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: one plan, photographed nine times", "image": {"alt": "One plan in three rows, with photographs of it at three varieties. At variety 0 the three photographs are the same; at 0.5 they differ in wall, sky and light but look like one city; at 1 material and colours differ completely. Windows and doors never move."}}
shots = {"plan": to_tensor(facades.colourise(facades.draw([3, 3, 3], 96)[0]))}
for level in (0.0, 0.5, 1.0):
    photos = [
        to_tensor(facades.draw([3], 96, photo=number, variety=level)[1])
        for number in range(3)
    ]
    shots[f"variety {level:g}"] = torch.cat(photos)
plots.grid(
    shots,
    caption="One plan, three photographs a column: windows stay, looks change.",
)

# %% [markdown]
# So "the" right answer does not exist, unless variety is 0: the plan says *window*, not *green frame in evening light*.
# That is the whole difficulty, with real pictures too.
#
# :::{admonition} The world decides how hard the problem is
# :class: note
# A drawn world can be made to flatter any method.
# At variety 1 the mean of many photographs of a plan is grey and flat, which stacks the deck *against* a network that answers with a middle; at variety 0 nothing is left to guess, which stacks it the other way.
# We run at 0.3, a city whose walls come in a handful of colours, and also measure {ref}`four varieties <variety>` from 0 to 1, and {ref}`real façades <real-facades>`, whose variety nobody chose.
# :::
#
# (p1)=
# (p4)=
# ## The idea
#
# **Why not simply train $G$ to be close to $y$?** Because "close" has to be written down, and what is easy to write is wrong.
# Take one pixel that is bright in 70 of 100 photographs of a plan (value 1) and dark in 30 (value −1).
# A network sees only the plan, so it must give one answer to all hundred.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two curves", "image": {"alt": "Two curves over the answer from -1 to 1. The mean squared error is lowest at 0.4, the mean of the two right answers, a grey that never occurs. The mean absolute error is lowest at 1, the median."}}
answer = torch.linspace(-1, 1, 201)
bright, dark = 0.7, 0.3
absolute = bright * (answer - 1).abs() + dark * (answer + 1).abs()
squared = bright * (answer - 1) ** 2 + dark * (answer + 1) ** 2
best = {"L1": answer[absolute.argmin()], "L2": answer[squared.argmin()]}
print(f"best under L1: {best['L1']:.2f}, under L2: {best['L2']:.2f}")
curves = {"L1, mean |error|": absolute, "L2, mean squared error": squared}
plots.lines(
    {name: (answer, loss) for name, loss in curves.items()},
    x="answer of the network (-1 black, 1 white)",
    y="loss",
)

# %% [markdown]
# L2 answers with the **mean**, a grey that no photograph has.
# L1 answers with the **median**, which in this toy does occur.
# But a mortar line that crosses a pixel in three photographs of ten is voted away in *every* pixel, so the wall turns flat; and among many wall colours the median of each channel is a middling tone that may belong to no house.
# Both losses look at one pixel at a time, so neither can know that a picture is blurred.
#
# (p3)=
# **pix2pix lets a second network say what is wrong.** This {term}`discriminator` $D$ sees the input and an image *beside it*, and learns to tell real pairs $(x, y)$ from made ones $(x, G(x))$: $D(x, y)$ is its probability for "real".
# $G$ learns to make pairs that $D$ takes for real, and an L1 term keeps it near the target.
# With noise $z$, of which more below, this is a {term}`conditional GAN` (cGAN):
#
# $$
# \begin{split}
# \mathcal L_{cGAN} &= \mathbb E_{x,y}[\log D(x, y)] \\
# &+ \mathbb E_{x,z}[\log(1 - D(x, G(x, z)))] ,
# \end{split}
# $$
#
# $$
# \begin{split}
# G^* = \arg &\min_G \max_D \mathcal L_{cGAN} \\
# &+ \lambda\, \mathbb E \lVert y - G(x, z) \rVert_1 .
# \end{split}
# $$
#
# In words: $D$ maximises how well it tells real from made; $G$ minimises that, plus $\lambda$ times its distance to the target.
# A blur is easy for $D$ to spot, so blurring no longer pays.
# And nobody wrote this loss: it is learnt from the data.
#

# %% tags=["remove-input"]
inline.diagram(
    {
        "noise z": (1, 0), "plan x": (0, 1), "generator G": (1, 1), "G(x, z)": (1, 2),
        "photograph y": (2.1, 2), "discriminator D": (1, 3), "real or made?": (1, 4),
    },
    [
        ("noise z", "generator G", ""), ("plan x", "generator G", ""),
        ("generator G", "G(x, z)", ""), ("G(x, z)", "photograph y", "-- L1"),
        ("G(x, z)", "discriminator D", ""), ("plan x", "discriminator D", ""),
        ("photograph y", "discriminator D", ""), ("discriminator D", "real or made?", ""),
    ],
    "The generator G makes a picture of plan and noise, which L1 compares with the photograph. "
    "The discriminator D sees the plan beside one of the two, and says whether it is real or made.",
    plain=["noise z", "plan x", "G(x, z)", "photograph y", "real or made?"],
)  # fmt: skip

# %% [markdown]
# Why *conditional*? A $D$ that sees only the image is content with any good photograph, even of another house.
# We test this *unconditional* one, too.
#
# (p5)=
# **Why noise?** Without $z$ one plan has exactly one answer, although many are right. With it, $G$ could paint the house in other colours and another light each time.
# The paper found, though, that $G$ ignores a $z$ among its inputs. Nothing asks two translations of one plan to differ: $D$ judges one picture at a time.
# pix2pix keeps noise only as *dropout* (activations set to zero at random) in the decoder, at training **and** at test time.
#
# ## Predict, then measure
#
# Write down what you expect before you train; a table at the end puts it beside the paper's numbers and this run's.
# (*Readable*: another network can tell the plan from the picture.)

# %%
predictions = {
    # does the discriminator make the houses more readable than L1 alone? True or False
    "pix2pix-fcn": None,
    # ... and their distribution closer to real photographs?
    "pix2pix-frechet": None,
    # ... and sharper?
    "pix2pix-sharpness": None,
    # ... and FARTHER from the target in mean absolute error?
    "pix2pix-mae": None,
}

# %% [markdown]
# (p6)=
# ## The networks
#
# **The generator is a U-Net.** An encoder halves the image again and again (in the paper until one vector is left), a decoder doubles it back.
# A window stands at the same place in input and output, so every size has a {term}`skip connection`: the decoder receives the encoder's features of that size beside its own.
# Without skips, in an {term}`encoder-decoder`, every window's place has to squeeze through the narrow middle.
#
# (p8)=
# **The discriminator is a PatchGAN.** It answers not once but with a map of *logits*, one for each overlapping patch: a {term}`logit` $s$ stands for the probability $\sigma(s)$, with the sigmoid $\sigma$.
# $D(x, y)$ in the formula is thus a map of probabilities, and $D$'s loss the mean of the losses of all patches.
# It looks at texture: whether this piece of wall, with this plan under it, could come from a photograph.
# Because it sees patches only, it has few weights, is fast, and takes images of any size.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: counting weights"}
with torch.device("meta"):
    ours, none = Pix2Pix(recipe), torch.nn.Identity()
rows = []
for name, make, paper in [
    ("U-Net, 256 px", lambda: UNet(depth=8), "54,413,955"),
    ("U-Net, 128 px", lambda: UNet(depth=7), "41,828,995"),
    ("encoder-decoder, 256 px", lambda: UNet(depth=8, skips=False), "39,075,459"),
    ("PatchGAN 70 × 70, conditional", lambda: PatchGAN(6, layers=3), "2,768,705"),
    ("PixelGAN 1 × 1, conditional", lambda: PixelGAN(6), "9,024"),
    (
        "ResNet, 9 blocks (chapter 2)",
        lambda: ResNetGenerator(blocks=9),
        "11,378,179",
    ),
    ("this run's generator", lambda: ours.generator, None),
    (
        "this run's discriminator",
        lambda: getattr(ours, "discriminator", none),
        None,
    ),
]:
    with torch.device("meta"):  # shapes without memory
        rows.append((name, f"{count_parameters(make()):,}", paper))
expected = "weights expected (official code; encoder-decoder: counted by hand)"
plots.table(["network", "weights here", expected], rows)

# %% [markdown]
# The shapes at this run's size:

# %% tags=["nbval-check-output"]
torch.manual_seed(run.seed)
# for the step by hand below
paper_like = replace(
    RECIPES[run.profile], learning_rate=2e-4, lambda_pixel=100.0, average=0.0
)
untrained = Pix2Pix(paper_like).to(run.device)


def training(numbers=recipe):
    """This run's stream of training pairs."""
    own = {"task": task, "variety": variety, "load_size": numbers.load_size}
    return facades.train(run.source, numbers.size, numbers.batch, run.seed, **own)


def on_device(batch):
    """The pictures of a batch where this run computes."""
    return {key: images.to(run.device) for key, images in batch.items()}


batch = on_device(next(training()))
x, y = batch["input"], batch["target"]
fake = untrained.generate(x)
logits = untrained.discriminate(x, fake)
print("x", tuple(x.shape), "-> G(x)", tuple(fake.shape), end=" ")
print("-> D(x, G(x))", tuple(logits.shape))
print("values of G(x) within [-1, 1]:", bool(fake.abs().max() <= 1))

# %% [markdown]
# How large is a patch? Ask the gradient: which input pixels move one logit?
# (We leave out the normalisation here: its mean and variance are taken over the whole picture, so strictly every pixel touches every logit a little.)


# %% tags=["nbval-check-output"]
def receptive_field(discriminator, channels=3, side=320):
    """Side of the square of input pixels that can change one logit."""
    image = torch.randn(1, channels, side, side, requires_grad=True)
    logits = discriminator(image)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    touched = image.grad.abs().sum(dim=(0, 1)) > 0
    return int(touched.any(dim=0).sum())


for strided in range(1, 5):
    field = receptive_field(PatchGAN(3, base=4, layers=strided, norm="none"))
    print(strided, "strided layers:", field, "pixels")

# %% [markdown]
# :::{admonition} Misconception: "PatchGAN cuts the image into pieces"
# :class: warning
# It never does. It is one convolutional pass over the whole image; the "patches" are the receptive fields of its outputs, and they overlap.
# Two proofs: the same weights take any size from 24 pixels on, and moving through the logits moves a window over the image.
# :::

# %% tags=["nbval-check-output"]
patch_net = PatchGAN(3, base=4, layers=3, norm="none")
for side in (64, 128, 256, 512):
    logits_side = patch_net(torch.zeros(1, 3, side, side)).shape[-1]
    print(f"{side} px -> {logits_side} x {logits_side} logits")

# %% [markdown]
# Before you move the slider: where is the square of the logit in row 5 and column 25?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: which pixels move a logit"}
house = world(128, count=1)["target"]
explorer = PatchGAN(3, base=4, layers=2, norm="none")
frames, captions = [], []
for row, column in [(5, 5), (15, 15), (25, 15)]:
    image = house.clone().requires_grad_(True)
    explorer(image)[0, 0, row, column].backward()
    seen = (image.grad.abs().sum(dim=1, keepdim=True) > 0).float()
    frames.append(to_uint8(house * (0.25 + 0.75 * seen))[0])
    captions.append(f"logit ({row}, {column}) sees the bright square")
scrub(
    frames,
    captions,
    "The part of a house that one logit of the 34-pixel PatchGAN sees",
    enlarge=4,
)

# %% [markdown]
# One logit to the right is four pixels to the right, since this one has two layers of stride 2.
#
# ## The losses, from scratch
#
# $D$ is punished by $-\log\sigma(s)$ on real patches and $-\log(1-\sigma(s))$ on made ones.
# With the *softplus* $\log(1 + e^s)$ both take one line, and no logarithm ever meets a zero.


# %%
def discriminator_loss(real_logits, fake_logits):
    """Both kinds of patch, halved as in the paper."""
    on_real = F.softplus(-real_logits).mean()  # -log sigmoid(s)
    on_fake = F.softplus(fake_logits).mean()  # -log(1 - sigmoid(s))
    return 0.5 * (on_real + on_fake)


def generator_loss(fake_logits, fake, target, weight=100.0):
    """The non-saturating form: G maximises log D, and does not minimise log(1 - D)."""
    return F.softplus(-fake_logits).mean() + weight * (fake - target).abs().mean()


# %% tags=["nbval-check-output"]
real_logits, fake_logits = (
    untrained.discriminate(x, y).detach(),
    untrained.discriminate(x, fake).detach(),
)
torch.testing.assert_close(
    discriminator_loss(real_logits, fake_logits),
    0.5 * losses.discriminator_loss(real_logits, fake_logits),
)
torch.testing.assert_close(
    generator_loss(fake_logits, fake, y),
    losses.generator_loss(fake_logits) + 100 * losses.l1(fake, y),
)
zero = torch.zeros(2, 1, 6, 6)
print(
    "both equal the package's; an undecided D pays",
    f"{discriminator_loss(zero, zero):.4f} = ln 2",
)

# %% [markdown]
# Three details.
# The paper writes the norm $\lVert\cdot\rVert_1$, a sum; its code takes the **mean** over all values, and $\lambda = 100$ goes with that. A sum would be 12,288 times stronger at 64 pixels and 196,608 times at 256.
# $G$ *maximises* $\log D$ rather than minimising $\log(1 - D)$, which has almost no gradient left if $D$ is sure that a patch is made.
# And the paper halves $D$'s loss to slow it down; with Adam, which divides a gradient by its own size, a constant factor changes next to nothing.

# %% tags=["nbval-check-output"]
sure = torch.tensor(-6.0, requires_grad=True)  # D is sure: this patch is made
for name, loss in {
    "log(1 - D)": -F.softplus(sure),
    "-log D": F.softplus(-sure),
}.items():
    (slope,) = torch.autograd.grad(loss, sure)
    print(f"G minimises {name}: gradient {slope:.4f}")

# %% [markdown]
# :::{admonition} Misconception: "a discriminator loss near zero is good"
# :class: warning
# It means that $D$ tells every made patch apart.
# $G$ still gets a gradient, but no small change of its picture would fool this $D$, so the gradient points nowhere useful.
# At $\ln 2 \approx 0.693$ it can't tell at all, because it is too weak or because $G$ is that good. The curves below draw that line.
# :::
#
# ## One step by hand
#
# A whole training step in plain PyTorch: $D$ moves first, then $G$ plays against the $D$ that has just learnt.


# %%
def step_by_hand(generator, discriminator, adam_g, adam_d, x, y):
    """One step of pix2pix; returns both losses."""
    fake = generator(x)
    on_real = discriminator(torch.cat([x, y], 1))
    # detached: G shall not learn from D's loss
    on_fake = discriminator(torch.cat([x, fake.detach()], 1))
    loss_d = discriminator_loss(on_real, on_fake)
    adam_d.zero_grad()
    loss_d.backward()
    adam_d.step()

    loss_g = generator_loss(discriminator(torch.cat([x, fake], 1)), fake, y)
    adam_g.zero_grad()
    loss_g.backward()  # D's gradients from this are cleared before D moves again
    adam_g.step()
    return loss_d.item(), loss_g.item()


# %% [markdown]
# The package writes the same as a *game played in turns*: which loss, and who moves.
# Its function `play` takes such a step for every method of this book.
# From the same weights and the same random state, two steps of either end at the same weights, bit for bit.

# %% tags=["nbval-check-output"]
by_hand, by_play = deepcopy(untrained), deepcopy(untrained)
# fused: all weights in one pass, which rounds a little differently; the package does so
adam_g, adam_d = (
    torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    for net in (by_hand.generator, by_hand.discriminator)
)
optimisers = make_optimisers(by_play)
torch.manual_seed(1)  # dropout draws random numbers
for _ in range(2):
    step_by_hand(by_hand.generator, by_hand.discriminator, adam_g, adam_d, x, y)
torch.manual_seed(1)
for step in range(2):
    play(by_play, optimisers, batch, step)
equal = all(
    torch.equal(a, b)
    for a, b in zip(by_hand.parameters(), by_play.parameters(), strict=True)
)
print("turns:", [(turn.loss, turn.moves) for turn in untrained.turns])
print("two steps by hand equal the package's:", equal)
assert equal

# %% [markdown]
# The package's version detaches nothing: `backward(inputs=...)` gives gradients to the player that moves, and to nobody else.
#
# ## Training
#
# This run is a small copy of the paper's: 64 instead of 256 pixels, fewer steps at a higher learning rate, and a smaller {ref}`lambda <lambda>`.
# Its {term}`instance normalisation` takes mean and variance from each picture alone, as the paper's batch norm does at batch 1.
# Drawn houses hardly ever repeat, so they need no random crops and no mirroring; the real ones get both, as in the paper.
# All settings were chosen for L1 + cGAN, on other seeds and other houses; nobody tuned for a GAN without L1.
#
# **One departure from the paper.** A GAN never settles: its colours and textures swing from step to step.
# So we translate with a running average of the generator's weights, which does not touch the training.
# `average=0` leaves it out, as the paper does; we {ref}`measure <average>` what it is worth.
#
# (fcn-score)=
# **A judge first.** The paper's measure is the **FCN-score**, named after a fully convolutional network.
# This *segmenter* has learnt from real photographs to name the class of every pixel; in a good picture it finds the plan that the picture was made from.
# Ours is small, trained once on photographs of every variety, and never sees the evaluation houses.

# %%
judge_size = min(recipe.size, 64)
truth = facades.ground_truth(run.source, judge_size)
judge, report = judges.segmenter(truth, steps=8 if run.profile == "smoke" else None)
run.record_judge(report)
held_out = world(judge_size, count=100)
print(
    "on real photographs that it has never seen:",
    {k: round(v, 3) for k, v in report["held_out"].items()},
)


# %%
def measure(images):
    """What the judge reads in images, and how they compare with real ones as a set."""
    images = F.interpolate(
        images.cpu(), judge_size, mode="bilinear", antialias=True
    ).clamp(-1, 1)
    real, labels = held_out["target"], held_out["labels"]
    found = {
        "sharpness": metrics.sharpness(images, real),
        "mae": metrics.mean_absolute_error(images, real),
    }
    # no network is needed to read a colour, and the judge reads photographs only
    if task == "photo_to_labels":
        return found | metrics.label_score(
            images, labels, torch.from_numpy(facades.COLOURS)
        )
    found |= metrics.colours(images, real) | metrics.octaves(images, real)
    if task != "day_to_night":  # the judge has learnt to read by day
        distance = metrics.distribution_distances(
            real, images, judges.Features(judge)
        )["frechet"]
        found |= metrics.fcn_score(images, labels, judge) | {"frechet": distance}
    return found


# %% [markdown]
# Now both, from the same seed and on the same pictures: the **method** (L1 + cGAN), then the **baseline** (L1 alone), the same generator without a discriminator.
# `run.fit` calls `play` for every step; a `Film` keeps what becomes of four fixed houses.

# %%
test = world(recipe.size, count=100)


def train(arm, numbers, own_loss=None):
    """Train one model of this chapter; returns it with its history and its film."""
    torch.manual_seed(run.seed)
    model = Pix2Pix(numbers)
    if own_loss:
        model.generator_loss = partial(own_loss, model)
    film = Film(test["input"][:4], numbers.steps)
    return model, run.fit(arm, model, training(numbers), film), film


# %%
trained = {"L1 + cGAN": train("method", recipe)}
if compare:
    trained["L1"] = train(
        "baseline",
        replace(
            recipe, adversary="none", lambda_pixel=recipe.lambda_pixel or 100.0
        ),
    )

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the curves", "image": {"alt": "Loss terms of the method over the steps. The discriminator's loss and the generator's GAN term start at the dashed undecided line, ln 2; the discriminator settles below it and the generator's term above. The L1 term falls at first and then shows no trend."}}
model, history, film = trained["L1 + cGAN"]
plots.curves(history, undecided={"discriminator": 0.6931, "gan": 0.6931})

# %% [markdown]
# The dashed line is $\ln 2$: there $D$ cannot tell real from made.
# Ask the L1 curve at which step the pictures became good: it does not know.
# Loss curves say whether the game is alive, not whether the pictures are good.
# More telling are $D$'s logits on houses that it has never seen: the more the two histograms overlap, the more often it is fooled.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the histograms", "image": {"alt": "Histograms of the discriminator's logits. Those of real photographs lie mostly right of zero, the undecided line, those of made ones mostly left of it, and they overlap in the middle."}}
outputs = {
    name: run.in_parts(net.translate, test["input"])
    for name, (net, _, _) in trained.items()
}
if recipe.adversary != "none":
    with torch.no_grad():
        plan, seen = (
            test["input"].to(run.device),
            {"real": test["target"], "made": outputs["L1 + cGAN"]},
        )
        logits = {
            name: model.discriminate(plan, images.to(run.device))
            for name, images in seen.items()
        }
    display(
        plots.histogram(
            logits,
            x="logit of a patch (right: taken for real)",
            mark={"undecided": 0.0},
        )
    )

# %% [markdown]
# Leaf through the film:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the film"}
scrub(
    film.frames,
    film.labels,
    "Four houses as the generator paints them while it learns",
    enlarge=3 if recipe.size <= 64 else 1,
)

# %% [markdown]
# ## Results

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: six houses", "image": {"alt": "Six houses in rows; columns: plan, L1 alone, L1 with conditional GAN, one real photograph. L1 alone is soft: flat walls and faint windows; with the discriminator walls have courses of brick, windows have bars and edges are crisp, in the right places, but often in other colours than the photograph's."}}
columns = {"plan": test["input"], **outputs, "a real photograph": test["target"]}
order = [
    name
    for name in ("plan", "L1", "L1 + cGAN", "a real photograph")
    if name in columns
]
run.show(
    "results.png",
    plots.grid(
        {name: columns[name][5:11] for name in order},
        caption="L1 gives the middle of all walls; with a discriminator, G decides.",
    ),
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: what is kept of this run", "image": {"alt": "The first picture of this chapter, which this cell keeps beside the results."}}
# kept beside the results: the first picture of this chapter, and the strip of which the sweep's films are made
plots.grid({name: columns[name][:3] for name in order}, scale=1.9).savefig(
    run.figure("opening.webp")
)
rows = [test["input"][:5], outputs["L1 + cGAN"][:5], test["target"][:5]]
Image.fromarray(strip(rows)).save(run.figure("strip.png"))

# %% [markdown]
# Compare wall by wall. Where L1 gives one flat tone, the discriminator has made $G$ decide on something.
# It need not agree with the last column: it is *a* photograph of this plan, not *the* one.
#
# **Change a plan yourself.** In a running notebook the controls turn one class into another; the page shows the first state.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: changing a class", "image": {"alt": "A plan whose windows have been turned into doors, and its translation: where the windows were, the generator paints what it knows of doors."}}
classes = list(facades.CLASSES)


def repainted(house, every, becomes):
    """Translate a plan in which all pixels of one class have become another."""
    ids = test["labels"][house : house + 1].clone()
    ids[ids == classes.index(every)] = classes.index(becomes)
    plan = facades.painted(ids)
    return plots.grid(
        {"changed plan": plan, "L1 + cGAN": run.in_parts(model.translate, plan)},
        caption="The same house, one class exchanged for another: only that changes.",
    )


if task == "labels_to_photo":
    widgets.live(
        repainted,
        house=IntSlider(
            value=1, max=len(test["labels"]) - 1, continuous_update=False
        ),
        every=Dropdown(options=classes, value="window"),
        becomes=Dropdown(options=classes, value="door"),
    )

# %% [markdown]
# ## Measuring
#
# The FCN-score has three numbers: *pixel accuracy* is the share of pixels read correctly, *class accuracy* gives every class the same weight, *class IoU* (intersection over union) also punishes false finds.
# It asks whether the plan can be read, not whether the picture looks real: a generator that paints every house in one clear style is read perfectly.
# So three more numbers stand beside it.
# The {term}`Fréchet distance` compares the made pictures, as a set, with the real ones in the *world features*, the deepest level of our judge (in those of the Inception network it would be called FID).
# *Sharpness* is the power of high frequencies, as a share of the photographs'.
# The *mean absolute error* compares each picture with its own target.
#
# Four landmarks put the numbers in place: real photographs (the ceiling), photographs of *another house* (perfect pictures of the wrong plan), the plan itself, and one flat grey.

# %%
if compare or not drawn:
    grey = test["target"].mean().expand_as(test["target"])
    another = test["target"].roll(1, dims=0)
    landmarks = {
        "real photographs": test["target"],
        "another house": another,
        "plan copied": test["input"],
    }
    for name, images in (landmarks | {"one grey": grey}).items():
        run.record(name, measure(images))
for arm, name in {"method": "L1 + cGAN", "baseline": "L1"}.items():
    if name in outputs:
        run.record(arm, measure(outputs[name]))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the table of this run"}
MEASURES = {
    "pixel_accuracy": "pixel acc. ↑",
    "class_accuracy": "class acc. ↑",
    "class_iou": "class IoU ↑",
    "frechet": "Fréchet (world) ↓",
    "sharpness": "sharpness → 1",
    "mae": "mean abs. error ↓",
}
names = {"method": "L1 + cGAN", "baseline": "L1"}
plots.table(
    ["this run", *MEASURES.values()],
    [
        (names.get(arm, arm), *(found.get(name) for name in MEASURES))
        for arm, found in run.metrics.items()
    ],
)

# %% [markdown]
# Read the last column twice: the sharper picture is *farther* from its target, and one grey, which shows no house at all, is nearer to it than the perfect photograph of another house.
# Then read "another house": the pictures are perfect, and only the FCN-score and the error say that they are of the wrong plan.
# No single column ranks these rows.
#
# :::{admonition} Misconception: "a lower pixel error means a better picture"
# :class: warning
# The safest guess has the lowest error; a brick in the wrong place costs twice, there and where it is missing.
# So the paper measures with a judge, and asks people: they took 18.9 % of its aerial photographs, made from maps, for real, and 0.8 % of L1's.
# :::
#
# **More than one run.** From here on each row is an *arm*: the same notebook with a setting or two changed, and one number for each of the seeds 0, 1 and 2 (`make sweep CHAPTER=pix2pix`).
# Most arms train fewer steps than the run above; one judge has read all pictures of drawn houses.
# The paper's numbers are of street scenes: compare the order, not the values.
#
# :::{admonition} The paper's numbers
# :class: note dropdown
# The street scenes are Cityscapes', with other classes; the paper's judge reads real photographs of them with .80, .26 and .21.
# The tables are 1, 2, 3 and 6 of arXiv version 3; the conference version lacks Table 2.
# Table 3 has one more row, patches of 16 pixels, with .65, .21 and .17: as good as 70, but one sees tiles.
# :::


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: reading the sweep's results"}
def fixed(found, prefix=""):
    """A run's landmarks as rows beside those of the sweep."""
    return [
        {"arm": prefix + arm, "seed": 0, "metrics": {"method": numbers}}
        for arm, numbers in found.items()
        if arm not in ("method", "baseline")
    ]


swept = results.sweep("pix2pix")
# the baseline of this chapter's own runs is L1 with three times the sweep's steps
for row in results.sweep("claims"):
    if row["chapter"] == "01_pix2pix":
        long = {"method": row["metrics"]["baseline"]}
        swept.append({"arm": "l1_long", "seed": row["seed"], "metrics": long})
real = next((row["metrics"] for row in swept if row["arm"] == "cmp_l1"), {})
swept += fixed(real, prefix="cmp ")
if drawn and task == "labels_to_photo" and variety is None:
    swept += fixed(run.metrics)
CHANCE = {"another house": "another house's photograph", "one grey": "one grey"}
SHOWN = {
    "class_iou": "class IoU ↑",
    "frechet": "Fréchet (world) ↓",
    "sharpness": "sharpness → 1",
}
PAPER = ("paper: pixel acc.", "paper: class acc.", "paper: class IoU")


FIVE = "Top to bottom: five inputs, what the arm paints, the real pictures"


# %% [markdown]
# (p9)=
# ### Which loss?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
LOSSES = {
    "l1": "L1",
    "l2": "L2",
    "gan": "GAN, sees the output only",
    "cgan": "cGAN, sees plan and output",
    "l1_gan": "L1 + GAN",
    "l1_cgan": "L1 + cGAN",
}
table1 = {
    "l1": (".42", ".15", ".11"),
    "gan": (".22", ".05", ".01"),
    "cgan": (".57", ".22", ".16"),
    "l1_gan": (".64", ".20", ".15"),
    "l1_cgan": (".66", ".23", ".17"),
}
plots.table(
    *results.table(
        swept,
        LOSSES | CHANCE | {"real photographs": "real photographs"},
        SHOWN,
        table1,
        PAPER,
    )
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("pix2pix_arms", LOSSES.values(), FIVE)

# %% [markdown]
# Flick between "L1" and "L1 + cGAN", and look at one wall: a flat tone against a material.
# L2 is blurrier still, the mean where L1 has the median.
# Then look at the two GANs *without* L1. The one that sees pictures only paints façade without end, with hardly a trace of the plan; the one that sees the plan as well keeps sky, storeys and windows, in garish colours.
# With L1 beside it, it hardly matters whether $D$ sees the plan, as in the paper: L1 teaches the plan already.
#
# The same numbers on two axes: does it *look like a photograph* (left is better), and does it *keep the plan* (up is better)?
# Every method of this book is a way of moving in this picture.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the two axes", "image": {"alt": "Scatter plot of all arms, seeds and landmarks: Fréchet distance against class IoU. Real photographs stand at the top left; L1 with either discriminator comes closest to them; L1 and L2 alone lie lower and to the right; the GANs without L1 lie to the left but low; another house's photographs lie at the bottom left, the copied plan and one grey far to the right."}}
axes = {name: results.by_arm(swept, name) for name in ("frechet", "class_iou")}
corners = {
    "real photographs": "real photographs",
    "another house": "another house",
    "one grey": "one grey",
}
plots.scatter(
    {
        name: (axes["frechet"].get(arm, []), axes["class_iou"].get(arm, []))
        for arm, name in (LOSSES | corners | {"plan copied": "plan copied"}).items()
    },
    x="Fréchet distance (world features) to real photographs",
    y="class IoU (plan kept)",
)

# %% [markdown]
# Two corners are easy: another house's photograph looks perfect and keeps nothing; the copied plan keeps everything, but not in the form that the judge has learnt to read.
# If the copied plan lies nearer to the photographs than a blur does, a likely reason is contrast: a plan has plenty, a blur little.
#
# (variety)=
# ### How many photographs are right?
#
# If L1 blurs because several answers are right, the blur must disappear when only one is, and grow with their number.
# So we train both in worlds of four varieties, and compare each with photographs of its own world.
# The judge reads free colours less easily, so its ceiling is drawn, too.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the arms of four varieties"}
LEVELS = {
    0.0: "variety_0",
    facades.VARIETY: "l1_cgan",
    0.5: "variety_05",
    1.0: "variety_1",
}
ALONE = {
    0.0: "l1_variety_0",
    facades.VARIETY: "l1",
    0.5: "l1_variety_05",
    1.0: "l1_variety_1",
}


def over_variety(metric):
    """Both methods at every variety: name → variety → values of all seeds."""
    values = results.by_arm(swept, metric)
    both = {"L1 + cGAN": LEVELS, "L1": ALONE}
    return {
        name: {level: values.get(arm, []) for level, arm in arms.items()}
        for name, arms in both.items()
    }


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Fréchet distance against variety. L1 with the conditional GAN stays close to the photographs at every variety; L1 alone starts not far above it at variety 0 and rises steeply towards variety 1."}}
plots.spread(
    over_variety("frechet"),
    x="variety of the world",
    y="Fréchet distance (world) to its photographs",
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Class IoU against variety, with a ceiling of real photographs. L1 with the conditional GAN is read better at every variety; as variety grows all three curves fall, and L1 alone falls to what another house is worth."}}
ceiling = {}
if drawn and task == "labels_to_photo":
    for level in LEVELS:
        real = facades.evaluation("procedural", judge_size, variety=level)
        ceiling[level] = [
            metrics.fcn_score(real["target"], real["labels"], judge)["class_iou"]
        ]
plots.spread(
    over_variety("class_iou") | {"real photographs": ceiling},
    x="variety of the world",
    y="class IoU",
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
frames = read_frames(book_file("results/pix2pix_variety.webp"))
side = frames[0].shape[0] // 3
stacked = [
    np.concatenate([l1[: 2 * side], both[side:]])
    for l1, both in zip(frames[::2], frames[1::2], strict=True)
]
scrub(
    stacked,
    ["variety 0", f"variety {facades.VARIETY}", "variety 1"],
    "Four rows: plans, L1 alone, L1 + cGAN, photographs; worlds of growing variety",
)

# %% [markdown]
# At variety 0 even L1 lays the blocks of the wall one by one and paints every shutter green: what is certain, it can learn.
# Move the slider to the right, and all of that fades to the middle of all walls, until nothing but fog is left, while the third row goes on deciding.
# L1 is not a bad loss: asked a question that has many answers, it gives their middle.
# What a discriminator is worth depends on the world, so whoever quotes one number for it has chosen a variety.
#
# One thing we had not expected. At variety 0 L1 is *not* as good as L1 + cGAN, although nothing is left to guess.
# A network that has not learnt enough yet does not know the answer either, and L1 answers "I can't tell yet" like "it could be either": with the middle.
# A test is to give it more time:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
PATIENCE = {
    "l1_variety_0": "L1, one right photograph",
    "l1_variety_0_long": "... three times the steps",
    "l1": f"L1, variety {facades.VARIETY}",
    "l1_long": "... three times the steps",
}
plots.table(*results.table(swept, PATIENCE, SHOWN))

# %% [markdown]
# In either world L1 becomes sharper, and is read better: a good part of what looks like indecision is lack of training.
# How much of it is, and where each world's L1 would end, only far longer runs can tell.
#
# ### Does seeing the plan matter?
#
# With L1 it hardly does. Without L1 only $D$ can teach the plan, so there it should show, the more so with three times the steps. (A dash or an empty line has not been run yet.)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
LONG = {
    "l1_long": "L1, three times the steps",
    "gan_long": "GAN, three times the steps",
    "cgan_long": "cGAN, three times the steps",
}
plots.table(*results.table(swept, LONG | CHANCE, SHOWN))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Class IoU of L1, the unconditional and the conditional GAN, short and long, one dot per seed, with dashed lines for another house's and for real photographs. On every seed the conditional GAN lies right of the unconditional one, and left of L1."}}
title = "class IoU (plan kept)"
short = {arm: LOSSES[arm] for arm in ("l1", "gan", "cgan")}
shown = results.panels(swept, short | LONG, {"class_iou": title})
iou = results.by_arm(swept, "class_iou")
marks = {
    name: iou[name][0]
    for name in ("another house", "real photographs")
    if name in iou
}
plots.dots(shown, {title: marks})

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("pix2pix_long", list(LONG.values())[1:], FIVE)

# %% [markdown]
# Compare the two GANs with "another house's photograph", which is what a good photograph scores by chance.
# An unconditional $D$ asks for no more. If something of the plan survives, it is the U-Net's doing, whose skips hand every edge of the plan to the last layers.
# The conditional $D$ also asks whether *this* part looks like *this* class.
#
# (p7)=
# ### Who paints the coarse, who the fine?
#
# The paper divides the labour: L1 for low frequencies, small patches for high ones.
# The power spectrum tests it: how much contrast there is at one cycle per image, at two or three, ..., as a share of the photographs'.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the spectrum", "image": {"alt": "Power as a share of the photographs' over five octaves of frequency. L1 alone starts below 1 and falls towards 0 at high frequencies. The conditional GAN alone stays near 1 almost throughout, and with L1 it lies between the two."}}
octaves = [2**k for k in range(judge_size.bit_length() - 2)]
power = {low: results.by_arm(swept, f"power_{low}") for low in octaves}
plots.spread(
    {
        name: {low: power[low].get(arm, []) for low in octaves}
        for arm, name in {
            "l1": "L1",
            "cgan": "cGAN",
            "l1_cgan": "L1 + cGAN",
        }.items()
    },
    x="frequency (cycles per image, start of the octave)",
    y="power (1: as the photographs)",
    log=True,
)

# %% [markdown]
# L1 alone has too little contrast everywhere, because even the colour of a whole wall is a guess, and the finer the detail, the less is left.
# The cGAN alone has about the right *amount* at every frequency.
# So L1 is not needed for coarse contrast as such; it puts coarse things in the right *place*, which the class IoU shows and no spectrum.
#
# ### Colours
#
# A middle of many colours is greyer than most of them. The paper's Figure 7 gives the overlap of histograms with the photographs' (1: the same) in Lab, where L is lightness, a runs from green to red and b from blue to yellow.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
figure7 = {
    "l1": (".81", ".69", ".70"),
    "cgan": (".87", ".74", ".84"),
    "l1_cgan": (".86", ".84", ".82"),
}
channels = {"colours_l": "L", "colours_a": "a", "colours_b": "b"}
shown = {"l1": "L1", "cgan": "cGAN", "l1_cgan": "L1 + cGAN", "one grey": "one grey"}
plots.table(
    *results.table(
        swept, shown, channels, figure7, ("paper: L", "paper: a", "paper: b")
    )
)

# %% [markdown]
# The discriminator brings all three closer to the photographs, lightness most: a blur has neither black nor white. In a and b the step is smaller than the paper's.
#
# ### Skips or not?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
SKIPS = {
    "no_skips_l1": "encoder-decoder, L1",
    "no_skips": "encoder-decoder, L1 + cGAN",
    "l1": "U-Net, L1",
    "l1_cgan": "U-Net, L1 + cGAN",
}
table2 = {
    "no_skips_l1": (".35", ".12", ".08"),
    "no_skips": (".29", ".09", ".05"),
    "l1": (".48", ".18", ".13"),
    "l1_cgan": (".55", ".20", ".14"),
}
plots.table(*results.table(swept, SKIPS | CHANCE, SHOWN, table2, PAPER))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("pix2pix_skips", SKIPS.values(), FIVE)

# %% [markdown]
# The encoder-decoder paints storeys and loses windows: their places do not fit through its middle.
#
# :::{admonition} The paper's middle
# :class: note dropdown
# The paper's table is at batch 10, and its middle is one vector where ours is a small map.
# In its runs at batch 1 a norm erased that vector altogether, since one pixel minus its mean is zero; an erratum says so, and the authors' code no longer normalises there.
# :::
#
# ### How large a patch?
#
# Our pictures are a quarter as wide as the paper's, so our 16 pixels correspond to its 70, and our 70 covers the whole picture.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
PATCHES = {
    "patch_1": "1 pixel",
    "l1_cgan": "16 pixels",
    "patch_34": "34 pixels",
    "patch_70": "70 pixels",
}
table3 = {
    "patch_1": (".39", ".15", ".10"),
    "l1_cgan": (".66", ".23", ".17"),
    "patch_70": (".42", ".16", ".11"),
}
plots.table(*results.table(swept, PATCHES | CHANCE, SHOWN, table3, PAPER))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("pix2pix_patch", PATCHES.values(), FIVE)

# %% [markdown]
# (The paper's rows are its 1, 70 and 286 pixels.)
# A $D$ of one pixel sees colours and no texture: it brings colours back and leaves the blur, so look at its sharpness before its class IoU.
# A $D$ of the whole picture has more weights and layers, so it is harder to train, the paper suspects.
#
# (lambda)=
# ### How much L1?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
WEIGHTS = {
    "cgan": "0: cGAN alone",
    "lambda_1": "1",
    "l1_cgan": "30, as in this chapter's run",
    "lambda_100": "100",
}
plots.table(
    *results.table(
        swept,
        WEIGHTS | {"l1": "L1 alone"} | CHANCE,
        SHOWN | {"mae": "mean abs. error ↓"},
    )
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("pix2pix_lambda", list(WEIGHTS.values())[1:], FIVE)

# %% [markdown]
# The weight moves the method between its two ends: the larger it is, the softer the pictures, and the smaller their error to the one photograph that was taken. (Of 1 a single seed has been run.)
# The paper's 100 belongs to real photographs at 256 pixels and many more steps.
#
# ### Is the noise used?
#
# *Variation* is how much two translations of a plan differ, as a share of how much two photographs of a house do.
# While a channel of noise is tested, dropout must be off, or it would hide what the noise does.


# %%
def variation(net):
    """How much two draws of z differ (1: as two photographs), and the two draws."""
    plans = test["input"][:50]
    first, second = (run.in_parts(net.translate, plans, 50) for _ in range(2))
    houses = range(
        facades.FIRST_EVALUATION_HOUSE, facades.FIRST_EVALUATION_HOUSE + len(plans)
    )
    freedom = facades.VARIETY if variety is None else variety
    photos = [
        facades.draw(
            houses, recipe.size, facades.EVALUATION_PHOTO + k, variety=freedom
        )[1]
        for k in (1, 2)
    ]
    one, other = map(to_tensor, photos)
    share = float((first - second).abs().mean() / (one - other).abs().mean())
    return share, first, second


# else there is no second photograph
if drawn and task == "labels_to_photo" and variety != 0:
    share, *draws = variation(model)
    run.record("method", {"variation": share})

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: this picture", "image": {"alt": "Variation of three arms, one dot per seed, between the dashed lines of no variation and of two photographs. With dropout the pictures vary a little; without dropout and noise not at all; with a channel of noise alone hardly."}}
NOISE = {
    "l1_cgan": "dropout (this chapter)",
    "no_dropout": "neither",
    "noise_no_dropout": "a channel of noise, no dropout",
}
title = "variation (share of the photographs')"
shown = results.panels(swept, NOISE, {"variation": title})
plots.dots(shown, {title: {"none": 0.0, "as two photographs": 1.0}})

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: two draws", "image": {"alt": "Three plans, and for each two translations with new random draws and their difference. Plan, layout and materials are the same in both; only fine grain and the tint of small parts differ."}}
if drawn and task == "labels_to_photo" and variety != 0:
    first, second = (draw[:3] for draw in draws)
    gap = ((first - second).abs() - 1).clamp(-1, 1)  # black: no difference
    display(
        plots.grid(
            {
                "plan": test["input"][:3],
                "draw": first,
                "another": second,
                "difference": gap,
            },
            caption="Two draws of z for each plan, and where they differ (black: nowhere).",
        )
    )

# %% [markdown]
# Read the last row against the one above it: if it is near zero, the network has learnt to ignore its noise, as the paper reports.
# Dropout does move the pictures, but look at the two draws: is it a material that changes, or only grain?
# No arm varies colours and light as two *photographs* of a house do.
#
# :::{admonition} Where the dropout sits
# :class: note dropdown
# How much dropout moves a picture depends on its place: the fewer pixels a layer has, the coarser what it changes.
# The paper's three layers with dropout have 2², 4² and 8² of 256² pixels (4², 8² and 16² in the official PyTorch code).
# At `fast` we have a single one, of 8² of 64² pixels. Each of its pixels covers as large a part of the picture as in the paper's largest; the two coarser layers, which could change more at once, are missing.
# :::
#
# ### From photographs to labels
#
# Here a photograph has *one* right answer, so the middle of all right answers is right, too.
# No judge is needed: every pixel counts as the class of the nearest colour.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
BACK = {
    "photo_to_labels_l1": "L1",
    "photo_to_labels_cgan": "cGAN",
    "photo_to_labels_l1_cgan": "L1 + cGAN",
}
table6 = [(".86", ".42", ".35"), (".74", ".28", ".22"), (".83", ".36", ".29")]
table6 = dict(zip(BACK, table6, strict=True))
scores = {
    "pixel_accuracy": "pixel acc. ↑",
    "class_accuracy": "class acc. ↑",
    "class_iou": "class IoU ↑",
}
header, lines = results.table(swept, BACK, scores, table6, PAPER)
if drawn:
    plans = test["labels"]
    colours = torch.from_numpy(facades.COLOURS)
    chance = metrics.label_score(
        facades.painted(plans.roll(1, dims=0)), plans, colours
    )
    numbers = [chance[name] for name in scores]
    lines.append(["another house's plan", *numbers, None, None, None])
plots.table(header, lines)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf("pix2pix_labels", BACK.values(), FIVE)

# %% [markdown]
# L1 alone is read best, as in the paper, though its maps look worst.
# Where it is unsure, its colours blend, and the middle of two class colours is often read as a *third* class.
# The discriminator forbids blends, so $G$ must decide, and a crisp wrong label costs as much as a blurred one.
#
# (real-facades)=
# ### Real façades
#
# With `source="cmp"` the same notebook trains on the paper's 400 real pairs. We may not show them (their licence is unclear), only numbers.
# They have a judge of their own; the second table says how well each judge reads photographs that it has never seen.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
REAL = {
    "cmp_l1": "L1",
    "cmp_l1_cgan": "L1 + cGAN",
    "cmp another house": "another house's photograph",
    "cmp one grey": "one grey",
    "cmp real photographs": "real photographs",
}
plots.table(*results.table(swept, REAL, SHOWN))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
names = {"procedural": "drawn houses", "cmp": "real façades"}
rows = [
    (
        names[row["trained"]],
        names[row["read"]],
        row["pixel_accuracy"],
        row["class_accuracy"],
        row["class_iou"],
    )
    for row in results.sweep("judges")
]
plots.table(
    ["judge trained on", "reads", "pixel acc.", "class acc.", "class IoU"], rows
)

# %% [markdown]
# The order is that of the drawn houses: with a discriminator the plan is readable, with L1 alone hardly.
# The judge of real façades had few photographs to learn from, so its ceiling is low.
# And a judge of drawn houses recognises real ones only in part: the drawn world does not replace photographs, but in it the truth is known.
#
# (p10)=
# ### One recipe, many tasks
#
# Nothing in the recipe knows about plans. Only the pairs change:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: pictures of the sweep, to leaf through"}
leaf(
    "pix2pix_tasks", ["edges to photograph", "grey to colour", "day to night"], FIVE
)

# %% [markdown]
# Edges show bars and bricks, so little is left to guess but colour; in grey pictures only colour is missing; and at night *which* windows are lit is chance, so look at what the network does about lamps.
# The parameter `task` chooses.
#
# (average)=
# ### What the average is worth

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
AVERAGES = {
    "l1_cgan": "averaged generator",
    "last_weights": "last weights, as in the paper",
}
plots.table(*results.table(swept, AVERAGES, SHOWN))

# %% [markdown]
# Training is the same in both rows; only what translates differs.
#
# ## The claims
#
# Each was written into `book/claims.toml`, with its margin, before the runs that judge it.
# First what this run measured, beside your predictions; then what the sweep says.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
run.claims_table(predictions)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*results.claims_table("01_pix2pix"))

# %% [markdown]
# (p11)=
# ## Break it
#
# The paper names its own failures: input that is sparse, or unlike anything in training.
# An empty wall, a plan turned upside down, and a chessboard of windows:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: three unusual plans", "image": {"alt": "Three unusual plans and what the network paints. The empty wall gets texture and shadows that are not in the plan, the plan turned upside down keeps its windows upside down, the chessboard becomes a pattern that is no house."}}
chessboard = (
    torch.arange(recipe.size)[:, None] // 8 + torch.arange(recipe.size) // 8
) % 2 + 1  # facade and window
empty, squares = facades.painted(
    torch.stack([torch.ones_like(chessboard), chessboard])
).split(1)
unusual = torch.cat([empty, test["input"][:1].flip(2), squares])
plots.grid(
    {"input": unusual, "L1 + cGAN": run.in_parts(model.translate, unusual)},
    caption="Nothing tells you that these plans make no sense.",
)

# %% [markdown]
# Nothing warns you: the network never says "I don't know".
#
# **What $D$ sees.** Its logits as a map over a real and a made photograph of one plan: bright means "real".

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: D's belief", "image": {"alt": "A real and a made photograph of one plan, each beside the discriminator's map of probabilities. The real one's map is brighter than the made one's, and both have darker patches."}}
if recipe.adversary != "none":
    with torch.no_grad():
        plan = test["input"][:1].expand(2, -1, -1, -1).to(run.device)
        seen = torch.cat([test["target"][:1], outputs["L1 + cGAN"][:1]])
        belief = torch.sigmoid(model.discriminate(plan, seen.to(run.device)))
    belief = F.interpolate(belief, recipe.size).cpu() * 2 - 1
    views = {"real (above), made (below)": seen, "D's belief": belief}
    display(plots.grid(views, "Bright is what D takes for real."))

# %% [markdown]
# **Four patients.** One of these short trainings is healthy, three have a mistake.
# Look at the pictures before you read the names in the next cell: which has far too large a $\lambda$, which takes far too long steps, and in which does $G$ help $D$, because its GAN term has the wrong sign?


# %%
def wrong_sign(model, scene):
    """G is paid for being found out."""
    x, y = scene.batch["input"], scene.batch["target"]
    terms = {"gan": F.softplus(model.discriminate(x, scene.fake)).mean()}
    return terms | {"l1": model.recipe.lambda_pixel * losses.l1(scene.fake, y)}


def patient(numbers, own_loss=None):
    """A short training without average: pictures of three plans, and what both paid."""
    torch.manual_seed(run.seed)
    sick = Pix2Pix(numbers).to(run.device)
    if own_loss:
        sick.generator_loss = partial(own_loss, sick)
    optimisers, stream = make_optimisers(sick), training(numbers)
    for step in range(min(60, recipe.steps)):
        paid = play(sick, optimisers, on_device(next(stream)), step)
    return run.in_parts(sick.translate, test["input"][:3]), {
        name: float(value) for name, value in paid.items()
    }


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: four trainings", "image": {"alt": "Three plans painted by four short trainings, A to D. A is flat and blurred; B is nearly one colour with coloured noise; C shows houses in rough colours; D shows houses whose texture is less like a photograph's than C's."}}
healthy = replace(
    recipe, average=0.0, adversary="conditional", pixel_loss="l1", lambda_pixel=30.0
)
if compare:
    patients = {
        "A": patient(replace(healthy, lambda_pixel=1000.0)),
        "B": patient(replace(healthy, learning_rate=30 * healthy.learning_rate)),
        "C": patient(healthy),
        "D": patient(healthy, wrong_sign),
    }
    pictures = {name: picture for name, (picture, _) in patients.items()}
    display(
        plots.grid(
            {"plan": test["input"][:3], **pictures},
            caption="Four short trainings of one network. Only one of them is healthy.",
        )
    )

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: the numbers of this table"}
if compare:
    diagnoses = {
        "A": "lambda = 1000",
        "B": "steps 30 times as long",
        "C": "healthy",
        "D": "wrong sign",
    }
    rows = [
        (name, diagnoses[name], paid["discriminator"], paid["gan"])
        for name, (_, paid) in patients.items()
    ]
    display(
        plots.table(["", "diagnosis", "D pays at the end", "G's GAN term"], rows)
    )

# %% [markdown]
# The wrong sign is the most treacherous: nothing diverges, the L1 term still teaches the plan, and only the texture never comes.
#
# **A larger picture.** Both networks are convolutional, so a house of twice the size can be painted without training anew.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: twice the size", "image": {"alt": "Plans of twice the training size and the painted houses: windows and walls keep their texture at the scale they had in training, so they look finer relative to the house."}}
large = world(min(2 * recipe.size, 512), count=2)
plots.grid(
    {
        "input": large["input"],
        "L1 + cGAN": run.in_parts(model.translate, large["input"]),
    },
    caption="Twice the size of the training, with the texture of the training.",
)

# %% [markdown]
# :::{admonition} Misconception: "train with dropout, test without"
# :class: warning
# pix2pix is tested as it was trained: dropout on, and normalisation with each picture's own statistics.
# Calling `.eval()` on the official network with batch norm switches to running averages of other pictures, and the results get worse: it is among the most asked questions about that code.
# `Pix2Pix.translate` keeps the training behaviour without changing anything that was learnt.
# :::

# %% tags=["nbval-check-output"]
before = deepcopy(model.state_dict())
# the same networks without their z
still = Pix2Pix(replace(recipe, dropout_layers=0, noise=False)).to(run.device)
if not recipe.noise:
    still.load_state_dict(before)
same = torch.equal(still.translate(x), still.translate(x))
model.translate(x)
changed = any(
    not torch.equal(before[name], value)
    for name, value in model.state_dict().items()
)
print(
    "without dropout two translations are equal:",
    same,
    "| translating changed the model:",
    changed,
)

# %% [markdown]
# :::{admonition} Use it responsibly
# :class: important
# The windows in these pictures were invented.
# On a façade that is harmless; in a medical scan or a street scene, an invented or a missing object is an error that looks like a fact.
# Say so wherever a translated picture may be taken for a measured one.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: ex-discriminator-loss
# On a 2 × 2 map of logits $D$ answers $0$ everywhere on a real pair, and $\ln 3$ everywhere on a made one.
# Compute $D$'s loss by hand, then write the function and let `checks.check_discriminator_loss(your_function)` test it.
# ```
#
# ```{solution} ex-discriminator-loss
# :class: dropdown
# $-\log\sigma(0) = \ln 2$; $\sigma(\ln 3) = 3/4$, so $-\log(1 - 3/4) = \ln 4 = 2\ln 2$. Halved sum: $\tfrac32\ln 2 \approx 1.040$.
# The function stands in "The losses, from scratch".
# ```
#
# ```{exercise}
# :label: ex-receptive-field
# Two layers of 4 × 4 with stride 2 see 10 pixels: one output sees 4 values below, and each step between those is 2 pixels, so $(4 - 1) \cdot 2 + 4 = 10$. Continue for any number of layers.
# Write `field(layers)` for a list of (kernel, stride), first layer first, and check it with `checks.check_receptive_field(field)`.
# ```
#
# ````{solution} ex-receptive-field
# :class: dropdown
# Go back from one output: a layer of kernel $k$ and stride $s$ turns $r$ into $(r - 1)s + k$.
#
# ```python
# def field(layers):
#     r = 1
#     for kernel, stride in reversed(layers):
#         r = (r - 1) * stride + kernel
#     return r
# ```
# ````
#
# ```{exercise}
# :label: ex-sum
# A colleague's generator paints perfect blurs whatever the discriminator does. Her loss ends in `100 * (fake - y).abs().sum()`. What happened, and what would you try first?
# ```
#
# ```{solution} ex-sum
# :class: dropdown
# She summed: at 64 × 64 × 3 values and batch 4 the L1 term is 49,152 times too strong, so the GAN term is noise beside it. Take `.mean()`. `checks.check_generator_loss` names this mistake.
# ```
#
# ```{exercise}
# :label: ex-detach
# Someone else's step is the one above, but begins with `fake = generator(x).detach()`. Both losses are finite, and the pictures never change. Why?
# ```
#
# ```{solution} ex-detach
# :class: dropdown
# $G$ gets no gradient from the GAN term and none from L1: the graph is cut. Detach only inside $D$'s loss.
# ```
#
# ```{exercise}
# :label: ex-noise
# Give $G$ a reason to use $z$: add a term that rewards two translations of the same plan for differing.
# `train("noisy", replace(recipe, noise=True, dropout_layers=0), own_loss)` trains with a generator's loss of your own, `own_loss(model, scene)`: the scene holds `scene.batch["input"]`, `scene.batch["target"]` and `scene.fake`, one draw; `model.generate(x)` is another. Return named terms, for example `{"gan": ..., "l1": ..., "variety": ...}`.
# Measure `variation` and `measure` before and after. What does the class IoU do?
# ```
#
# ```{solution} ex-noise
# :class: dropdown
# A project without a fixed answer. Cap the reward, or it grows without end. Watch whether $G$ hides the noise in a faint pattern that raises the difference but changes nothing that you see.
# ```

# %%
checks.check_discriminator_loss(discriminator_loss)
checks.check_generator_loss(generator_loss)

# %% [markdown]
# ## At paper scale
#
# The paper's networks on the paper's data (35 MB, downloaded at the first run); as in the official PyTorch code, the learning rate falls to zero over the last hundred of 200 epochs.
#
# ```bash
# make run CHAPTER=pix2pix PROFILE=paper SOURCE=cmp
# ```
#
# Every number of the three profiles:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code"}
plots.table(*profiles(RECIPES))

# %% [markdown]
# The paper reports less than two hours on one GPU of 2016 (a Titan X).
# Without a GPU the profile asks for `allow_slow=True`; with `steps=1` it shows that one true step fits your machine.
# We have not run it to the end, so this chapter shows no result at that size.
#
# ## Close
#
# **In three sentences.** A loss that compares pixels answers with the middle of all right answers, and the more of them there are, the more that middle is a blur.
# A discriminator that sees input and output together learns what the blur is, and makes the generator decide.
# L1 holds things in their place, a PatchGAN asks for texture and contrast, and one recipe serves many tasks.
#
# :::{admonition} Quiz
# :class: tip dropdown
# 1. Why does $D$ see $x$ as well? *Else any good photograph of any house satisfies it; with a strong L1 term beside it, that matters little.*
# 2. $D$'s loss sits at 0.69 for a thousand steps. Good? *You cannot know: either $D$ is too weak, or the made pictures can't be told from real ones. Look at them.*
# 3. The L1 loss of a run is lower than another's. Whose pictures are better? *Nobody knows from that.*
# 4. Why does the innermost encoder layer have no norm? *With one pixel and batch 1, value minus mean is zero: the output would carry nothing.*
# 5. How many logits does the 70-pixel PatchGAN give at 256 pixels? *30 × 30.*
# 6. In which world does L1 alone need no discriminator? *Where every input has one right answer: variety 0, or photograph to labels.*
# :::
#
# **What is left open.** All of this needed *pairs*, and pairs are rare: nobody has photographed the same horse as a zebra.
# CycleGAN {cite:p}`zhu2017` asks what can be learnt from two piles of pictures in which nothing belongs together.
#
# :::{admonition} 한국어 요약
# :class: note dropdown
# pix2pix는 짝을 이룬 영상 (x, y)로 영상 변환을 학습한다.
# 생성자(generator)는 입력을 그림으로 바꾸고, 판별자(discriminator)는 그림을 입력과 함께 보며 진짜와 가짜를 구별한다.
# L1 손실만 쓰면 가능한 답들의 중앙값에 가까운 흐린 그림이 나온다.
# 가능한 답이 많을수록 더 흐려지고, 답이 하나뿐이면 흐려지지 않는다.
# 조건부 생성적 적대 신경망(GAN) 손실은 선명한 질감을 되살린다.
# PatchGAN은 영상을 자르지 않으며, 합성곱 신경망을 한 번 통과시켜 겹치는 조각마다 로짓을 낸다.
# U-Net의 스킵 연결은 위치 정보를 그대로 전달한다.
# 잡음 z는 드롭아웃으로만 들어가며, 논문에 따르면 출력은 거의 결정론적이다.
# 평가는 FCN 점수로 한다: 실제 사진으로 학습한 분할기가 생성된 그림을 읽어 낸다.
# 짝이 없는 경우는 다음 장의 CycleGAN(순환 일관성)이 다룬다.
# :::
#
# **Further reading.** The paper {cite:p}`isola2017`; the GAN {cite:p}`goodfellow2014` and its conditional form {cite:p}`mirza2014`; the U-Net {cite:p}`ronneberger2015`; the FCN behind the score {cite:p}`long2015`; the colour images of {cite:t}`zhang2016` that the paper compares itself with.

# %%
path = run.close()
print("results:", path)
