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
# # Assignment 5: PixelDA
#
# Six tasks and a question, 20 points, 60 to 90 minutes.
# You need [chapter 5](chapters/05_pixelda.html).
# By the end you have written what is PixelDA's own: a loss that leaves an added brightness free, a task loss with two first layers, noise that reaches every pixel, and a step of the game with three players.
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
from i2i_tutor.data import objects
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.pixelda import RECIPES, PixelDA
from i2i_tutor.tasks import pixelda as tasks
from i2i_tutor.tasks.base import student_seed
from i2i_tutor.training import make_optimisers, play

# %% [markdown]
# ## Task 1: by hand (2 points)
#
# A grey picture of 2 × 2 pixels, what a generator made of it, and a mask of its foreground.
# Here are yours:

# %% nbgrader={"grade": false, "grade_id": "show-pixels", "locked": true, "schema_version": 3, "solution": false, "task": false}
x, fake, mask = tasks.by_hand(student)
print(
    *("x", x.tolist(), "made of it", fake.tolist(), "mask", mask.tolist()), sep="\n"
)

# %% [markdown]
# With pencil and paper: what is the pairwise mean squared error of the two pictures if the mask is left out (`pmse`)?
# And what is it under the mask (`masked`)?
# Sum $(d_i - d_j)^2$ over the six pairs of pixels, or take the variance of the four differences, whichever you like better.
# Three digits are enough.

# %% nbgrader={"grade": false, "grade_id": "by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# canary: i2i solution
d = x - fake
kept = (x - fake) * mask
pmse = float(d.square().mean() - d.mean() ** 2)
masked = float(kept.square().mean() - kept.mean() ** 2)
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "by-hand-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_by_hand(pmse, masked, student=student)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
assert len(student.strip()) > 0
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2: the content similarity (3 points)
#
# Now the masked PMSE of a batch: picture by picture, and then the mean.
# `x` and `fake` are `(N, 3, H, W)`. The mask holds zeros and ones, in one channel for all three colours or in three channels.


# %% nbgrader={"grade": false, "grade_id": "content-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def content_loss(x, fake, mask):
    """The masked pairwise mean squared error of PixelDA: one number for the batch."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    d = ((x - fake) * mask).flatten(1)
    k = d.shape[1]
    return (d.square().sum(1) / k - d.sum(1).square() / k**2).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "content-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_content_loss(content_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_content_loss(content_loss, seed=1, batch=1, side=9)
tasks.check_content_loss(content_loss, seed=2, channels=3, dtype=torch.float32)
tasks.check_content_loss(content_loss, seed=3, batch=4, side=5, covered=1.0)
tasks.check_content_loss(content_loss, seed=4, covered=0.0)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3: the task loss (3 points)
#
# One classifier $T$ reads both domains, but its first layer exists twice: `classifier(images, "source")` and `classifier(images, "target")` return logits `(N, classes)`.
# Write the task loss of the paper, in which neither term has a weight.
# $T$ and $G$ will both minimise it, each in its own turn, so it must be possible to learn from it through `fake`.


# %% nbgrader={"grade": false, "grade_id": "task-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def task_loss(classifier, x, fake, label):
    """How well the classifier names the adapted and the source images; label: N whole numbers."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    on_fake, on_x = classifier(fake, "target"), classifier(x, "source")
    return F.cross_entropy(on_fake, label) + F.cross_entropy(on_x, label)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "task-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_task_loss(task_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_task_loss(task_loss, seed=1, batch=1, classes=2)
tasks.check_task_loss(task_loss, seed=2, batch=7, side=5, dtype=torch.float32)
tasks.check_task_loss(task_loss, seed=3, scale=1e5)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4: the noise (3 points)
#
# In the chapter's run every pixel of a picture is given all of $z$, so that all pixels can agree on one light.
# Return the pictures with `size` more channels behind their own three.
# Each of these channels holds one number of $z$, the same at all pixels.
# The numbers are uniform between −1 and 1, each picture has its own, and every call draws new ones.
# If `size` is 0, nothing is added.


# %% nbgrader={"grade": false, "grade_id": "with-noise", "locked": false, "schema_version": 3, "solution": true, "task": false}
def with_noise(x, size):
    """What G's first convolution sees: (N, 3, H, W) becomes (N, 3 + size, H, W)."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    z = torch.rand(len(x), size, 1, 1, dtype=x.dtype) * 2 - 1
    return torch.cat([x, z.expand(-1, -1, *x.shape[2:])], dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "with-noise-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_with_noise(with_noise)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_with_noise(with_noise, seed=1, batch=2, size=10, height=5, width=5)
tasks.check_with_noise(with_noise, seed=2, batch=5, size=1, dtype=torch.float32)
tasks.check_with_noise(with_noise, seed=3, batch=1, size=0, height=9, width=4)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5: one step of the game (3 points)
#
# Write one training step.
# First $D$ and $T$ learn, both on the same adapted pictures. Then $G$ makes new ones from the same source images, with new noise, and plays against the two that have just learnt.
# Each of the three takes one step of its own optimiser: `adam[generator]`, `adam[discriminator]`, `adam[classifier]`.
#
# `generator(x, z)` takes the noise that `new_noise()` draws.
# The losses are given: `terms.domain_d(discriminator, target, fake)` is what $D$ minimises, `terms.domain_g(discriminator, fake)` is $G$'s domain term, and `terms.task(classifier, x, fake, label)` is a right version of task 3, which $T$ minimises as it is and $G$ with the weight `beta`.
# None of them detaches anything.
# Your function is called again and again, with the same optimisers, and returns nothing.


# %% nbgrader={"grade": false, "grade_id": "training-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_step(
    generator, discriminator, classifier, adam,
    x, label, target, new_noise, terms, beta,
):  # fmt: skip
    """One step of PixelDA on labelled source images and unlabelled target images."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    with torch.no_grad():
        fake = generator(x, new_noise())
    adam[discriminator].zero_grad()
    terms.domain_d(discriminator, target, fake).backward()
    adam[discriminator].step()
    adam[classifier].zero_grad()
    terms.task(classifier, x, fake, label).backward()
    adam[classifier].step()

    fake = generator(x, new_noise())
    loss_g = terms.domain_g(discriminator, fake)
    loss_g = loss_g + beta * terms.task(classifier, x, fake, label)
    adam[generator].zero_grad()
    loss_g.backward()
    adam[generator].step()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "training-step-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_training_step(training_step)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_training_step(training_step, seed=1, batch=1, side=11, steps=5)
tasks.check_training_step(
    training_step, seed=2, beta=2.0, optimiser=torch.optim.Adam
)
tasks.check_training_step(training_step, seed=3, dtype=torch.float32, steps=2)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 6: a run that fails (3 points)
#
# A colleague adapts rendered objects to photographs.
# Her code runs without a complaint, and no loss says that anything is wrong. But look at the pictures.
# This is how she makes tensors of her files, which hold bytes from 0 to 255, the channels last:


# %% nbgrader={"grade": false, "grade_id": "sick-code", "locked": true, "schema_version": 3, "solution": false, "task": false}
def sick_prepare(renderings, photographs):
    """Two batches of bytes (N, H, W, 3) as two batches of images for the game."""
    x = renderings.movedim(-1, 1).to(torch.float32) - 127.5
    target = photographs.movedim(-1, 1).to(torch.float32)
    return x / x.abs().max(), target / target.abs().max()


# %% [markdown]
# And this is her run (some ten seconds), beside one whose domains are prepared as they should be.
# The histogram counts the values of all pixels, in what her generator paints and in real photographs.

# %% nbgrader={"grade": false, "grade_id": "sick-run", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
numbers = replace(
    RECIPES["fast"], classes=6, steps=200, blocks=2, discriminator_width=24
)
test = objects.evaluation("objects_black", numbers.size)


def training(weight_content, prepare=None):
    """A short training; `prepare` makes images of both domains' bytes."""
    torch.manual_seed(student_seed(student))
    model = PixelDA(replace(numbers, weight_content=weight_content))
    given = numbers.size, numbers.batch, student_seed(student)
    stream, optimisers = (
        objects.train("objects_black", *given),
        make_optimisers(model),
    )
    for step in range(numbers.steps):
        batch = next(stream)
        if prepare is not None:
            files = [as_bytes(batch[name]) for name in ("source", "target")]
            batch["source"], batch["target"] = prepare(*files)
        play(model, optimisers, batch, step)
    return model


def as_bytes(images):
    """What the files hold."""
    levels = (images + 1) * 127.5
    return levels.round().to(torch.uint8).movedim(1, -1)


# %% nbgrader={"grade": false, "grade_id": "sick-pictures", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
models = {"as it should be": training(10.0), "hers": training(10.0, sick_prepare)}
torch.manual_seed(student_seed(student))
painted = {name: model.translate(test["source"]) for name, model in models.items()}
columns = {"rendering": test["source"], **painted, "photograph": test["target"]}
display(plots.grid({name: images[:6] for name, images in columns.items()}))
plots.histogram(
    {"hers": painted["hers"], "photographs": test["target"]}, x="value of a pixel"
)

# %% [markdown]
# $G$ closes the gap that it is shown, and here it was shown another one than she meant.
# Find the mistake and mend it: in both domains byte 0 becomes −1 and byte 255 becomes 1, whatever else a batch holds.


# %% nbgrader={"grade": false, "grade_id": "prepare", "locked": false, "schema_version": 3, "solution": true, "task": false}
def prepare(renderings, photographs):
    """Two batches of bytes (N, H, W, 3) become float32 (N, 3, H, W) from -1 to 1."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    x, target = (
        pixels.movedim(-1, 1).float() / 127.5 - 1
        for pixels in (renderings, photographs)
    )
    return x, target
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "prepare-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_prepare(prepare)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_prepare(prepare, seed=1, batch=1, height=9, width=4)
tasks.check_prepare(prepare, seed=2, batch=3, height=5, width=5)
### END HIDDEN TESTS

# %% [markdown]
# ## Measure
#
# The class of these objects is their shape, and their hue is free. Two claims:
#
# 1. Without the content similarity nothing asks $G$ to keep a hue; with it, an object's hue is turned less.
# 2. The mask leaves the ground free: with the content similarity the ground still changes at least 0.8 times as much as without.
#
# One of the two models is already there; this trains the other, with your own seed (some ten seconds).
# The hue is turned by 0 to 180 degrees; unrelated hues differ by 90.
# The last column needs the labels of the target, which no training has seen.

# %% nbgrader={"grade": false, "grade_id": "measure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
compared = {"without": training(0.0), "with": models["as it should be"]}
torch.manual_seed(student_seed(student))
rendered, cover = test["source"], test["source_mask"]
rows, columns = [], {"rendering": rendered[:6]}
for name, model in compared.items():
    images = model.translate(rendered)
    columns[name] = images[:6]
    hue = metrics.hue_difference(rendered, images, cover)
    ground = metrics.mean_absolute_error(images, rendered, 1 - cover)
    with torch.no_grad():
        named = model.eval().task(test["target"]).argmax(1)
    right = float((named == test["target_label"]).float().mean())
    rows.append((name, hue, ground, right))
display(plots.grid({**columns, "photograph": test["target"][:6]}))
plots.table(
    ["content similarity", "hue turned", "ground changed by", "target accuracy"],
    rows,
)

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
# 1. The hue and the ground of both rows are given, and each claim is judged by them, whichever way it went: the second by the ratio, 0.8 or more.
#    "Does not hold here" with the numbers earns the point; "holds" against the numbers does not.
# 2. Something seen in *these* pictures: objects of another colour without the term, of their own but dimmer with it, grounds that resemble each other, edges that fray, a frame or a texture that no photograph has.
#    Or the other way round: no picture shows how many of the targets T reads.
# 3. One limit, with its cure: one seed (run others), 200 steps (train on), one weight (try several), a mean colour under the mask says nothing about texture or shape (a judge that reads the shape), how much the ground changes says nothing about whether it resembles a photograph (a Fréchet distance, or people), accuracies this low separate nothing.
#    Choosing the weight by the last column would use the target's labels; who notices it earns the point, too.
# ### END SOLUTION
