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
# # Assignment 1: pix2pix
#
# Six tasks and a question, 20 points, 60 to 90 minutes.
# You need [chapter 1](chapters/01_pix2pix.html).
# By the end you have written the whole game of pix2pix yourself: what a pair is, who pays for what, what one logit sees, and one step of training.
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
from dataclasses import replace

import torch
import torch.nn.functional as F
from IPython.display import display

from i2i_tutor import plots
from i2i_tutor.data import facades
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.tasks import pix2pix as tasks
from i2i_tutor.tasks.base import student_seed
from i2i_tutor.training import make_optimisers, play

# %% [markdown]
# ## Task 1: by hand (2 points)
#
# A discriminator answers with a map of 2 × 2 logits, once for a real pair and once for a made one.
# Here are yours:

# %% nbgrader={"grade": false, "grade_id": "show-logits", "locked": true, "schema_version": 3, "solution": false, "task": false}
real_logits, fake_logits = tasks.by_hand(student)
print("real", real_logits.tolist(), "made", fake_logits.tolist(), sep="\n")

# %% [markdown]
# Every one of them is 0, ln 3 ≈ 1.0986, −ln 3 or ln 7 ≈ 1.9459, so its probability is 1/2, 3/4, 1/4 or 7/8.
# With pencil and paper: what does the discriminator pay, halved as in the paper (`loss_d`)?
# And what is the generator's GAN term, in the form that pix2pix trains with (`gan`)?
# Three digits are enough.

# %% nbgrader={"grade": false, "grade_id": "by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# canary: i2i solution
loss_d = 0.5 * float(
    F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
)
gan = float(F.softplus(-fake_logits).mean())
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "by-hand-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_by_hand(loss_d, gan, student=student)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
assert len(student.strip()) > 0
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2: what the discriminator pays (3 points)
#
# Write the loss that a *conditional* discriminator minimises, halved.
# `discriminator` takes one image of six channels, the plan `x` with the picture behind it, and returns a map of logits.
# `fake` is $G(x)$, fresh from the generator, and carries its graph: nobody else should learn from this loss.


# %% nbgrader={"grade": false, "grade_id": "discriminator-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_loss(discriminator, x, y, fake):
    """What D minimises on the real pair (x, y) and the made pair (x, fake)."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    on_real = discriminator(torch.cat([x, y], dim=1))
    on_fake = discriminator(torch.cat([x, fake.detach()], dim=1))
    return 0.5 * (F.softplus(-on_real).mean() + F.softplus(on_fake).mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "discriminator-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_discriminator_loss(discriminator_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_discriminator_loss(discriminator_loss, seed=1, batch=1, side=12)
tasks.check_discriminator_loss(
    discriminator_loss, seed=2, batch=3, side=6, dtype=torch.float32
)
tasks.check_discriminator_loss(discriminator_loss, seed=3, scale=1e6)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3: what the generator pays (3 points)
#
# The GAN term in the form that does not saturate, plus `weight` times the distance to the target, as the official code takes it.


# %% nbgrader={"grade": false, "grade_id": "generator-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generator_loss(discriminator, x, y, fake, weight):
    """What G minimises: it wants (x, fake) to be taken for real, and fake to be near y."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    on_fake = discriminator(torch.cat([x, fake], dim=1))
    return F.softplus(-on_fake).mean() + weight * (fake - y).abs().mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "generator-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_generator_loss(generator_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_generator_loss(generator_loss, seed=1, batch=1, side=12, weight=3.0)
tasks.check_generator_loss(
    generator_loss, seed=2, batch=3, side=6, dtype=torch.float32, weight=0.5
)
tasks.check_generator_loss(generator_loss, seed=3, scale=1e6, weight=0.0)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4: what one logit sees (3 points)
#
# A PatchGAN is a stack of convolutions, given as `[(kernel, stride), ...]`, the first layer first.
# Return two whole numbers: the side of the patch of pixels that one logit sees, and how many pixels the patch of the next logit lies to the right of it.
# For two layers of 4 × 4 with stride 2 they are 10 and 4.


# %% nbgrader={"grade": false, "grade_id": "patch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def patch(layers):
    """Side of a logit's patch, and its distance to the patch of the next logit, in pixels."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    side, apart = 1, 1
    for kernel, stride in reversed(layers):
        side = (side - 1) * stride + kernel
        apart = apart * stride
    return side, apart
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "patch-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_patch(patch)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_patch(
    patch,
    networks=[
        ((7, 1), (3, 2), (3, 2)),
        ((1, 1),),
        (),
        ((2, 3), (5, 1), (3, 4)),
        ((9, 4),),
    ],
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5: a run that fails (3 points)
#
# A colleague trains with random crops and mirroring, as the paper does.
# Without her `jitter` the same training works; with it the pictures are streaks of wall and window that have little to do with the plan, and the L1 term stays high.
# This is her code:


# %% nbgrader={"grade": false, "grade_id": "sick-code", "locked": true, "schema_version": 3, "solution": false, "task": false}
def sick_jitter(x, y, size):
    """Cut squares of this size at random, and mirror every second batch."""

    def cut(image):
        room = image.shape[-1] - size
        top, left = torch.randint(room + 1, (2,)).tolist()
        return image[..., top : top + size, left : left + size]

    x, y = cut(x), cut(y)
    if torch.rand(()) < 0.5:
        x, y = x.flip(-1), y.flip(-1)
    return x, y


# %% [markdown]
# And this is her run (some ten seconds), beside one without `jitter`:

# %% nbgrader={"grade": false, "grade_id": "sick-run", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
numbers = replace(
    RECIPES["fast"], size=48, load_size=64, base=16, depth=4, steps=250, average=0.9
)
houses = facades.evaluation("procedural", numbers.load_size, count=64)


def training(numbers, jitter):
    """A short training on crops that `jitter` cuts: the model, and the L1 term that was paid at each step."""
    torch.manual_seed(student_seed(student))
    model = Pix2Pix(numbers)
    stream = facades.train(
        "procedural", numbers.load_size, 4, student_seed(student)
    )
    optimisers, paid = make_optimisers(model), []
    for step in range(numbers.steps):
        batch = next(stream)
        x, y = jitter(batch["input"], batch["target"], numbers.size)
        paid.append(
            float(play(model, optimisers, {"input": x, "target": y}, step)["l1"])
        )
    return model, paid


def middle(x, y, size):
    """The middle of both pictures: no jitter at all."""
    edge = (x.shape[-1] - size) // 2
    return x[..., edge : edge + size, edge : edge + size], y[
        ..., edge : edge + size, edge : edge + size
    ]


runs = {
    "no jitter": training(numbers, middle),
    "her jitter": training(numbers, sick_jitter),
}
painted = {
    name: model.translate(houses["input"][:4]) for name, (model, _) in runs.items()
}
display(
    plots.grid(
        {"plan": houses["input"][:4], **painted, "photograph": houses["target"][:4]}
    )
)
smooth = {
    name: torch.tensor(paid).view(-1, 10).mean(1).tolist()
    for name, (_, paid) in runs.items()
}
plots.lines(
    {name: (range(10, 251, 10), paid) for name, paid in smooth.items()},
    x="step",
    y="L1 term",
)

# %% [markdown]
# Find the mistake and mend it: crops begin at any place where they fit, about every second one is mirrored, and a pair stays a pair.


# %% nbgrader={"grade": false, "grade_id": "jitter", "locked": false, "schema_version": 3, "solution": true, "task": false}
def jitter(x, y, size):
    """Cut squares of this size at random and mirror about every second; x and y stay pairs."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    room = x.shape[-1] - size
    top, left = torch.randint(room + 1, (2,)).tolist()
    x, y = (image[..., top : top + size, left : left + size] for image in (x, y))
    if torch.rand(()) < 0.5:
        x, y = x.flip(-1), y.flip(-1)
    return x, y
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "jitter-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_jitter(jitter)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_jitter(jitter, seed=1, batch=1, load_size=8, size=5)
tasks.check_jitter(
    jitter, seed=2, batch=3, load_size=7, size=7, dtype=torch.float32
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 6: one step of the game (3 points)
#
# Write one training step: the discriminator learns, then the generator plays against the discriminator that has just learnt.
# Each of them takes one step of its own optimiser.
# `loss_d(discriminator, x, y, fake)` and `loss_g(discriminator, x, y, fake)` are right versions of tasks 2 and 3.
# Your function is called again and again, with the same optimisers, and returns nothing.


# %% nbgrader={"grade": false, "grade_id": "training-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_step(generator, discriminator, adam_g, adam_d, x, y, loss_d, loss_g):
    """One step of pix2pix on the pair (x, y)."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    fake = generator(x)
    adam_d.zero_grad()
    loss_d(discriminator, x, y, fake).backward()
    adam_d.step()

    adam_g.zero_grad()
    loss_g(discriminator, x, y, fake).backward()
    adam_g.step()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "training-step-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_training_step(training_step)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_training_step(training_step, seed=1, batch=1, side=12, steps=5)
tasks.check_training_step(
    training_step, seed=2, batch=3, side=6, optimiser=torch.optim.Adam
)
tasks.check_training_step(training_step, seed=3, dtype=torch.float32, steps=2)
### END HIDDEN TESTS

# %% [markdown]
# ## Measure
#
# The claim of the paper: with a discriminator the pictures are sharper than with L1 alone.
# And one that follows from chapter 1: in mean absolute error L1 alone is at least as good.
# Train both, with your own seed (some 20 seconds).
# Sharpness 1 is that of the photographs.

# %% nbgrader={"grade": false, "grade_id": "measure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
rows, painted = [], {"plan": houses["input"][:4]}
for name, adversary in [("L1", "none"), ("L1 + cGAN", "conditional")]:
    model, _ = training(replace(numbers, adversary=adversary), middle)
    images = model.translate(houses["input"])
    painted[name] = images[:4]
    measured = (
        metrics.sharpness(images, houses["target"]),
        metrics.mean_absolute_error(images, houses["target"]),
    )
    rows.append((name, *measured))
display(plots.grid({**painted, "photograph": houses["target"][:4]}))
plots.table(["trained with", "sharpness", "mean absolute error"], rows)

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
# 1. Both numbers of both rows are given, and each claim is judged by them, whichever way it went.
#    "Does not hold here" with the numbers earns the point; "holds" against the numbers does not.
# 2. Something seen in *these* pictures: texture and edges with the discriminator, flat walls without, invented detail in wrong places, colour.
#    Sharper is not nearer to the photograph: detail in the wrong place raises the sharpness and the error.
# 3. One limit, with its cure: one seed (run others), 250 steps (train on), one world (real façades), sharpness counts noise too (an FCN-score, or people), 64 houses.
# ### END SOLUTION
