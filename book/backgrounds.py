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
# # Short backgrounds
#
# One idea per section: at most 150 words, about ten lines that run, one figure.
# Chapters link here; come when you need one, and go back.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from torch import nn

from i2i_tutor import plots
from i2i_tutor.data import adaptation, herd, objects, safari, streets
from i2i_tutor.data.streams import to_tensor
from i2i_tutor.measuring import metrics
from i2i_tutor.nn import PatchGAN, UNet

torch.manual_seed(0)
plt.rcParams.update(plots.STYLE | {"figure.constrained_layout.use": True})

# %% [markdown]
# (b1)=
# ## A GAN is a game, and why that stops the blur
#
# Ask a network for *one* answer where several are right, and punish it by the squared error: the best it can do is their mean.
# The mean of two sharp photographs is a blurred one, which nobody would call a photograph.
#
# A GAN {cite:p}`goodfellow2014` replaces the formula by an opponent.
# The discriminator $D$ learns to tell real from made, the generator $G$ learns to fool it:
#
# $$
# \begin{split}
# \min_G \max_D \; &\mathbb E_y[\log D(y)] \\
# &+ \mathbb E_z[\log(1 - D(G(z)))].
# \end{split}
# $$
#
# The mean is no longer safe: it looks like nothing in the data, so $D$ finds it at once.
# Below, the right answers are $-1$ and $+1$.
# The squared error is lowest at $0$, exactly where the best possible $D$ is surest that it sees a fake.


# %% mystnb={"image": {"alt": "Two curves over the answer from -2 to 2. The mean squared error is lowest at 0, where the best discriminator's belief that the answer is real is close to nought; that belief is high around the two right answers, -1 and 1."}}
def bell(x, mean, width):
    return np.exp(-(((x - mean) / width) ** 2) / 2) / width


answer = np.linspace(-2, 2, 401)
squared_error = ((answer + 1) ** 2 + (answer - 1) ** 2) / 2
real = (bell(answer, -1, 0.2) + bell(answer, 1, 0.2)) / 2
made = bell(answer, 0, 0.5)  # by a G that answers around the mean
best_discriminator = real / (real + made)

figure, axis = plt.subplots(figsize=(5, 2.4))
axis.plot(answer, squared_error / squared_error.max(), label="mean squared error (its maximum = 1)")
axis.plot(answer, best_discriminator, "--", label="D's belief that the answer is real")
axis.set(xlabel="answer", ylabel="error or probability", ylim=(0, 1.45))
axis.legend(loc="upper center")
plt.show()

# %% [markdown]
# (b2)=
# ## A conditional GAN must also fit its input
#
# A plain GAN makes *some* façade.
# A conditional one {cite:p}`mirza2014` gets an input $x$ and must make the façade that belongs to it: both players see $x$, as $G(x, z)$ and $D(x, y)$.
# If $D$ saw the output alone, $G$ could draw one beautiful house for every drawing, and $D$ would have nothing to say.
#
# In code, "sees $x$ too" is one concatenation along the channels.
# Swap the inputs of two pictures, and a conditional $D$ changes its verdict; an unconditional one cannot even notice.

# %% mystnb={"image": {"alt": "Bars: swapping the inputs of two pairs changes the verdict of the conditional discriminator and leaves that of the unconditional one exactly as it was."}}
x, y = torch.rand(2, 2, 3, 64, 64) * 2 - 1  # two inputs, two outputs
conditional, unconditional = PatchGAN(6, 16, 2), PatchGAN(3, 16, 2)
verdict = {
    "conditional D(x, y)": lambda x: conditional(torch.cat([x, y], dim=1)),
    "unconditional D(y)": lambda x: unconditional(y),
}
change = {name: (judge(x) - judge(x.flip(0))).abs().mean().item() for name, judge in verdict.items()}

figure, axis = plt.subplots(figsize=(5, 1.5))
axis.barh(list(change), list(change.values()), color=["#0072B2", "#D55E00"])
axis.set_xlabel("mean change of the logit when the inputs are swapped")
plt.show()

# %% [markdown]
# (b3)=
# ## The U-Net carries detail past the bottleneck
#
# An encoder-decoder squeezes the picture into a small code and grows the output from it.
# Whatever does not fit through the middle is lost; edges go first.
# In image-to-image translation, input and output show the *same* edges, so losing them is a pity.
#
# A U-Net {cite:p}`ronneberger2015` copies the features of every encoder layer to the decoder layer of the same size and concatenates them there.
# The middle then only has to decide *what* things are; *where* they are comes over the bridge.
#
# Below, both networks get the same sixty steps to learn the easiest task of all: repeat the input.

# %%
mosaics = torch.rand(8, 3, 8, 8).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3) * 2 - 1
curves = {}
for name, skips in {"U-Net": True, "without skips": False}.items():
    torch.manual_seed(0)
    net = UNet(3, 3, base=8, depth=4, norm="instance", dropout_layers=0, skips=skips)
    adam, curves[name] = torch.optim.Adam(net.parameters(), lr=2e-3), []
    for _ in range(60):
        loss = (net(mosaics) - mosaics).abs().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        curves[name].append(loss.item())

# %% mystnb={"image": {"alt": "Error against steps on a logarithmic axis. Both curves fall; the U-Net's ends well below that of a network without skips."}}
figure, axis = plt.subplots(figsize=(5, 2.2))
for (name, curve), style in zip(curves.items(), ("-", "--"), strict=True):
    axis.semilogy(curve, style, label=f"{name}: {curve[-1]:.3f} at the end")
axis.set(xlabel="step", ylabel="mean absolute error")
axis.legend()
plt.show()

# %% [markdown]
# (b4)=
# ## Segmentation, and what a pixel label costs
#
# Classification names a picture; *semantic segmentation* names every pixel {cite:p}`long2015`.
# A network for it gives one score per class and pixel, and is trained with the cross-entropy of each pixel.
#
# The labels are the price.
# Somebody has to draw them: a finely annotated street scene of Cityscapes took more than 1.5 hours {cite:p}`cordts2016`.
# So one would love to *turn labels into pictures*, or cheap pictures into dear ones, which is half of what this book does.
#
# How good a segmentation is, one matrix tells: count how often true class $i$ was called $j$.
# Pixel accuracy is its trace over its sum; it forgives a network that never finds a small class.
# The *intersection over union* (IoU) of each class, averaged, does not.

# %% mystnb={"image": {"alt": "A bar chart: naming every pixel 'wall' is right for 90 per cent of the pixels, but the mean IoU of wall and window is only 45 per cent."}}
truth = np.zeros((10, 10), dtype=int)
truth[2:4, 2:7] = 1  # a tenth of the picture is window
guess = np.zeros_like(truth)  # "it is all wall"
confusion = np.histogram2d(truth.ravel(), guess.ravel(), bins=2, range=[[0, 2], [0, 2]])[0]
accuracy = np.trace(confusion) / confusion.sum()
iou = np.diag(confusion) / (confusion.sum(0) + confusion.sum(1) - np.diag(confusion))

figure, axis = plt.subplots(figsize=(5, 1.5))
axis.barh(["mean IoU", "pixel accuracy"], [100 * iou.mean(), 100 * accuracy], color=["#D55E00", "#0072B2"])
axis.set(xlabel="per cent", xlim=(0, 100))
plt.show()

# %% [markdown]
# (b5)=
# ## Domain adaptation: the same question, asked elsewhere
#
# A network learns on a *source* domain, where labels are cheap, and is to work on a *target* domain, where there are none.
# Between the two lies the domain gap: other light, other cameras, other backgrounds.
#
# Two older families work on *features*.
# One maps the source's features onto the target's; CORAL {cite:p}`sun2016` gives them the target's mean and covariance, as below.
# The other trains features from which nobody can tell the domain {cite:p}`ganin2016`.
# {ref}`Chapter 5 <d2>` adapts the pixels instead.
#
# Dots are features of two classes; the classifier takes the nearer class mean.
# Trained on the source it is lost on the target, because the whole target lies on one side of its border.
# Trained on the moved source it is not.
# No label of the target was used: only its mean and its covariance, which pictures without labels have, too.


# %%
def power(covariance, exponent):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * values**exponent @ vectors.T


rng = np.random.default_rng(0)
label = rng.integers(0, 2, 300)
source, target = (rng.normal(size=(300, 2)) * 0.5 + np.where(label[:, None], [1.5, 0], [-1.5, 0]) for _ in range(2))
target = target @ [[0.6, 0.2], [0.2, 0.5]] + [3, 1]
whitened = (source - source.mean(0)) @ power(np.cov(source.T), -0.5)
moved = whitened @ power(np.cov(target.T), 0.5) + target.mean(0)

# %% mystnb={"image": {"alt": "Three panels of dots in two classes. The source's two clusters lie left and right of the origin; the target's are smaller, slanted and shifted away, and classified no better than by chance; the source moved to the target's mean and covariance covers it, and nearly all target dots are classified rightly."}}
figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.2), sharex=True, sharey=True)
for axis, (name, dots) in zip(axes, {"source": source, "target": target, "source, moved": moved}.items(), strict=True):
    distance = [((target - dots[label == k].mean(0)) ** 2).sum(1) for k in (0, 1)]
    accuracy = ((distance[1] < distance[0]) == label).mean()
    for k, marker in enumerate("o^"):
        axis.plot(*dots[label == k].T, marker, markersize=2)
    axis.set(title=name if name == "target" else f"{name}: {accuracy:.0%} on target", xlabel="feature 1")
plt.show()

# %% [markdown]
# (b6)=
# ## Siamese networks: one network looks at both
#
# Do two signatures come from one hand? Nobody can have a class for every hand.
# A **Siamese network** {cite:p}`bromley1993` answers questions about *two* inputs: both go through the same network, and their features are compared.
# Because the weights are shared, equal inputs get equal features.
# If only the distance of the features counts, exchanging the two inputs changes nothing, either.
#
# The squared distance $\delta$ of the features becomes a similarity between 0 and 1:
#
# $$
# s = e^{-\delta} .
# $$
#
# It learns from pairs, *same* or *not the same*, and pairs are plentiful: a thousand pictures make half a million.
#
# Below, pairs of handwritten digits that training has not seen. The network was never told what a seven is, only whether two pictures show the same.

# %% mystnb={"image": {"alt": "Histograms of the similarity of pairs of digits. Pairs of the same digit pile up near 1, other pairs near 0."}}
digits, names = (torch.tensor(part) for part in load_digits(return_X_y=True))
embed = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))  # one network, used twice
optimiser = torch.optim.Adam(embed.parameters(), lr=3e-3)


def similarity(start, end, count):
    one, other = torch.randint(start, end, (2, count))
    features = [embed(digits[some].float() / 16) for some in (one, other)]
    return torch.exp(-(features[0] - features[1]).square().sum(1)), names[one] == names[other]


for _ in range(600):
    found, same = similarity(0, 1200, 512)
    weight = 1 + 8 * same  # one pair in ten shows the same digit
    F.binary_cross_entropy(found.clamp(1e-6, 1 - 1e-6), same.float(), weight).backward()
    optimiser.step()
    optimiser.zero_grad()
found, same = (some.detach() for some in similarity(1200, len(digits), 4000))
plots.histogram({"the same digit": found[same], "two digits": found[~same]}, x="similarity")

# %% [markdown]
# (b7)=
# ## Attention: the question decides where to look
#
# Attention gives every place of a picture a weight, and looks harder where the weight is large.
# A **question** decides where: a vector $q$, which is compared with what stands at each place, $k_i$ {cite:p}`vaswani2017`:
#
# $$
# a_i = \operatorname{softmax}_i\big( q \cdot k_i \,/\, \tau \big) .
# $$
#
# So one picture has as many maps as there are questions, and the weights of each map add up to 1.
# No place is ever ruled out entirely: all of them keep a gradient, by which a network learns what to ask.
#
# The map of {ref}`chapter 6 <a3>` is simpler.
# Its networks are always asked the same, *what tells this pile from the other?*, and every pixel answers for itself, with a number between 0 and 1.
#
# Below, each question is a place of the picture itself, marked by a cross: what looks like this?

# %% mystnb={"image": {"alt": "A zebra in a meadow and three attention maps of it, each with a cross at the place that asks. Asked from the sky, the sky is bright; asked from the ground, the ground; asked from the zebra, mostly the zebra."}}
picture = safari.evaluation("procedural", 64, count=3)["b"][2:]
mean, square = (F.avg_pool2d(x, 5, 1, 2, count_include_pad=False) for x in (picture, picture**2))
places = {"sky": (4, 32), "ground": (56, 5), "zebra": (36, 37)}
keys = torch.cat([mean, (square - mean**2).clamp(min=0).sqrt()], dim=1)[0].flatten(1)  # colour and contrast around
keys = F.normalize((keys - keys.mean(1, keepdim=True)) / keys.std(1, keepdim=True), dim=0)
figure, axes = plt.subplots(1, 4, figsize=(6.4, 1.8))
axes[0].imshow(picture[0].permute(1, 2, 0).add(1).div(2))
for axis, (name, (row, column)) in zip(axes[1:], places.items(), strict=True):
    weights = (keys[:, 64 * row + column] @ keys / 0.1).softmax(0).view(64, 64)
    axis.imshow(weights, cmap="gray")
    axis.plot(column, row, "x", color="tab:orange")
    axis.set_title(name)
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# (b8)=
# ## Self-supervision: labels that the data carry with them
#
# Labels are expensive, pictures are cheap. So ask something whose answer you know without asking anybody: a **pretext task**.
# Turn a picture and ask by how much; take its colours away and ask for them; shuffle its parts and ask where they belong {cite:p}`noroozi2016`.
# Nobody needs the answer. What we want is what the network has to learn in order to give it.
#
# What that is depends on the task, and a network takes the easiest way.
# If a frame around the picture gives the answer away, it learns to see frames.
#
# Below, streets are cut into three strips, and a small network is told which strip was above, in the middle and below.
# Then it puts new streets in order. To do so it must tell sky from road; no one has ever named either.

# %% mystnb={"image": {"alt": "Two columns of four streets. Left, the three strips of each are in a wrong order, with the sky below or in the middle. Right, the network has put them back: sky, houses, road."}}
stream = streets.train("procedural", 48, 8, seed=1)
place = nn.Sequential(nn.Conv2d(3, 16, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
optimiser = torch.optim.Adam(place.parameters(), lr=1e-2)
free = torch.arange(3).repeat(8)  # the labels: nobody wrote them
for _ in range(80):
    strips = next(stream)["b"].unflatten(2, (3, 16)).transpose(1, 2)  # (8, 3 strips, 3, 16, 48)
    F.cross_entropy(place(strips.flatten(0, 1)), free).backward()
    optimiser.step()
    optimiser.zero_grad()
days = streets.evaluation("procedural", 48, count=4, kind="tall")["b"]
orders = [[1, 0, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]]
wrong = torch.stack([one[:, order] for one, order in zip(days.unflatten(2, (3, 16)), orders, strict=True)])
found = [place(one.transpose(0, 1)).argmax(1).argsort() for one in wrong]  # which strip comes first, second, third
right = torch.stack([one[:, order] for one, order in zip(wrong, found, strict=True)])
plots.grid({"shuffled": wrong.flatten(2, 3), "put in order": right.flatten(2, 3)})

# %% [markdown]
# (b9)=
# ## Disentangled features: one number, one property
#
# A network describes a picture by some numbers, its code.
# The code is **disentangled** if each number stands for one property: one for the size, another for the brightness.
# Then one property can be exchanged and the rest kept, which is what a translation wants.
#
# Reconstruction does not ask for that.
# Mix the numbers by any map that can be undone, let the decoder undo it, and every picture comes back as before.
# So a disentangled code must be *asked* for: by labels, by two networks that share one part of the code and not the other, or by examples of what must not change.
#
# Below, two codes for discs of any size and brightness.
# Both can describe every disc; in one of them a single number changes a single thing.

# %% mystnb={"image": {"alt": "Two rows of six discs. Above, the first number changes the size alone and the second the brightness alone. Below, each number changes both."}}
down, across = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48), indexing="ij")


def disc(size, light):
    inside = torch.sigmoid(30 * (0.5 + 0.25 * size - torch.hypot(down, across)))
    return (inside * (1.1 + 0.7 * light) - 1).expand(1, 3, -1, -1)


def mixed(first, second):
    return disc((first + second) / 2**0.5, (second - first) / 2**0.5)


codes = {f"{'first' if k == 0 else 'second'} number {step:g}": (k, step) for k in (0, 1) for step in (-1, 0, 1)}
plots.grid(
    {
        name: torch.cat([decoder(*(step * (place == k) for place in (0, 1))) for decoder in (disc, mixed)])
        for name, (k, step) in codes.items()
    },
    "Above: disentangled. Below: the numbers are mixed, and each changes both.",
)

# %% [markdown]
# (b10)=
# ## Least squares, and gradients that vanish
#
# Early in training $D$ is right about nearly every fake: it gives it a very negative number $s$.
# What $G$ learns is the *slope* of its loss there.
# The game's original form, $\log(1 - \sigma(s))$, is flat where $D$ is sure: the gradient **vanishes** exactly when $G$ needs it most.
# Its usual repair, $-\log \sigma(s)$, is steep there and flat once $D$ is fooled.
# **Least squares** {cite:p}`mao2017` asks for the number of real patches, $(s - 1)^2$: steep on both sides of 1, the farther the steeper.
#
# Below, a fake starts at $s = -4$ and follows each slope for 60 steps.

# %% mystnb={"image": {"alt": "Three curves over 60 steps, all starting at -4. With log(1 - D) the number hardly leaves -4 for long; with -log D it climbs past 1 and goes on; with least squares it reaches 1 quickly and stays."}}
ways = {
    "log(1 - D)": lambda s: -1 / (1 + np.exp(-s)),  # slope of each loss at D's number s
    "-log D": lambda s: -1 / (1 + np.exp(s)),
    "least squares": lambda s: 2 * (s - 1),
}
paths = {name: [-4.0] for name in ways}
for name, slope in ways.items():
    for _ in range(60):
        paths[name].append(paths[name][-1] - 0.15 * slope(paths[name][-1]))
plots.lines({name: (range(61), path) for name, path in paths.items()}, x="step of G", y="D's number for the fake")

# %% [markdown]
# (b11)=
# ## Mode collapse, and what it is not
#
# A generator that answers every input with the same good picture fools $D$ as long as $D$ does not catch up: **mode collapse**.
# Its outputs look right one by one; together they lack variety.
#
# A **permuted mapping** also looks right one by one, *and* has all the variety: every input has an answer of its own, only not the one that belongs to it.
# An adversarial loss, which compares sets, objects to the first in the long run, and never to the second.
#
# So measure two things: how much the answers differ (variety), and whether each fits its input.
# Below, eight inputs on a circle, coloured, and where three generators send them.

# %% mystnb={"image": {"alt": "Three circles of eight coloured points. Right: every point has its own colour and place. Permuted: all eight places are filled, with the colours moved on by three places. Collapsed: all points lie on one place."}}
circle = np.exp(2j * np.pi * np.arange(8) / 8)
answers = {"right": circle, "permuted": np.roll(circle, 3), "collapsed": circle[:1].repeat(8)}
figure, axes = plt.subplots(1, 3, figsize=(5, 2.2))
for axis, (name, made) in zip(axes, answers.items(), strict=True):
    axis.plot(circle.real, circle.imag, "o", color="0.85", markersize=13, clip_on=False)  # the places of real pictures
    axis.scatter(made.real, made.imag, c=range(8), cmap="hsv", vmax=8, zorder=2)
    variety, error = abs(made[:, None] - made).mean(), abs(made - circle).mean()
    axis.set(title=f"{name}\nvariety {variety:.1f}\nerror {error:.1f}", aspect="equal")
    axis.axis("off")
plt.show()

# %% [markdown]
# (b13)=
# ## Mutual information: what one answer tells about another
#
# Two people sort the same pictures into $K$ piles.
# How much does the pile of one tell about the pile of the other? Count how often each pair of piles occurs, $P_{ij}$, and take
#
# $$
# \begin{split}
# I &= \sum_{ij} P_{ij} \ln \frac{P_{ij}}{P_i P_j} \\
# &= H(\text{one}) - H(\text{one} \mid \text{other}) .
# \end{split}
# $$
#
# Here $H = -\sum_i P_i \ln P_i$ is the **entropy**: how uncertain one is about the pile. It is 0 for one sure pile and $\ln K$ for $K$ equally likely ones.
# $H(\text{one} \mid \text{other})$ is the uncertainty that is left if one knows the other's pile. With the natural logarithm the unit is called *nat*.
#
# $I$ is 0 if the two have nothing to do with each other, for then $P_{ij} = P_i P_j$.
# It is at most $\ln K$, and that needs two things: the two agree, up to the *names* of the piles, and all piles are used alike.
# Agreement alone is cheap: two people who put everything on one pile always agree, and $I = 0$.
#
# Below, a share of the second person's answers is drawn by lot.
# {ref}`Chapter 7 <t4>` maximises $I$ between two views of a picture.

# %% mystnb={"image": {"alt": "Three falling curves of mutual information against the share of answers drawn by lot. With four even piles it falls from ln 4 to 0, with one pile of 85 percent from a lower value, with a single pile it is 0 throughout."}}
shares = np.linspace(0, 1, 50)
sizes = {"four even piles": [0.25] * 4, "one of 85 %": [0.85, 0.05, 0.05, 0.05], "one pile": [1, 0, 0, 0]}
curves = {}
for name, size in sizes.items():
    p = np.array(size)
    independent = np.outer(p, p)
    joints = [(1 - share) * np.diag(p) + share * independent for share in shares]
    terms = [np.where(j > 0, j * np.log(np.where(j > 0, j / independent.clip(1e-12), 1)), 0) for j in joints]
    curves[name] = shares, [term.sum() for term in terms]
plots.lines(curves, x="share of answers drawn by lot", y="mutual information (nats)")

# %% [markdown]
# (b14)=
# ## The contrastive loss, and its queue
#
# A network turns a picture into a code. How do you train it without labels?
# Show it another view of the same picture, the **key**, among views of other pictures, the **negatives**, and ask which one belongs to it.
# That is a classification with one right answer, so its loss is the cross entropy of a softmax over inner products, divided by a **temperature** $\tau$ {cite:p}`he2020`.
#
# Somebody with no idea pays $\ln(1 + \text{negatives})$, and so does a network that gives every picture the same code.
# More negatives make it harder. A **queue** of earlier batches' keys provides thousands at the price of one batch.
# All keys come from a slow *momentum copy* of the network, a moving average of its weights, so that old and new keys fit each other.
#
# Below, codes of length one: how near must the right key be? {ref}`Chapter 7 <t5>` needs the loss twice.

# %% mystnb={"image": {"alt": "Curves of the contrastive loss against the cosine between query and key, for two temperatures and two numbers of negatives. All fall; with the lower temperature they fall to nearly 0, with more negatives they begin higher."}}
cosines = np.linspace(-1, 1, 100)
curves = {}
for temperature in (0.07, 0.5):
    for negatives in (32, 1024):
        codes = F.normalize(torch.randn(negatives, 32), dim=1)
        query = F.normalize(torch.randn(1, 32), dim=1)
        wrong = (query @ codes.T / temperature).logsumexp(1)
        right = torch.from_numpy(cosines) / temperature
        curves[f"τ = {temperature}, {negatives} negatives"] = cosines, torch.logaddexp(wrong, right) - right
plots.lines(curves, x="cosine of query and key", y="loss (nats)")

# %% [markdown]
# (b15)=
# ## AdaIN: style as mean and deviation
#
# In the maps of a convolutional network, *where* a channel is active says what stands at which place.
# How active it is *on average*, and how much it varies, says much about the look: light, colours, texture.
# **Adaptive instance normalisation** {cite:p}`huang2017` takes both off every channel of a picture, and puts those of another in:
#
# $$
# \operatorname{AdaIN}(x, y) = \sigma(y) \, \frac{x - \mu(x)}{\sigma(x)} + \mu(y) .
# $$
#
# It has no weights, and every place of a channel is treated alike: it cannot move anything.
# A generator may also be *told* the two numbers of each channel, by a network that reads a style code, as in {ref}`chapter 7 <t12>`.
#
# Below it is applied to the three channels of the picture itself: the light and colours of the style picture arrive, its stripes would not. For those one needs the channels of a network.

# %% mystnb={"image": {"alt": "Three animals: a content picture, a style picture taken at another hour, and the content with the style's mean and deviation of each colour: the same animal in the same pose, in the light of the other."}}
herd_pictures = herd.evaluation("procedural", 64, count=24)["image"]
light = herd_pictures.mean((1, 2, 3)).argsort()
content, style = herd_pictures[light[-1:]], herd_pictures[light[:1]]
means, deviations = (
    [x.mean((2, 3), keepdim=True) for x in (content, style)],
    [x.std((2, 3), keepdim=True) for x in (content, style)],
)
mixed = (content - means[0]) / deviations[0] * deviations[1] + means[1]
plots.grid({"content": content, "style": style, "AdaIN": mixed.clamp(-1, 1)}, "Whose light, and whose animal?")

# %% [markdown]
# (b16)=
# ## FID and KID: comparing crowds, not pictures
#
# Nobody can say which single photograph the generator should have made.
# So one compares *sets*: put real and made pictures through a network that knows about pictures, and compare the two clouds of features.
#
# The Fréchet distance fits a Gaussian to each cloud and compares means and covariances; with the features of Inception it is the FID {cite:p}`heusel2017`.
# It is *biased*: small samples look worse than they are.
# KID {cite:p}`binkowski2018` compares the clouds with a kernel and has no such bias.
#
# Below, both clouds come from the *same* distribution: the true distance is zero.
# This book calls its own distances what they are, "Fréchet distance (world features)", and never FID.


# %%
def frechet(a, b):
    roots = np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real.clip(0) ** 0.5
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * roots.sum()


def kernel(a, b):
    aa, bb, ab = ((u @ v.T / u.shape[1] + 1) ** 3 for u, v in ((a, a), (b, b), (a, b)))
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (aa, bb))
    return within - 2 * ab.mean()


# %% mystnb={"image": {"alt": "Two measured distances against the sample size from 32 to 2048, though both samples come from one distribution. The Fréchet distance starts high and falls towards zero only slowly; the kernel distance lies around zero at every size."}}
rng = np.random.default_rng(0)
sizes = [32, 64, 128, 256, 512, 1024, 2048]
figure, axis = plt.subplots(figsize=(5, 2.2))
for name, distance, style in (("Fréchet", frechet, "o-"), ("kernel (KID)", kernel, "s--")):
    axis.semilogx(sizes, [distance(*rng.normal(size=(2, n, 16))) for n in sizes], style, base=2, label=name)
axis.axhline(0, color="grey", linewidth=0.8)
axis.set(xlabel="pictures in each set", ylabel="measured distance")
axis.legend()
plt.show()

# %% [markdown]
# (b17)=
# ## t-SNE, and what it does not mean
#
# Codes have many dimensions, a page has two.
# t-SNE {cite:p}`maaten2008` places points on the page so that *neighbours stay neighbours*: each point looks for about as many neighbours as the **perplexity** says, and on the page it should have the same ones.
#
# So one may read who is next to whom.
# One may not read how large an island is, how far two of them lie apart, or that there are islands at all: with a low perplexity even plain noise falls into clumps.
# Before you believe a picture, draw it with several perplexities and seeds, and colour it by something that the codes were *not* made of.
#
# Below, points of one single cloud. {ref}`Chapter 7 <t11>` draws style codes like this.

# %% mystnb={"image": {"alt": "Three t-SNE maps of the same noise. With perplexity 3 it falls into many little clumps and gaps; with 15 and 60 it fills one disc evenly."}}
noise = np.random.default_rng(0).normal(size=(200, 20))
figure, axes = plt.subplots(1, 3, figsize=(6, 2.3))
for axis, perplexity in zip(axes, (3, 15, 60), strict=True):
    placed = TSNE(perplexity=perplexity, random_state=0).fit_transform(noise)
    axis.plot(*placed.T, ".", markersize=3)
    axis.set(title=f"perplexity {perplexity}", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# (b18)=
# ## Piles without names: matching and NMI
#
# A network has sorted pictures into piles 1 to $K$; the truth has as many classes, A, B, C and so on. Which pile is A?
# Count how often each pile meets each class, and choose the one-to-one matching with the most hits.
# The **Hungarian method** {cite:p}`kuhn1955` finds the best without trying all $K!$.
# The share of hits is the *clustering accuracy*. Since the matching was chosen to please, pure chance gets a little more than $1 / K$.
#
# If there are more piles than classes there is no such matching.
# **NMI**, the {ref}`mutual information <b13>` of piles and classes divided by the mean of their entropies, needs none.
# *Purity* lets every pile take its commonest class, so dividing a pile never lowers it.
# NMI does pay for division: if four right piles are each halved, it falls from 1 to $2 \ln 4 / (\ln 4 + \ln 8) = 0.8$.
# But with few pictures in each pile even random piles have an NMI above 0, as the curves show.
#
# Below, 400 pictures of four classes, and piles that have nothing to do with them.

# %% mystnb={"image": {"alt": "Purity, NMI and matched accuracy of random piles against their number. Purity climbs with every doubling, NMI climbs later and less; accuracy, a short dash, exists at four piles alone, a little above a quarter."}}
rng = np.random.default_rng(0)
truth = torch.arange(400) % 4
numbers = [2, 4, 8, 16, 32, 64, 128, 256]
drawn_piles = {k: torch.from_numpy(rng.integers(0, k, 400)) for k in numbers}
scores = {"purity": metrics.purity, "NMI": metrics.clustering_information}
curves = {name: (numbers, [score(truth, drawn_piles[k]) for k in numbers]) for name, score in scores.items()}
curves["accuracy, matched"] = [3.3, 4.8], [metrics.clustering_accuracy(truth, drawn_piles[4], 4)] * 2
plots.lines(curves, x="number of random piles", y="score", log="x")

# %% [markdown]
# (b19)=
# ## Choosing K, and what a probability is worth
#
# How many kinds are there? K-means answers with whatever $K$ it is given. Its error falls with every further centre, down to 0 with one centre for each point, so the error cannot choose.
# One looks for an *elbow*, where more centres stop helping; many heaps have none.
# Mutual information does not choose either: its largest value, $\ln K$, grows with $K$.
#
# Assignments may be **soft**: each picture belongs to pile $i$ with a probability, by a softmax of scores. Then there is a gradient, and a network can learn to sort.
# But a softmax is only positive numbers with sum 1. That it says 0.99 does not mean that it is right 99 times of 100; a sharper temperature says 0.9999 about the same scores.
#
# Below, four clouds, first far apart and then closer. {ref}`Chapter 7 <t3>` sets $K$ by hand.

# %% mystnb={"image": {"alt": "Error of k-means against K for four clouds. Far apart, the curve has a sharp elbow at four; close together, it bends smoothly and no elbow is to be seen."}}
rng = np.random.default_rng(0)
corners = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)]).repeat(50, axis=0)
curves = {}
for name, width in (("far apart", 0.2), ("close", 0.9)):
    cloud = corners + width * rng.normal(size=corners.shape)
    errors = [KMeans(k, n_init=5, random_state=0).fit(cloud).inertia_ for k in range(1, 11)]
    curves[name] = range(1, 11), [error / errors[0] for error in errors]
plots.lines(curves, x="K", y="error, as a share of that with K = 1")

# %% [markdown]
# (b20)=
# ## Synthetic data: labels for free
#
# Someone has to name what is in a photograph, and to do so for every pixel can take an hour a picture.
# A **renderer** works the other way round: it starts from what is there, and draws the picture.
# So it knows the class, the pose and the distance of every surface; where no object is, there is background, so the mask costs nothing either.
#
# What it does not know is how the world looks: which lamps, which noise, what stands behind.
# Draw these at random and the network may learn to ignore them (*domain randomisation*); or learn them from photographs without labels, as {ref}`chapter 5 <d1>` does.
#
# Below, what our small renderer gives away with each picture, and what a camera sees.

# %% mystnb={"image": {"alt": "Four objects in rows. Columns: the object rendered on black, its mask, the same rendering before a photograph, and other objects as a camera sees them, dim and noisy. The caption names the class of each row: disc, ring, cross and so on."}}
free = next(objects.train("objects_black", 48, 4, seed=1))
names = [objects.CLASSES[label] for label in free["source_label"]]
behind = to_tensor(adaptation.crops(adaptation.bundled_photographs("train"), 4, 48, np.random.default_rng(2)))
anywhere = free["source"] * free["source_mask"] + behind * (1 - free["source_mask"])
columns = {"rendered": free["source"], "mask": free["source_mask"] * 2 - 1, "on a photograph": anywhere}
plots.grid(columns | {"camera": free["target"]}, f"What the renderer drew, from top to bottom: {', '.join(names)}.")
