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
# # Assignment 3: OP-GAN
#
# Six tasks and a question, 20 points, 60 to 90 minutes.
# You need [chapter 3](chapters/03_opgan.html).
# By the end you have written what is OP-GAN's own: pairs of patches, a content loss and a domain loss, and a step of the game in which a third network plays along. And you have checked such a network before any GAN is trained.
#
# Fill in the cells that say `YOUR CODE HERE`, and leave the others as they are.
# The cell below each of them checks your answer, and if it is wrong it often knows why.
# When your work is graded, the same checks are run again on other pictures, sizes and seeds.
# Each task is graded by itself: where a later one builds on an earlier one, it is given the right version.
#
# Write plain PyTorch: an answer that calls `i2i_tutor` is refused.

# %% [markdown]
# **Who are you?**
# A name or a number, such as your student number, as a text.
# It seeds the numbers of task 1 and your measurement at the end, so they are your own.

# %% tags=["student"]
student = ""  # between the quotation marks

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import torch
import torch.nn.functional as F
from IPython.display import display

from i2i_tutor import plots
from i2i_tutor.data import streets
from i2i_tutor.methods import opgan
from i2i_tutor.tasks import opgan as tasks
from i2i_tutor.tasks.base import student_seed

# %% [markdown]
# ## Task 1: by hand (2 points)
#
# The content maps of two patches of 2 × 2 pixels, and the scores that $S$ gives to two pairs of patches.
# The patches of the night are numbered 0 to 8 and those of its day 9 to 17, as in the chapter.
# Here are yours:

# %% nbgrader={"grade": false, "grade_id": "show-maps", "locked": true, "schema_version": 3, "solution": false, "task": false}
own = tasks.by_hand(student)
print("map of A:", own.map_a.tolist(), "  map of B:", own.map_b.tolist())
for pair, powers in zip(own.pairs, own.powers.int().tolist(), strict=True):
    scores = ", ".join(f"ln {power}" for power in powers)
    print(f"patches {pair[0]} and {pair[1]}: scores {scores}")

# %% [markdown]
# With pencil and paper: what is the content loss $\mathcal L_{cc}$ of the two maps (`content`)?
# And what is the domain loss $\mathcal L_{dc}$ of the two pairs, as a mean (`domain`)?
# The scores stand in the order $D_1$, $D_2$, $C$.
# Which of the four kinds each pair is, you know from the numbers of its patches.
# Three digits are enough.

# %% nbgrader={"grade": false, "grade_id": "by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# canary: i2i solution
content = float((own.map_a - own.map_b).square().mean())
kinds = [0 if j < 9 else 1 if i > 8 else 2 for i, j in own.pairs]
shares = [p[kind] / p.sum() for p, kind in zip(own.powers, kinds, strict=True)]
domain = -float(torch.stack(shares).log().mean())
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "by-hand-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_by_hand(content, domain, student=student)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
assert len(student.strip()) > 0
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2: pairs of patches (3 points)
#
# Draw the pairs of one night and its day, for the domain loss.
# They are three, one for every class, in this order:
#
# 1. two patches of the night, $D_1$;
# 2. two patches of the day, $D_2$;
# 3. one of each, first the night's: at even odds from one place, $C_1$, or from two places, $C_2$.
#
# A pair never is one patch twice, and all pairs of a kind are equally likely.
# Take a grid of `grid` × `grid` patches: the night has the numbers from 0, the day those that follow, in the same order.
# Return a list of three pairs of whole numbers. Every call draws new ones.


# %% nbgrader={"grade": false, "grade_id": "draw-pairs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def draw_pairs(grid):
    """Three pairs of patch numbers: one D1, one D2, one C1 or C2."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    cells = grid**2
    i, j = torch.randperm(cells)[:2].tolist()
    k, m = torch.randperm(cells)[:2].tolist()
    place = k if torch.rand(()) < 0.5 else m
    return [(i, j), (i + cells, j + cells), (k, place + cells)]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "draw-pairs-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_draw_pairs(draw_pairs)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_draw_pairs(draw_pairs, seed=1, grid=2)
tasks.check_draw_pairs(draw_pairs, seed=2, grid=4, calls=2500)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3: the content term (3 points)
#
# Now this book's content that cannot collapse, as the generators pay for it.
#
# - Cut both pictures into 3 × 3 patches. What is left over on the right and below is dropped.
# - `content(patches)` is given: $S$'s raw maps. Of patches `(N, 9, 3, h, w)` it makes maps `(N, 9, h, w)`, and of `(N, 3, h, w)` maps `(N, h, w)`.
# - Standardise each map by itself: take its mean away, and divide by $\sqrt{v + 0.001}$, where the variance $v$ is the mean square of what is left.
# - Return the mean of the squared differences, over all nine places.
#
# `in_a` is a picture in domain $A$ and `in_b` its counterpart in $B$, `(N, 3, H, W)` each.
# Which of the two was translated depends on the direction, so it must be possible to learn through both.


# %% nbgrader={"grade": false, "grade_id": "content-term", "locked": false, "schema_version": 3, "solution": true, "task": false}
def content_term(content, in_a, in_b):
    """The content loss of pictures and their counterparts: one number."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    maps = []
    for images in (in_a, in_b):
        h, w = images.shape[-2] // 3, images.shape[-1] // 3
        rows = images[..., : 3 * h, : 3 * w].unflatten(-1, (3, w))
        cells = rows.unflatten(-3, (3, h)).permute(0, 2, 4, 1, 3, 5)
        raw = content(cells.flatten(1, 2))
        centred = raw - raw.mean((-2, -1), keepdim=True)
        variance = centred.square().mean((-2, -1), keepdim=True)
        maps.append(centred / (variance + 1e-3).sqrt())
    return (maps[0] - maps[1]).square().mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "content-term-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_content_term(content_term)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_content_term(content_term, seed=1, batch=1, height=12, width=12)
tasks.check_content_term(content_term, seed=2, width=11, dtype=torch.float32)
tasks.check_content_term(content_term, seed=3, batch=3, height=26, width=17)
tasks.check_content_term(content_term, seed=4, flat=True)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4: the domain loss (3 points)
#
# $S$ has given three scores to each of $P$ pairs of each of $N$ pictures: `scores` is `(N, P, 3)`.
# All pictures have the same pairs, a list of $P$ pairs of patch numbers for the grid of 3 × 3.
# Class 0 is $D_1$, class 1 is $D_2$, class 2 is $C_1$ and $C_2$.
# Return the cross-entropy, as the mean over pictures and pairs.


# %% nbgrader={"grade": false, "grade_id": "domain-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def domain_loss(scores, pairs):
    """Which pictures do the two patches come from? scores: (N, P, 3)."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    days = [(i >= 9) + (j >= 9) for i, j in pairs]
    classes = torch.tensor([(0, 2, 1)[each] for each in days])
    return F.cross_entropy(scores.flatten(0, 1), classes.repeat(len(scores)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "domain-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_domain_loss(domain_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_domain_loss(domain_loss, seed=1, batch=1, pairs=[(12, 3)])
tasks.check_domain_loss(
    domain_loss, seed=2, pairs=[(8, 0), (3, 11), (16, 9)], dtype=torch.float32
)
tasks.check_domain_loss(domain_loss, seed=3, batch=6, scale=1e4)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5: one step of the game (3 points)
#
# Write one training step, in the chapter's order.
# First the generators move. Then the discriminators and $S$ move, each by its own loss, and are shown the pictures with which the generators have just played.
# Each of the three takes one step of its own optimiser: `adam[generators]`, `adam[discriminators]`, `adam[siamese]`.
#
# `generators(a, b)` returns `fake_a`, made of `b`, and `fake_b`, made of `a`.
# The terms are given, and none of them detaches anything:
#
# - `terms.game_g(generators, discriminators, a, b, fake_a, fake_b)` is all that a CycleGAN's generators minimise, and `terms.game_d(discriminators, a, b, fake_a, fake_b)` what its discriminators do;
# - `terms.content(siamese, in_a, in_b)` and `terms.domain(siamese, in_a, in_b)` are the terms of tasks 3 and 4 for one direction. The generators minimise both for both directions: the content term times `weight`, the domain term as it is;
# - `terms.learn(siamese, a, b)` is how $S$ learns content, from real pictures. It also minimises the domain term of both directions.
#
# $S$ is one network for both directions, and $D_1$ means two patches of a night, drawn or made.
# Your function is called again and again, with the same optimisers, and returns nothing.


# %% nbgrader={"grade": false, "grade_id": "training-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_step(
    generators, discriminators, siamese, adam, a, b, terms, weight
):  # fmt: skip
    """One step of OP-GAN."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    fake_a, fake_b = generators(a, b)
    loss_g = terms.game_g(generators, discriminators, a, b, fake_a, fake_b)
    for in_a, in_b in ((a, fake_b), (fake_a, b)):
        loss_g = loss_g + weight * terms.content(siamese, in_a, in_b)
        loss_g = loss_g + terms.domain(siamese, in_a, in_b)
    adam[generators].zero_grad()
    loss_g.backward()
    adam[generators].step()

    fake_a, fake_b = fake_a.detach(), fake_b.detach()
    adam[discriminators].zero_grad()
    terms.game_d(discriminators, a, b, fake_a, fake_b).backward()
    adam[discriminators].step()
    loss_s = terms.learn(siamese, a, b)
    for in_a, in_b in ((a, fake_b), (fake_a, b)):
        loss_s = loss_s + terms.domain(siamese, in_a, in_b)
    adam[siamese].zero_grad()
    loss_s.backward()
    adam[siamese].step()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "training-step-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_training_step(training_step)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_training_step(training_step, seed=1, batch=1, side=16, steps=4)
tasks.check_training_step(
    training_step, seed=2, weight=0.5, optimiser=torch.optim.Adam
)
tasks.check_training_step(training_step, seed=3, dtype=torch.float32, steps=2)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 6: a run that fails (3 points)
#
# A colleague teaches $S$ alone, before any GAN: each patch is shown again in other colours, and must be found among the nine of its picture.
# She has tried her code on a single picture, and all was well.
# Now she takes two nights and two days at once. No error is raised, and what $S$ pays for content falls to nothing. But look at its maps.
# This is what her $S$ pays for finding. The content loss of the maps is added to it, as in the chapter:


# %% nbgrader={"grade": false, "grade_id": "sick-code", "locked": true, "schema_version": 3, "solution": false, "task": false}
def sick_find_again(maps, others):
    """Maps of patches, and of the same in other colours: (N, 9, h, w)."""
    one, other = maps.flatten(2), others.flatten(2)
    # how well each of the nine maps correlates with each of the nine others
    alike = one @ other.transpose(1, 2) / one.shape[-1]  # (N, 9, 9)
    places = torch.arange(9).repeat_interleave(len(maps))
    return F.cross_entropy(alike.flatten(0, 1) / 0.2, places)


# %% [markdown]
# And this is her run, beside one that works (some ten seconds).
# The curves show the two parts of the loss; whoever has no idea pays $\ln 9 \approx 2.20$ for finding.
# In the maps grey is the mean of a patch.

# %% nbgrader={"grade": false, "grade_id": "sick-run", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
test = streets.evaluation("procedural", 48, count=64)


def training(find_again, steps=250):
    """S alone learns content: the network, and the two parts of what it pays."""
    torch.manual_seed(student_seed(student))
    siamese, paid = opgan.Siamese(8, 2, 16, kernel=3, stride=1), []
    adam = torch.optim.Adam(siamese.parameters(), 2e-3)
    stream = streets.train("procedural", 48, 2, student_seed(student))
    for _ in range(steps):
        batch = next(stream)
        real = opgan.cells(torch.cat([batch["a"], batch["b"]]))
        twice = siamese.content(torch.cat([real, opgan.recoloured(real)]))
        maps, others = opgan.standardised(twice).chunk(2)
        parts = [opgan.content_loss(maps, others), find_again(maps, others)]
        sum(parts).backward()
        adam.step()
        adam.zero_grad()
        paid.append(torch.stack(parts).detach())
    return siamese, torch.stack(paid)


# %% nbgrader={"grade": false, "grade_id": "maps", "locked": true, "schema_version": 3, "solution": false, "task": false}
def maps_of(siamese, images):
    """Standardised content maps, (N, 9, h, w)."""
    with torch.no_grad():
        return opgan.standardised(siamese.content(opgan.cells(images)))


def grey(siamese, images):
    """The nine maps of each picture side by side."""
    return (opgan.assembled(maps_of(siamese, images)[:, :, None]) / 2.5).clamp(
        -1, 1
    )


# %% nbgrader={"grade": false, "grade_id": "sick-pictures", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
runs = {
    "works": training(tasks.reference_find_again),
    "hers": training(sick_find_again),
}
columns = {}
for title, images in (("night", test["a"][:5]), ("day", test["b"][:5])):
    columns[title] = images
    for name, (siamese, _) in runs.items():
        columns[f"{name}, {title}"] = grey(siamese, images)
display(plots.grid(columns))
smooth = {name: paid.view(-1, 10, 2).mean(1) for name, (_, paid) in runs.items()}
curves = {
    f"{name}: {part}": (range(10, 251, 10), curve[:, n].tolist())
    for name, curve in smooth.items()
    for n, part in enumerate(("content", "finding"))
}
plots.lines(curves, x="step", y="what S pays")

# %% [markdown]
# Find the mistake and mend it.
# Each of the nine `maps` of a picture looks for its partner among the nine `others` of that picture.
# The scores are correlations divided by 0.2; return the cross-entropy, as the mean over all maps.


# %% nbgrader={"grade": false, "grade_id": "find-again", "locked": false, "schema_version": 3, "solution": true, "task": false}
def find_again(maps, others):
    """What S pays for finding partners; standardised maps (N, 9, h, w)."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    one, other = maps.flatten(2), others.flatten(2)
    scores = one @ other.transpose(1, 2) / (0.2 * one.shape[-1])
    places = torch.arange(9).expand(len(maps), 9)
    return F.cross_entropy(scores.flatten(0, 1), places.flatten())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "find-again-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_find_again(find_again)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_find_again(find_again, seed=1, batch=1, height=16, width=16)
tasks.check_find_again(find_again, seed=2, batch=7, width=4, dtype=torch.float32)
tasks.check_find_again(find_again, seed=3, batch=2, likeness=1.0)
### END HIDDEN TESTS

# %% [markdown]
# ## Measure
#
# Check $S$ before you train a GAN.
# If a translation had this or that fault, would $S$ notice?
# Here the translations are imagined: they are the true days of 64 nights, all with one fault.
# The *gap* is the mean squared difference of the standardised maps of the night and of the picture: 0 if they are equal, 2 if they are unrelated.
# It is taken in those patches that the fault changes, and compared with the gap of the true day in the same patches.
# Two claims about the $S$ that works, which has learnt with your own seed:
#
# 1. $S$ notices a missing car: where cars have been erased, the gap is at least twice that of the true day.
# 2. $S$ notices a missing person: where people have been erased, the gap is at least twice that of the true day.

# %% nbgrader={"grade": false, "grade_id": "measure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
night, day, labels = test["a"], test["b"], test["labels"][:, None]


def erased(part, behind):
    """The days without a class: `behind` stands in its pixels and those around."""
    here = (labels == streets.CLASSES.index(part)).float()
    return torch.where(F.max_pool2d(here, 3, 1, 1) > 0, behind, day)


road = labels == streets.CLASSES.index("road")
plain = (day * road).sum((2, 3), keepdim=True) / road.sum((2, 3), keepdim=True)
faults = {
    "shifted by 2 pixels": day.roll(2, -1),
    "colours inverted": -day,
    "cars erased": erased("car", plain),
    "people erased": erased("person", day.roll(6, -1)),
    "another street": day.roll(1, 0),
}

# %% nbgrader={"grade": false, "grade_id": "measure-gaps", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
siamese, rows = runs["works"][0], []
goal, true = (maps_of(siamese, images) for images in (night, day))
for name, images in faults.items():
    changed = (opgan.cells(images) - opgan.cells(day)).abs().amax((2, 3, 4)) > 0.05
    gaps = [
        float((maps - goal)[changed].square().mean())
        for maps in (maps_of(siamese, images), true)
    ]
    rows.append((name, *gaps, gaps[0] / gaps[1]))
columns = {"night": night, "true day": day, **faults}
display(plots.grid({name: images[:4] for name, images in columns.items()}))
plots.table(["fault", "gap where it is", "true day there", "ratio"], rows)

# %% [markdown]
# ## Question (3 points, read by a human)
#
# In four to eight sentences:
#
# 1. Copy your numbers. Does each of the two claims hold in your run?
# 2. What do the pictures show that the numbers do not, or the other way round?
# 3. Name one thing that this measurement cannot tell you, and what you would have to do to know it.
#
# A claim that fails and is read correctly earns full marks.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# canary: i2i solution
# **Marking.** One point each:
#
# 1. Both gaps of the two rows are given, and each claim is judged by their ratio, whichever way it went.
#    "Does not hold here" with the numbers earns the point; "holds" against the numbers does not.
# 2. Something seen in *these* pictures or maps. Inverted colours strike every eye and cost next to nothing: they are left to the discriminators and the identity terms. A shift of two pixels is hard to see and costs much more. A person is a few dark pixels before a wall full of edges, a car stands alone on a plain road. Even the true day has a gap, because at night windows shine.
#    Or the other way round: the table does not say which streets have people, or how much of a car was in which patch.
# 3. One limit, with its cure: one seed and 250 steps (run others, train on), imagined faults (train the GAN, and let a judge find the cars in its translations), a gap is no gradient (see whether a generator mends the fault), a person of a few pixels (larger pictures), one drawn world (photographs).
# ### END SOLUTION
