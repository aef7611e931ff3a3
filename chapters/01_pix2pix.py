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
# Another network, trained to catch it cheating, is the reason why the photograph is not a grey blur.
# You will build both, watch them play, and measure who was right.
#
# **Core route, 45 minutes:** leave out "Break it" and the exercises. **Deep route, 2 hours:** everything.
# The trainings take about five minutes on a laptop with two cores; the paper's own recipe takes hours on a GPU (last section).
#
# After this chapter you can
#
# 1. predict what a network trained with L1 alone answers where several answers are right;
# 2. write the losses of a conditional GAN, and say who minimises which;
# 3. explain what "a 70 × 70 PatchGAN" is, and what it is not;
# 4. take one training step by hand, and name the mistake in one that someone else took;
# 5. read an FCN-score, and say when it misleads.
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
# *Answers: the mean, the median; $\ln 2$; 10; every pixel moves a little, nothing that you recognise does.*
# :::
#
# The next three cells set the run up. You may change the numbers; at first reading, skip them.

# %% tags=["parameters"]
profile: str = None  # the size of everything; None: $I2I_PROFILE, or else "fast" {"smoke", "fast", "paper"}
seed: int = 0  # of weights, data and noise [0, 2147483647]
source: str = "procedural"  # drawn houses, or the paper's real ones {"procedural", "cmp"}
steps: int = None  # training steps [1, 10000000]
device: str = None  # where to compute; None: on a GPU if there is one {"cpu", "cuda"}
out: str = None  # folder of the results; None: one under runs/, named by the parameters
resume: bool = False  # continue an interrupted run
allow_slow: bool = False  # really run the paper's profile on a CPU
task: str = "labels_to_photo"  # what is translated into what {"labels_to_photo", "photo_to_labels", "edges_to_photo", "grey_to_colour"}
compare: bool = True  # train the baseline (no discriminator) beside the method
adversary: str = None  # the discriminator sees input and output, the output alone, or there is none {"conditional", "unconditional", "none"}
pixel_loss: str = None  # what holds the output near the target {"l1", "l2"}
lambda_pixel: float = None  # weight of the pixel loss; 0 leaves the GAN alone [0, 1000000]
skips: bool = None  # U-Net (True), or the encoder-decoder of Table 2 (False)
patch_layers: int = None  # of the discriminator: patches of 1, 16, 34, 70, 142, 286 pixels [0, 5]
noise: bool = None  # one channel of Gaussian noise beside the input
average: float = None  # decay of the averaged generators, which translate; 0: the last weights do [0, 0.999999]

# %%
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from IPython.display import display
from ipywidgets import Dropdown, IntSlider

from i2i_tutor import chapter, checks, losses, plots, widgets
from i2i_tutor.data import facades
from i2i_tutor.data.streams import to_tensor, to_uint8
from i2i_tutor.film import Film, scrub
from i2i_tutor.measuring import judges, metrics, results
from i2i_tutor.methods.base import profiles
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.nn import PatchGAN, PixelGAN, ResNetGenerator, UNet, count_parameters
from i2i_tutor.training import make_optimisers, play


# %%
class Own:
    """The parameters of this chapter alone. Those of the recipe, and what None stands for, are in its last section."""

    source: Annotated[facades.Source, "drawn houses, or the paper's real ones"] = "procedural"
    task: Annotated[facades.Task, "what is translated into what"] = "labels_to_photo"
    compare: Annotated[bool, "train the baseline (no discriminator) beside the method"] = True


run = chapter.open_run(
    globals(), "01_pix2pix", RECIPES, Own,
    numbers=("adversary", "pixel_loss", "lambda_pixel", "skips", "patch_layers", "noise", "average"),
    slow="54 million weights, 80,000 steps of several seconds each: days",
)  # fmt: skip
recipe = run.recipe

# %% [markdown]
# (p2)=
# ## The problem
#
# We have pairs $(x, y)$ of an input image $x$ and a target image $y$, and want a generator $G$ that turns a new $x$ into a good $y$.
# Colouring grey pictures, painting photographs from sketches, reading a map from an aerial view: each was a field of its own, with a loss that experts had tuned for years.
# pix2pix uses one recipe for all of them.
# Beside $G(x, z)$, which may use noise $z$, there is a discriminator $D$.
# In formulas $D(x, y)$ is its probability for "real"; in code the network returns the *logit* $s$, and $D = \sigma(s)$ with the sigmoid $\sigma$.
#
# Our pairs are house fronts: a label map with twelve classes (window, door, balcony, ...) and a photograph.
# The paper used 400 real ones {cite:p}`tylecek2013`; with `source="cmp"` you do too.
# By default the houses are drawn by a program, for one reason: the *truth is known*, so that we can measure.
# A drawn house can be photographed again and again, in other materials, colours and light.
# Below, each row is one house.

# %% mystnb={"image": {"alt": "Two rows, each a label map and then two photographs of the same drawn house. Windows and doors stay in place, while wall colour, material, light and sky change from photograph to photograph."}}
houses = range(3, 5)
labels, _ = facades.draw(houses, 96)
shots = {"labels": to_tensor(facades.colourise(labels))}
for number in range(2):
    shots[f"photograph {number + 1}"] = to_tensor(facades.draw(houses, 96, photo=number)[1])
plots.grid(shots)

# %% [markdown]
# So "the" right answer does not exist: the plan says *window*, not *green window frame in evening light*.
# That is the whole difficulty, and it is the same for real pictures.

# %% mystnb={"image": {"alt": "Four columns of training pairs at the size of this run: label map and photograph, edges and the same photograph, a grey picture and the coloured one."}}
pairs = {}
for title, kind in {"labels": "labels_to_photo", "edges": "edges_to_photo", "grey": "grey_to_colour"}.items():
    example = facades.evaluation("procedural", recipe.size, count=3, task=kind)
    pairs[title] = example["input"]
pairs["photo"] = example["target"]
plots.grid(pairs)

# %% [markdown]
# (p10)=
# Each of the first three columns can be the input and the photograph the target, and labels and photograph also change places (`photo_to_labels`): one recipe, many tasks.
# The parameter `task` chooses; the text below follows `labels_to_photo`.
#
# (p1)=
# (p4)=
# ## The idea
#
# **Why not simply train $G$ to be close to $y$?** Because "close" has to be written down, and what is easy to write is wrong.
# Take one pixel that is bright in 70 of 100 photographs of a plan (value 1) and dark in 30 (value −1).
# A network sees only the plan, so it must give one answer to all hundred.

# %% mystnb={"image": {"alt": "Two curves over the answer from -1 to 1. The mean squared error is lowest at 0.4, the mean of the two right answers, a grey that never occurs. The mean absolute error is lowest at 1, the median."}}
answer = torch.linspace(-1, 1, 201)
bright, dark = 0.7, 0.3
absolute = bright * (answer - 1).abs() + dark * (answer + 1).abs()
squared = bright * (answer - 1) ** 2 + dark * (answer + 1) ** 2
print(f"best under L1: {answer[absolute.argmin()]:.2f}, under L2: {answer[squared.argmin()]:.2f}")
plots.lines(
    {"L1, mean |error|": (answer, absolute), "L2, mean squared error": (answer, squared)},
    x="answer of the network (-1 black, 1 white)", y="loss",
)  # fmt: skip

# %% [markdown]
# L2 answers with the **mean**, a grey that no photograph has.
# L1 answers with the **median**. In this toy that is a value which occurs.
# But a mortar line that crosses a pixel in three photographs of ten is voted away in *every* pixel, so the wall turns flat; and among many wall colours the median of each channel is a middling tone that may belong to no house.
# Both losses look at each pixel alone: neither knows that a picture is blurred.
#
# (p3)=
# **pix2pix lets a second network say what is wrong.** $D$ sees the input and an image *beside it* and learns to tell real pairs $(x, y)$ from made ones $(x, G(x))$.
# $G$ learns to make pairs that $D$ takes for real, and an L1 term keeps it near the target:
#
# $$
# \mathcal L_{cGAN} = \mathbb E_{x,y}[\log D(x, y)] + \mathbb E_{x,z}[\log(1 - D(x, G(x, z)))], \qquad
# G^* = \arg\min_G \max_D \mathcal L_{cGAN} + \lambda\, \mathbb E \lVert y - G(x, z) \rVert_1 .
# $$
#
# In words: $D$ maximises how well it tells real from made; $G$ minimises that, plus $\lambda$ times its mean distance to the target ($\lambda = 100$ in the paper, 10 in our short run).
# A blur is easy for $D$ to spot, so blurring stops paying off.
# And nobody wrote this loss by hand: it is learnt, and adapts to the data.
#
# ```
#         x (labels) ──────────────┬───────────────┐
#              │                   │               │
#              ▼                   ▼               ▼
#   z ──► generator G ──► fake ─► [x, fake] ─► discriminator D ─► a map of logits
#                          │                       ▲
#                          └── L1 to y    [x, y] ──┘
# ```
#
# Why *conditional*? A $D$ that sees only the image (the *unconditional* arm of our experiments) is content with any good photograph, even of another house.
#
# ## Predict, then measure
#
# Write down what you expect before you train; the last table puts it beside the paper and our measurement.
# Nothing is graded.

# %%
predictions = {
    "pix2pix-fcn": None,  # does the discriminator make the houses more readable than L1 alone? True or False
    "pix2pix-frechet": None,  # ... and their distribution closer to real photographs?
    "pix2pix-sharpness": None,  # ... and sharper?
    "pix2pix-mae": None,  # ... and FARTHER from the target in mean absolute error?
}

# %% [markdown]
# (p6)=
# ## The networks
#
# **The generator is a U-Net.** An encoder halves the image again and again (in the paper until one vector is left, here down to 4 × 4), a decoder doubles it back.
# That one vector is why the innermost layer has no normalisation: a single pixel minus its mean is zero.
# Position is the same in input and output, so every size has a *skip connection*: the decoder receives the encoder's picture of that size beside its own.
# Without skips ("encoder-decoder") every window's place would have to squeeze through the narrow middle.

# %%
rows = []
for name, make, paper in [
    ("U-Net, 256 px", lambda: UNet(depth=8), 54_413_955),
    ("U-Net, 128 px", lambda: UNet(depth=7), 41_828_995),
    ("encoder-decoder, 256 px", lambda: UNet(depth=8, skips=False), 39_075_459),
    ("PatchGAN 70 × 70, conditional", lambda: PatchGAN(6, layers=3), 2_768_705),
    ("PixelGAN 1 × 1, conditional", lambda: PixelGAN(6), 9_024),
    ("ResNet, 9 blocks (next chapter)", lambda: ResNetGenerator(blocks=9), 11_378_179),
]:
    with torch.device("meta"):  # shapes without memory
        rows.append((name, f"{count_parameters(make()):,}", f"{paper:,}"))
plots.table(["network", "weights here", "weights expected (official code; encoder-decoder: counted by hand)"], rows)

# %% [markdown]
# In this run they are smaller. One forward pass shows the shapes:

# %% tags=["nbval-check-output"]
torch.manual_seed(run.seed)
# for the step by hand below
paper_like = replace(RECIPES[run.profile], learning_rate=2e-4, lambda_pixel=100.0, average=0.0)
untrained = Pix2Pix(paper_like).to(run.device)
stream = facades.train(run.source, recipe.size, recipe.batch, run.seed, task=task, load_size=recipe.load_size)
batch = {key: images.to(run.device) for key, images in next(stream).items()}
x, y = batch["input"], batch["target"]
fake = untrained.generate(x)
logits = untrained.discriminate(x, fake)
print("x", tuple(x.shape), "-> G(x)", tuple(fake.shape), "-> D(x, G(x))", tuple(logits.shape))
print("values of G(x) within [-1, 1]:", bool(fake.abs().max() <= 1))

# %% [markdown]
# (p8)=
# **The discriminator is a PatchGAN.** It answers not once but with a map of logits, one for each overlapping patch, and its loss is their mean.
# It looks at texture: whether this piece of wall, with this plan under it, could come from a photograph.
# What is right at large, the L1 term already knows.
#
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
    print(strided, "strided layers:", receptive_field(PatchGAN(3, base=4, layers=strided, norm="none")), "pixels")

# %% [markdown]
# :::{admonition} Misconception: "PatchGAN cuts the image into pieces"
# :class: warning
# It never does. It is one convolutional pass over the whole image; the "patches" are the receptive fields of its outputs, and they overlap.
# Two proofs follow: it takes any size from 24 pixels on with the same weights, and moving through its logits moves a window over the image.
# :::

# %% tags=["nbval-check-output"]
patch_net = PatchGAN(3, base=4, layers=3, norm="none")
for side in (64, 128, 256, 512):
    logits_side = patch_net(torch.zeros(1, 3, side, side)).shape[-1]
    print(f"{side} px -> {logits_side} x {logits_side} logits")

# %%
house = facades.evaluation("procedural", 128, count=1)["target"]
explorer = PatchGAN(3, base=4, layers=2, norm="none")
frames, captions = [], []
for row, column in [(5, 5), (15, 15), (25, 15)]:
    image = house.clone().requires_grad_(True)
    explorer(image)[0, 0, row, column].backward()
    seen = (image.grad.abs().sum(dim=1, keepdim=True) > 0).float()
    frames.append(to_uint8(house * (0.25 + 0.75 * seen))[0])
    captions.append(f"logit ({row}, {column}) sees the bright square")
scrub(frames, captions, "The part of a house that one logit of the 34-pixel PatchGAN sees")

# %% [markdown]
# Before you move the slider: where is the square of logit (5, 25)? A logit further is 4 pixels further.
#
# (p5)=
# **Where is the noise $z$?** Given as an input, the paper found, it is ignored: it is easier for $G$ to learn one good answer than to map noise to variety.
# pix2pix keeps noise only as *dropout* in the decoder, at training **and** at test time.
# Whether that gives variety, we shall measure.
#
# ## The losses, from scratch
#
# A logit $s$ stands for the probability $\sigma(s)$ that a patch is real. $D$ is punished by $-\log\sigma(s)$ on real patches and $-\log(1-\sigma(s))$ on made ones.
# With the *softplus* $\log(1 + e^s)$ both take one line, and no logarithm ever meets a zero.


# %%
def discriminator_loss(real_logits, fake_logits):
    """Halved, as in the paper, so that D learns slower relative to G."""
    on_real = F.softplus(-real_logits).mean()  # -log sigmoid(s)
    on_fake = F.softplus(fake_logits).mean()  # -log(1 - sigmoid(s))
    return 0.5 * (on_real + on_fake)


def generator_loss(fake_logits, fake, target, weight=100.0):
    """The non-saturating form: G maximises log D instead of minimising log(1 - D)."""
    return F.softplus(-fake_logits).mean() + weight * (fake - target).abs().mean()


# %% tags=["nbval-check-output"]
real_logits, fake_logits = untrained.discriminate(x, y).detach(), untrained.discriminate(x, fake).detach()
torch.testing.assert_close(
    discriminator_loss(real_logits, fake_logits), 0.5 * losses.discriminator_loss(real_logits, fake_logits)
)
torch.testing.assert_close(
    generator_loss(fake_logits, fake, y), losses.generator_loss(fake_logits) + 100 * losses.l1(fake, y)
)
zero = torch.zeros(2, 1, 6, 6)
print("both equal the package's; an undecided D pays", f"{discriminator_loss(zero, zero):.4f} = ln 2")

# %% [markdown]
# Two details carry the whole recipe.
# The L1 term is a **mean** over all values, so $\lambda = 100$ means the same at any size; with a sum it would be 12,288 times stronger at 64 pixels and 196,608 times at 256.
# And $G$ *maximises* $\log D$ rather than minimising $\log(1 - D)$: where $D$ is sure that a patch is made, the latter has almost no gradient left.
#
# :::{admonition} Misconception: "a discriminator loss near zero is good"
# :class: warning
# It means that $D$ tells every made patch apart.
# The form above still has a gradient then, but it comes from a $D$ that no small change can fool, and is a poor guide.
# At $\ln 2 \approx 0.693$ it can't tell at all: because it is too weak, or because $G$ is that good. The curves below draw that line.
# :::

# %% tags=["nbval-check-output"]
sure = torch.tensor(-6.0, requires_grad=True)  # D is sure: this patch is made
for name, loss in {"log(1 - D)": -F.softplus(sure), "-log D": F.softplus(-sure)}.items():
    (slope,) = torch.autograd.grad(loss, sure)
    print(f"G minimises {name}: gradient {slope:.4f}")

# %% [markdown]
# ## One step by hand
#
# Here is a whole training step in plain PyTorch: $D$ moves first, then $G$ plays against the $D$ that has just learnt.


# %%
def step_by_hand(generator, discriminator, x, y):
    """One step of pix2pix with fresh Adam optimisers."""
    adam = [
        torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
        for net in (discriminator, generator)
    ]
    fake = generator(x)
    loss_d = discriminator_loss(discriminator(torch.cat([x, y], 1)), discriminator(torch.cat([x, fake.detach()], 1)))
    loss_d.backward()
    adam[0].step()
    loss_g = generator_loss(discriminator(torch.cat([x, fake], 1)), fake, y)
    loss_g.backward()
    adam[1].step()
    return loss_d.item(), loss_g.item()


# %% [markdown]
# The package says the same as a *game played in turns*: which loss, and who moves.
# The function `play` of `i2i_tutor.training` takes such a step for every method of this book.
# From the same weights and the same random state both end at the same weights, bit for bit:

# %% tags=["nbval-check-output"]
by_hand, by_play = deepcopy(untrained), deepcopy(untrained)
torch.manual_seed(1)  # dropout draws random numbers
step_by_hand(by_hand.generator, by_hand.discriminator, x, y)
torch.manual_seed(1)
play(by_play, make_optimisers(by_play), batch, step=0)
equal = all(torch.equal(a, b) for a, b in zip(by_hand.parameters(), by_play.parameters(), strict=True))
print("turns:", [(turn.loss, turn.moves) for turn in untrained.turns])
print("the step by hand equals the package's:", equal)
assert equal

# %% [markdown]
# Nothing was frozen and nothing detached in the package's version: `backward(inputs=...)` gives gradients to the player that moves, and to nobody else.
#
# ## Training
#
# This run is a small copy of the paper's: 64 instead of 256 pixels, batch 4, instance norm, four halvings, 1,000 steps at five times the learning rate.
# And $\lambda = 10$, because a drawn plan has far more right photographs than a real one.
# `recipe` holds the numbers; the paper's stand in the last section.
# What translates is not the generator's last weights but their average over the last hundred steps or so, which the paper does not take; `average=0` leaves it out.
#
# A judge first. To measure, we need a network that reads houses: a small segmenter, trained on *real* pairs of photograph and labels.
# It is trained once, with a seed of its own, and kept.
# It looks at every picture at 64 pixels, whatever the size at which it was made, and never sees the evaluation houses.

# %%
judge_size = min(recipe.size, 64)
truth = facades.ground_truth(run.source, judge_size)
judge, report = judges.segmenter(truth, steps=8 if run.profile == "smoke" else None)
run.record_judge(report)
held_out = facades.evaluation(run.source, judge_size, count=100, task=task)
print("on real photographs that it has never seen:", {k: round(v, 3) for k, v in report["held_out"].items()})


# %%
def measure(images):
    """FCN-score, distances to the real photographs, sharpness and mean absolute error of translated images."""
    images = F.interpolate(images.cpu(), judge_size, mode="bilinear", antialias=True).clamp(-1, 1)
    if task == "photo_to_labels":  # no network is needed to read a colour
        scores = metrics.label_score(images, held_out["labels"], torch.from_numpy(facades.COLOURS))
    else:
        scores = metrics.fcn_score(images, held_out["labels"], judge)
    distances = metrics.distribution_distances(held_out["target"], images, judges.Features(judge))
    return scores | distances | {
        "sharpness": metrics.sharpness(images, held_out["target"]),
        "mae": metrics.mean_absolute_error(images, held_out["target"]),
    }  # fmt: skip


# %% [markdown]
# Now both, from the same seed and on the same pictures: the **method** (L1 + cGAN), then the **baseline** (L1 alone), which is the same generator without a discriminator.
# A `Film` keeps what they make of four fixed houses while they learn.
# `run.fit` takes the recipe's number of steps with the package's `fit`, which calls `play` for each, shows a progress bar and writes checkpoints.
# A generator's loss of your own goes in as `own_loss(model, scene)`: the scene holds `scene.batch["input"]`, `scene.batch["target"]` and `scene.fake`; return named terms, for example `{"gan": ..., "l1": ...}`.

# %%
test = facades.evaluation(run.source, recipe.size, count=100, task=task)


def train(arm, numbers, own_loss=None):
    """Train one model of this chapter; returns it with its history and its film."""
    torch.manual_seed(run.seed)
    model = Pix2Pix(numbers)
    if own_loss:
        model.generator_loss = partial(own_loss, model)
    data = facades.train(run.source, numbers.size, numbers.batch, run.seed, task=task, load_size=numbers.load_size)
    film = Film(test["input"][:4], numbers.steps)
    return model, run.fit(arm, model, data, film), film


# %%
trained = {"L1 + cGAN": train("method", recipe)}
if compare:
    trained["L1"] = train("baseline", replace(recipe, adversary="none", lambda_pixel=recipe.lambda_pixel or 100.0))

# %% mystnb={"image": {"alt": "Loss terms of the method over the steps. The discriminator's loss and the generator's GAN term start at the dashed undecided line, ln 2; the discriminator settles below it and the generator's term above. The L1 term shows no trend."}}
model, history, film = trained["L1 + cGAN"]
plots.curves(history, undecided={"discriminator": 0.6931, "gan": 0.6931})

# %% [markdown]
# The dashed line is $\ln 2$, where a player cannot tell.
# Ask the L1 curve at which step the pictures became good: it does not know.
# Loss curves of a GAN say whether the game is alive, not whether the pictures are good.
# Leaf through the film:

# %%
scrub(
    film.frames,
    film.labels,
    "Four houses as the generator paints them while it learns",
    enlarge=2 if recipe.size <= 128 else 1,
)

# %% [markdown]
# ## Results

# %% mystnb={"image": {"alt": "Five houses in rows; columns: label map, L1 alone, L1 with conditional GAN, one real photograph. L1 alone gives flat grey-brown fronts with faint windows; with the discriminator windows, roof and door stand out in strong contrast and colour, in the right places but rough, and in other colours than the photograph."}}
outputs = {name: run.in_parts(net.translate, test["input"]) for name, (net, _, _) in trained.items()}
columns = {"input": test["input"], **outputs, "a real photo": test["target"]}
order = [name for name in ("input", "L1", "L1 + cGAN", "a real photo") if name in columns]
run.show("results.png", plots.grid({name: columns[name][:5] for name in order}))

# %% [markdown]
# Compare wall by wall. Where L1 gives one flat tone, the discriminator has made $G$ decide on something.
# It need not be what the photograph in the last column shows: it is *a* photograph of this plan, or on its way to one, not *the* one.
# After so few steps it is no good photograph either; the numbers below say how far it has come.
#
# **Change a plan yourself.** In a running notebook the controls repaint a house: every pixel of one class becomes another.
# The page shows the first state.

# %% mystnb={"image": {"alt": "A plan whose windows have been turned into doors, and its translation: where the windows were, the generator paints what it knows of doors."}}
classes = list(facades.CLASSES)


def repainted(house, every, becomes):
    """Translate an evaluation plan in which all pixels of one class have become another."""
    ids = test["labels"][house : house + 1].clone()
    ids[ids == classes.index(every)] = classes.index(becomes)
    plan = facades.painted(ids)
    return plots.grid({"changed plan": plan, "L1 + cGAN": run.in_parts(model.translate, plan)}, scale=1.6)


if task == "labels_to_photo":
    widgets.live(
        repainted,
        house=IntSlider(value=1, max=len(test["labels"]) - 1, continuous_update=False),
        every=Dropdown(options=classes, value="window"),
        becomes=Dropdown(options=classes, value="door"),
    )

# %% [markdown]
# (p7)=
# **Who does what?** The power spectrum separates coarse from fine: how much brightness varies at one cycle per image, at two, at ten.

# %% mystnb={"image": {"alt": "Power spectra on logarithmic axes. The L1 curve lies below that of real photographs everywhere, three times at low and twenty times at high frequencies; L1 with conditional GAN stays close to the photographs throughout."}}
curves = {"real photographs": test["target"], **outputs}
spectra = {name: metrics.spectrum(images)[1:].tolist() for name, images in curves.items()}
cycles = range(1, recipe.size // 2)
plots.lines(
    {name: (cycles, power) for name, power in spectra.items()},
    x="frequency (cycles per image width)", y="power (squared brightness)", log="xy",
)  # fmt: skip

# %% [markdown]
# Compare the curves left and right.
# The paper's idea is a division of labour: L1 for the coarse left half, small patches for the fine right half.
# Here L1 loses power everywhere, because even the colour of a whole wall is a guess; but it loses most on the right.
# What either half gained over L1 alone, only the discriminator can have added, since nothing else differs.

# %% [markdown]
# (fcn-score)=
# ## Measuring
#
# The paper's measure is the **FCN-score**: if the pictures are good, a segmenter trained on real photographs reads from them the plan that they were made from.
# *Pixel accuracy* counts pixels, *class accuracy* gives every class the same weight, *class IoU* also punishes false finds.
# Beside it stand two distances between *sets* of pictures in the judge's features, which we do not call FID because they are not in Inception's features.
#
# Three fixed points put the numbers in place: the real photographs (no generator should read better), the input itself, and one average grey.
# The photographs are compared with themselves here: their distances of 0, sharpness of 1 and error of 0 are so by construction, only the three scores are measured.
# *Sharpness* is the power in the upper half of the spectrum, as a share of the photographs'.

# %%
grey = test["target"].mean().expand_as(test["target"])
for name, images in {"real photographs": test["target"], "input copied": test["input"], "average grey": grey}.items():
    run.record(name, measure(images))
for arm, name in {"method": "L1 + cGAN", "baseline": "L1"}.items():
    if name in outputs:
        run.record(arm, measure(outputs[name]))
names = ["pixel_accuracy", "class_accuracy", "class_iou", "frechet", "kernel", "sharpness", "mae"]
plots.table(
    [
        "",
        "pixel acc. ↑",
        "class acc. ↑",
        "class IoU ↑",
        "Fréchet (world) ↓",
        "kernel (world) ↓",
        "sharpness → 1",
        "mean abs. error ↓",
    ],
    [(arm, *(scores[name] for name in names)) for arm, scores in run.metrics.items()],
)

# %% [markdown]
# The arrows say which way is better. Read the last column twice: the sharper picture is *farther* from the target.
#
# :::{admonition} Misconception: "a lower pixel error means a better picture"
# :class: warning
# The safest guess has the lowest error: blur pays. Sharp pictures that decide wrongly pay double.
# This is why the paper measures with a judge and with people, and why a pixel error alone can't rank these two.
# :::
#
# ### All arms, three seeds
#
# **When the FCN-score misleads.** It asks only whether the judge can read the plan.
# A generator that paints every house in the same style reads perfectly; a fine photograph in a material that the judge never saw reads badly.
# So never read it without the distance beside it.
#
# One run proves little. The rows below come from `make sweep CHAPTER=pix2pix`: the same notebook with seeds 0, 1 and 2 for every *arm*, as one variant of an experiment is called.
# One thing differs from arm to arm.
# The sweep trains 600 steps, the run above more, so compare arms within a table, not with the table above.
# The paper's numbers come from street scenes with other classes (Cityscapes): compare the order, not the values.

# %%
swept = results.sweep("pix2pix")
SWEPT = {
    "pixel_accuracy": "pixel acc.",
    "class_accuracy": "class acc.",
    "class_iou": "class IoU",
    "frechet": "Fréchet (world)",
    "sharpness": "sharpness",
}

# %% [markdown]
# (p9)=
# **Which loss?** (the paper's Table 1: per-pixel / class accuracy / class IoU on Cityscapes: L1 .42 / .15 / .11, GAN .22 / .05 / .01, cGAN .57 / .22 / .16, L1 + GAN .64 / .20 / .15, L1 + cGAN .66 / .23 / .17, real pictures .80 / .26 / .21)

# %%
plots.table(*results.table(swept, ["l1", "l2", "gan", "cgan", "l1_gan", "l1_cgan"], SWEPT))

# %% [markdown]
# Two rows agree with the paper and two do not.
# L1 alone is unreadable, and a discriminator beside it makes the pictures readable, conditional or not.
# But a discriminator *without* L1 is here no better than L1 alone, whether it sees the plan or not, where the paper's conditional GAN was.
# Our best explanation is the length: in 600 steps $D$ teaches texture, which every patch shows at once, before it teaches that texture and plan belong together; the L1 term teaches the plan from the first step on.
# A longer run of the arm `cgan` would decide it; nobody has made it yet.
#
# The same numbers on two axes: does it *look like a photograph* (distance to the real set, left is better), and does it *keep the plan* (class IoU, up is better)?
# Every method of this book is a way of moving in this picture.

# %% mystnb={"image": {"alt": "Scatter plot of all arms and seeds: Fréchet distance against class IoU. The arms without a discriminator lie low and far to the right, those with L1 and a discriminator high and to the left, and those with a discriminator alone low and in between."}}
axes = {name: results.by_arm(swept, name) for name in ("frechet", "class_iou")}
arms = ["l1", "l2", "gan", "cgan", "l1_gan", "l1_cgan"]
plots.scatter(
    {arm: (axes["frechet"].get(arm, []), axes["class_iou"].get(arm, [])) for arm in arms},
    x="Fréchet distance (world features) to real photographs", y="class IoU (plan kept)",
)  # fmt: skip

# %% [markdown]
# **Skips or not?** (Table 2, at batch 10: encoder-decoder L1 .35 / .12 / .08, L1 + cGAN .29 / .09 / .05; U-Net L1 .48 / .18 / .13, L1 + cGAN .55 / .20 / .14. Without skips the GAN makes it *worse*.)

# %%
plots.table(*results.table(swept, ["no_skips_l1", "no_skips", "l1", "l1_cgan"], SWEPT))

# %% [markdown]
# As in the paper, the encoder-decoder loses most of the plan.
# Unlike there, the discriminator helps it too. Its narrowest place is here a map of 4 × 4, not one vector, so some of the plan gets through; whether that is the reason, nobody has tested.

# %% [markdown]
# **How large a patch?** (Table 3: 1 × 1 .39 / .15 / .10, 16 × 16 .65 / .21 / .17, 70 × 70 .66 / .23 / .17, 286 × 286 .42 / .16 / .11. Our pictures are a quarter as wide, so our 16 and 34 pixels correspond to the paper's 70 and 142, and our 70 covers the whole picture.)

# %%
arms = ["patch_1", "l1_cgan", "patch_34", "patch_70"]  # l1_cgan has patches of 16 pixels
plots.table(*results.table(swept, arms, SWEPT))

# %% [markdown]
# Two findings. Beyond 16 pixels the pictures get worse, as in the paper beyond 70: a larger $D$ has more to learn, and fewer, less independent patches to learn it from.
# But the patch of *one* pixel, the worst in the paper, reads best here and lies close to the photographs in the judge's features.
# Look at its sharpness before you call it the winner. A discriminator of one pixel learns which colours belong to which class, and L1 puts them in their place: exactly what our judge needs to read the plan.
# What no single pixel shows is texture, and there is little of it: the number says so, and so do the pictures of these runs.
# A score that a blur can win is a score to be read beside another one.

# %% [markdown]
# **Photographs to labels** (Table 6: L1 .86 / .42 / .35, cGAN .74 / .28 / .22, L1 + cGAN .83 / .36 / .29).
# Here a photograph has *one* right answer, so the safe answer is also the right one, and the discriminator has little to add.

# %%
plots.table(*results.table(swept, ["photo_to_labels_l1", "photo_to_labels_cgan", "photo_to_labels_l1_cgan"], SWEPT))

# %% [markdown]
# L1 alone is read best, as in the paper. The discriminator makes the label maps *look* like label maps: crisp, in the right colours, near the true ones as a set.
# But a crisp wrong label costs as much as a blurred one, and blur is where L1 admits that it does not know.

# %% [markdown]
# **Is noise at the input used?** We translate each plan twice with new noise and dropout, and compare the two pictures.

# %% mystnb={"image": {"alt": "Three plans, and for each two translations with new random draws. Plan and layout are the same in both; fine grain and colours of small parts differ."}}
first, second = (run.in_parts(model.translate, test["input"][:50], 50) for _ in range(2))
between_draws = float((first - second).abs().mean())
if run.source == "procedural" and task == "labels_to_photo":  # only drawn houses can be photographed again
    again = range(facades.FIRST_EVALUATION_HOUSE, facades.FIRST_EVALUATION_HOUSE + 50)
    photos = [to_tensor(facades.draw(again, recipe.size, photo=facades.EVALUATION_PHOTO + k)[1]) for k in (1, 2)]
    between_photos = float((photos[0] - photos[1]).abs().mean())
    run.record("method", {"variation": between_draws / between_photos})
    print(f"two draws of z differ by {between_draws:.3f}, two photographs of a house by {between_photos:.3f}")
plots.grid({"input": test["input"][:3], "one draw": first[:3], "another": second[:3]})

# %%
share = "difference of two draws, as a share of the difference of two photographs (each seed)"
plots.table(*results.table(swept, ["l1_cgan", "noise"], {"variation": share}))

# %% [markdown]
# The paper reports an almost deterministic output. Ours is not: dropout alone moves our pictures by a good part of what separates two photographs.
# But the question of this section is the second row: does a channel of noise *add* to it? It does not.
# And look at the two draws: is it a material that moves, or only grain?
#
# ### Real façades
#
# The same notebook with `source="cmp"` trains on the paper's 400 real pairs. The photographs may not be shown here (their licence is unclear), their numbers may:

# %%
plots.table(*results.table(swept, ["cmp_l1", "cmp_l1_cgan"], SWEPT))

# %% [markdown]
# The order is that of the drawn houses: L1 alone is not read, with a discriminator the plan is back.
# The judge of these two rows was trained on the real training photographs. They are few, and it shows: this is how well each judge reads photographs that it has never seen, of its own world and of the other.

# %%
names = {"procedural": "drawn houses", "cmp": "real façades"}
rows = [
    (names[row["trained"]], names[row["read"]], row["pixel_accuracy"], row["class_accuracy"], row["class_iou"])
    for row in results.sweep("judges")
]
plots.table(["judge trained on", "reads", "pixel acc.", "class acc.", "class IoU"], rows)

# %% [markdown]
# A judge of drawn houses recognises real ones only in part, so the drawn world is no stand-in for photographs: it is a place where the truth is known.
# So compare the two real rows with each other only.

# %% [markdown]
# ## The claims
#
# Every claim and its margin was written into `book/claims.toml` before the runs that judge it.
# First what this run measured, beside your predictions; then the claims that need the sweep.

# %%
run.claims_table(predictions)

# %%
plots.table(*results.claims_table("01_pix2pix"))

# %% [markdown]
# (p11)=
# ## Break it
#
# The paper names its own failures: input that is sparse, or unlike anything in training.
# An empty wall, a plan turned on its head, and a chessboard of windows:

# %% mystnb={"image": {"alt": "Three unusual plans and what the network paints. The empty wall becomes blotches of wall texture that are not in the plan, the plan on its head keeps its windows upside down, the chessboard becomes noise without squares. None looks like a house."}}
chessboard = (torch.arange(recipe.size)[:, None] // 8 + torch.arange(recipe.size) // 8) % 2 + 1  # facade and window
empty, squares = facades.painted(torch.stack([torch.ones_like(chessboard), chessboard])).split(1)
unusual = torch.cat([empty, test["input"][:1].flip(2), squares])
plots.grid({"input": unusual, "L1 + cGAN": run.in_parts(model.translate, unusual)})

# %% [markdown]
# Nothing warns you: the network never says "I don't know".
#
# **What $D$ sees.** Its logits as a map over a real and a made photograph of one plan: bright means "real".

# %% mystnb={"image": {"alt": "A real and a made photograph of one plan, each beside the discriminator's map of probabilities. The real one's map is almost white, the made one's dark grey, darker in some patches than in others."}}
if recipe.adversary != "none":
    with torch.no_grad():
        plan = test["input"][:1].expand(2, -1, -1, -1).to(run.device)
        shown = torch.cat([test["target"][:1], outputs["L1 + cGAN"][:1]]).to(run.device)
        belief = torch.sigmoid(model.discriminate(plan, shown))
    belief = F.interpolate(belief, recipe.size).cpu() * 2 - 1
    display(plots.grid({"real, then made": shown.cpu(), "D's belief": belief}))

# %% [markdown]
# **A larger picture.** Both networks are convolutional, so a house of twice the size can be painted without training anew.

# %% mystnb={"image": {"alt": "A plan of twice the training size and the painted house: windows and walls keep their texture at the scale they had in training, so they look finer relative to the house."}}
large = facades.evaluation("procedural", min(2 * recipe.size, 512), count=2, task=task)
plots.grid({"input": large["input"], "L1 + cGAN": run.in_parts(model.translate, large["input"])}, scale=1.6)

# %% [markdown]
# :::{admonition} Misconception: "train with dropout, test without"
# :class: warning
# pix2pix is tested as it was trained: dropout on, and normalisation with each picture's own statistics.
# Calling `.eval()` on the official network with batch norm switches to running averages of other pictures, and the results get worse: it is among the most asked questions about that code.
# `Pix2Pix.translate` keeps the training behaviour without changing anything that was learnt.
# :::

# %% tags=["nbval-check-output"]
before = deepcopy(model.state_dict())
still = Pix2Pix(replace(recipe, dropout_layers=0)).to(run.device)  # the same networks without their dropout
still.load_state_dict(before)
same = torch.equal(still.translate(x), still.translate(x))
changed = any(not torch.equal(before[name], value) for name, value in model.state_dict().items())
print("without dropout two translations are equal:", same, "| translating changed the model:", changed)

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
# Someone else's step is the one above, but it begins with `fake = generator(x).detach()`. Both losses are finite, and the pictures never change. Why?
# ```
#
# ```{solution} ex-detach
# :class: dropdown
# $G$ gets no gradient from the GAN term and none from L1: the graph is cut. Detach only inside $D$'s loss.
# ```
#
# ```{exercise}
# :label: ex-noise
# Give $G$ a reason to use $z$: add a term that rewards two translations of the same plan for differing. Train with `noise=True` and your own loss (`own_loss`; `scene.fake` is one draw, `model.generate(x)` another), and measure `variation` again. What does the class IoU do?
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
# The paper's networks, on the paper's data (downloaded at the first run, 35 MB): U-Net of 54 million weights, batch 1, $\lambda = 100$, 200 epochs of 400 façades; as in the official PyTorch code, the learning rate falls to zero over the last hundred.
#
# ```bash
# make run CHAPTER=pix2pix PROFILE=paper SOURCE=cmp
# ```
#
# Every number of the three profiles:

# %%
plots.table(*profiles(RECIPES))

# %% [markdown]
# The paper reports less than two hours on one GPU of 2016 (a Titan X).
# One image costs about 44 billion multiplications a step, of which the discriminator takes more than half.
# Without a GPU the profile asks for `allow_slow=True`; with `steps=1` it shows that one true step fits your machine.
# What we have not done is run it to the end, so this chapter shows no result at that size.
#
# ## Close
#
# **In three sentences.** A loss that compares pixels rewards the average of all right answers, and the average is a blur.
# A discriminator that sees input and output together learns what the blur is, and makes the generator decide.
# L1 for the coarse, a PatchGAN for the fine: with that division one recipe serves many tasks.
#
# :::{admonition} Quiz
# :class: tip dropdown
# 1. Why does $D$ see $x$ as well? *Else any good photograph of any house satisfies it.*
# 2. $D$'s loss sits at 0.69 for a thousand steps. Good? *You cannot know: either $D$ is too weak, or the made pictures can't be told from real ones. Look at them.*
# 3. The L1 loss of a run is lower than another's. Whose pictures are better? *Nobody knows from that.*
# 4. Why is the innermost encoder layer without norm? *With one pixel and batch 1, value minus mean is zero: the output would carry nothing.*
# 5. How many logits does the 70-pixel PatchGAN give at 256 pixels? *30 × 30.*
# 6. Which task should *not* need a discriminator, and why? *Photograph to labels: there is one right answer.*
# :::
#
# **What is left open.** All of this needed *pairs*, and pairs are rare: nobody has photographed the same horse as a zebra.
# CycleGAN {cite:p}`zhu2017` asks what can be learnt from two piles of pictures that belong to nobody.
#
# :::{admonition} 한국어 요약
# :class: note dropdown
# pix2pix는 짝을 이룬 영상 (x, y)로 영상 변환을 학습한다.
# 생성자(generator)는 입력을 그림으로 바꾸고, 판별자(discriminator)는 그림을 입력과 함께 보며 진짜와 가짜를 구별한다.
# L1 손실만 쓰면 가능한 답들의 중앙값에 가까운 흐린 그림이 나온다.
# 조건부 생성적 적대 신경망(GAN) 손실은 선명한 질감을 되살린다.
# L1은 저주파를, PatchGAN은 고주파를 맡는다.
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
