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
# # Assignment 4: MatchGAN
#
# Six tasks and a question, 20 points, 60 to 90 minutes.
# You need [chapter 4](chapters/04_matchgan.html).
# By the end you have written what StarGAN and MatchGAN add to a GAN: a loss that reads labels, pairs of a batch, a loss that compares them, and a step of the game that knows what to do with faces whose label nobody has written down.
#
# Fill in the cells that say `YOUR CODE HERE`, and leave the others as they are.
# The cell below each of them checks your answer, and if it is wrong it often knows why.
# When your work is graded, the same checks are run again on other numbers, sizes and seeds.
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
from dataclasses import asdict, replace

import torch
import torch.nn.functional as F
from IPython.display import display

from i2i_tutor import plots
from i2i_tutor.data import attributes
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.matchgan import RECIPES, StarGAN, StarGANRecipe
from i2i_tutor.tasks import matchgan as tasks
from i2i_tutor.tasks.base import student_seed
from i2i_tutor.training import make_optimisers, play

# %% [markdown]
# ## Task 1: by hand (2 points)
#
# A discriminator has read two faces, a row each, and gives a logit for each of three numbers of their label; each number is yes or no by itself.
# Its match head has looked at two pairs, a row each: the first logit says *not the same label*, the second *the same*.
# Here are yours, and a table that saves you the calculator:

# %% nbgrader={"grade": false, "grade_id": "show-logits", "locked": true, "schema_version": 3, "solution": false, "task": false}
logits, label, scores, same = tasks.by_hand(student)
print("logits of the labels", logits.tolist(), "labels", label.tolist())
print("logits of the pairs", scores.tolist(), "same", same.tolist())
for d in (-2.0, -1.0, 0.0, 1.0, 2.0):
    print(f"ln(1 + exp({d:.0f})) = {F.softplus(torch.tensor(d)):.3f}")

# %% [markdown]
# With pencil and paper: what is the label loss of the two faces (`label_value`), and what is the match loss of the two pairs (`match_value`)?
# With a logit $z$, the cost of *no* is $-\ln(1 - \sigma(z)) = \ln(1 + e^z)$, and the cost of *yes* is $\ln(1 + e^{-z})$.
# In a softmax of two, the cost is $\ln(1 + e^d)$, where $d$ is the wrong logit minus the right one.
# Three digits are enough.

# %% nbgrader={"grade": false, "grade_id": "by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# canary: i2i solution
costs = F.softplus(torch.where(label == 1, -logits, logits))
label_value = float(costs.sum(1).mean())
match_value = float(F.cross_entropy(scores, same))
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "by-hand-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_by_hand(label_value, match_value, student=student)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
assert len(student.strip()) > 0
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2: the label loss (3 points)
#
# Now for any batch, and for both kinds of labels.
# If `exclusive` is False, each number is a yes-or-no question of its own, as in task 1.
# If it is True, exactly one number of a label is 1, as with the emotions of a face, and one softmax over all of them takes the place of the many questions.
# `logits` and `label` are `(N, K)`; a label holds 0 and 1.
# $D$ may be very sure of itself, and wrong: the loss must stay finite with logits of 1,000 as well.


# %% nbgrader={"grade": false, "grade_id": "label-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def label_loss(logits, label, exclusive):
    """How badly labels are read: one number for the batch."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    if exclusive:
        return F.cross_entropy(logits, label.argmax(1))
    each = F.binary_cross_entropy_with_logits(logits, label, reduction="none")
    return each.sum(1).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "label-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_label_loss(label_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_label_loss(label_loss, seed=1, batch=1, numbers=8)
tasks.check_label_loss(label_loss, seed=2, batch=7, numbers=2, dtype=torch.float32)
tasks.check_label_loss(label_loss, seed=3, scale=1e3)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3: pairs (2 points)
#
# The faces of a labelled batch lie group by group, four of one label in each group, and are numbered from 0.
# Each group gives two triplets.
# Within a group, count the faces from 0 to 3:
#
# - anchor face 0, positive face 1, negative face 3 of the group *two before*;
# - anchor face 2, positive face 1, negative face 3 of the group *before*.
#
# The groups go round: before the first one comes the last.
# Each triplet is two pairs, the anchor with its positive and the anchor with its negative.
# Return all pairs of a batch with any number of groups, at least three, in any order.


# %% nbgrader={"grade": false, "grade_id": "pairs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pairs(groups):
    """Three int64 tensors: the anchors, their partners, and 1 where both have one label, else 0."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    found = []
    for k in range(groups):
        for anchor, back in ((0, 2), (2, 1)):
            other = (k - back) % groups
            found.append((4 * k + anchor, 4 * k + 1, 1))
            found.append((4 * k + anchor, 4 * other + 3, 0))
    first, second, same = torch.tensor(found).unbind(1)
    return first, second, same
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "pairs-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_pairs(pairs)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_pairs(pairs, groups=3)
tasks.check_pairs(pairs, groups=5)
tasks.check_pairs(pairs, groups=11)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4: the match loss of fakes (3 points)
#
# Fakes are paired by their targets.
# In a batch with `groups` targets, row $j$ was given target number $j \bmod$ `groups`.
# So first put the rows in the order of their targets, and within one target leave them in the order in which they stand in the batch.
# Then the pairs of task 3 fit. The argument `pairs` is what that task returns, three tensors: `first, second, same = pairs`.
#
# `embedding` is `(4 * groups, C, s, s)`, in the order of the batch.
# `head(a, b)` takes the embeddings of $P$ pairs, `(P, C, s, s)` each, and returns logits `(P, 2)`: *not the same*, *the same*.
# It is not symmetric.


# %% nbgrader={"grade": false, "grade_id": "match-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def match_loss(embedding, groups, pairs, head):
    """Have the two fakes of a pair the same target? One number for the batch."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    first, second, same = pairs
    target = torch.arange(len(embedding)) % groups
    e = embedding[target.argsort(stable=True)]
    return F.cross_entropy(head(e[first], e[second]), same)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "match-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_match_loss(match_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_match_loss(match_loss, seed=1, groups=4, channels=1, side=3)
tasks.check_match_loss(match_loss, seed=2, groups=7, dtype=torch.float32)
tasks.check_match_loss(match_loss, seed=3, groups=5, scale=50.0)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5: a run that fails (4 points)
#
# A colleague trains a StarGAN on faces all of which have a label.
# The faces are the chapter's, 24 pixels wide, in the kinder of its two worlds (`hard=False`).
# As in StarGAN, the targets of a batch are its own labels in random order.
# This is how she draws these targets:


# %% nbgrader={"grade": false, "grade_id": "sick-code", "locked": true, "schema_version": 3, "solution": false, "task": false}
def sick_targets(label):
    """The labels of a batch (N, K) in random order."""
    targets = label
    for row, other in enumerate(torch.randperm(len(label))):
        targets[row] = label[other]
    return targets


# %% [markdown]
# The next cell shows how the targets enter a batch. Everything else is the package's, and no step complains.
# Then comes her run, beside one that draws its targets as it should (some ten seconds each).
# In 250 steps the pictures stay rough: hair like a cap is no mistake here.

# %% nbgrader={"grade": false, "grade_id": "sick-run", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
fast = {name: getattr(RECIPES["fast"], name) for name in asdict(StarGANRecipe())}
small = {"size": 24, "base": 8, "blocks": 1, "kernel": 3, "discriminator_base": 16}
short = {"steps": 250, "learning_rate": 3e-3, "average": 0.97, "cover": 0.7}
numbers = StarGANRecipe(**fast | small | short)
test = attributes.evaluation("faces", numbers.size, count=48, hard=False)


def training(targets, **changed):
    """A short training: the model, and in each step D's label loss of real faces."""
    torch.manual_seed(student_seed(student))
    model, paid = StarGAN(replace(numbers, **changed)), []
    optimisers = make_optimisers(model)
    stream = attributes.train(
        "faces", numbers.size, numbers.batch, student_seed(student),
        unlabelled=False, groups=None, pile=1000, hard=False,
    )  # fmt: skip
    for step in range(numbers.steps):
        batch = next(stream)
        batch["wanted"] = targets(batch["label"])
        terms = play(model, optimisers, batch, step)
        paid.append(terms["label_real"].detach())
    return model, torch.stack(paid)


# %% nbgrader={"grade": false, "grade_id": "sick-pictures", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
names, shown = attributes.names("faces"), [20, 12, 8, 0]


def edits(model):
    """Four test faces and each of their edits."""
    face, wanted = test["image"][shown], test["wanted"][shown]
    made = [model.translate_to(face, wanted[:, k]) for k in range(len(names))]
    return {"face": face} | dict(zip(names, made, strict=True))


runs = {
    "as it should be": training(tasks.reference_targets),
    "hers": training(sick_targets),
}
for name, (model, _) in runs.items():
    display(plots.grid(edits(model), name))
steps = range(10, numbers.steps + 1, 10)
plots.lines(
    {
        name: (steps, paid.view(-1, 10).mean(1).tolist())
        for name, (_, paid) in runs.items()
    },
    x="step",
    y="D's label loss of real faces",
)

# %% [markdown]
# Her $G$ hands every face back.
# And the label loss of her $D$, which should learn to read real faces, stays at about 3.1.
# That is what it costs to know how common each attribute is, and not to look at the face: three colours of hair, each on a quarter of the faces, cost 0.56 each, and two coins 0.69.
# Find the mistake and mend it.
# All orders of the labels must be equally likely, also those in which a face keeps its own.


# %% nbgrader={"grade": false, "grade_id": "targets", "locked": false, "schema_version": 3, "solution": true, "task": false}
def targets(label):
    """The labels of a batch (N, K) in random order."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    order = torch.randperm(len(label))
    return label[order]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "targets-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
tasks.check_targets(targets)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_targets(targets, seed=1, batch=2, numbers=1, dtype=torch.float32)
tasks.check_targets(targets, seed=2, batch=16, numbers=8)
tasks.check_targets(targets, seed=3, batch=1)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 6: one step of the game (3 points)
#
# Write one training step of MatchGAN.
# $D$ moves first; then $G$, against the $D$ that has just learnt.
# `batch` holds `image` and `wanted`, the targets.
# If it is a labelled batch, it holds `label` as well; if not, there is no such key.
# Leave out what needs a label that nobody knows, and only that.
#
# `generator(image, label)` returns faces; `discriminator(image)` returns three things, the logits of *real?*, those of the label, and the embedding.
# The losses are given, without any weight:
#
# - `terms.hinge(on_image, on_fake)` for $D$ and `terms.fool(on_fake)` for $G$, from the logits of *real?*;
# - `terms.label(read, label)`, a right version of task 2 for yes-or-no numbers;
# - `terms.match_real(discriminator, embedding)` for real faces, which lie group by group;
# - `terms.match_fake(discriminator, embedding)` for fakes, a right version of task 4.
#
# The way back is a mean of absolute values.
# It has weight 10, the match losses have 0.5, and all others 1.
# Each player takes one step of its own optimiser; `adam` is a dict whose keys are the two networks, so these are `adam[discriminator]` and `adam[generator]`.
# Both turns may use the same fakes.
# Your function is called again and again, with the same optimisers, and returns nothing.


# %% nbgrader={"grade": false, "grade_id": "training-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_step(generator, discriminator, adam, batch, terms):
    """One step of MatchGAN on a labelled or an unlabelled batch."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    image, wanted, label = batch["image"], batch["wanted"], batch.get("label")
    fake = generator(image, wanted)
    on_image, read, embedding = discriminator(image)
    loss_d = terms.hinge(on_image, discriminator(fake.detach())[0])
    if label is not None:
        match = terms.match_real(discriminator, embedding)
        loss_d = loss_d + terms.label(read, label) + 0.5 * match
    adam[discriminator].zero_grad()
    loss_d.backward()
    adam[discriminator].step()

    on_fake, read, embedding = discriminator(fake)
    match = terms.match_fake(discriminator, embedding)
    loss_g = terms.fool(on_fake) + terms.label(read, wanted) + 0.5 * match
    if label is not None:
        loss_g = loss_g + 10 * (generator(fake, label) - image).abs().mean()
    adam[generator].zero_grad()
    loss_g.backward()
    adam[generator].step()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "training-step-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_training_step(training_step)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_training_step(training_step, seed=1, kinds="UUL", groups=4, numbers=3)
tasks.check_training_step(
    training_step, seed=2, kinds="LLU", optimiser=torch.optim.Adam
)
tasks.check_training_step(training_step, seed=3, kinds="U", dtype=torch.float32)
tasks.check_training_step(training_step, seed=4, kinds="LUL", side=11, numbers=8)
### END HIDDEN TESTS

# %% [markdown]
# ## Measure
#
# The way back alone asks $G$ to keep the person.
# Two claims:
#
# 1. With the way back, the error *outside* of the edits is less than half of that without.
# 2. It costs little: the error *inside* of the edits is at most 0.05 larger with the way back than without.
#
# One of the two models is already there; this trains the other, with your own seed (some ten seconds).
# The faces are drawn, so every edit has a right answer.
# Measured are all edits that change a label; a blond face made blond is not among them.
# *Inside* is the mean difference from it where the edit changes pixels, divided by that of a face that is handed back: 1 is no better than doing nothing.
# *Outside* is the mean difference everywhere else; two pixels are at most 2 apart.
# The last row is the run of task 5 that failed.

# %% nbgrader={"grade": false, "grade_id": "measure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
alone, _ = training(tasks.reference_targets, weight_reconstruction=0.0)
models = {
    "with the way back": runs["as it should be"][0],
    "without": alone,
    "hers": runs["hers"][0],
}
display(plots.grid(edits(models["with the way back"]), "With the way back"))
display(plots.grid(edits(alone), "Without it"))
right = dict(zip(names, test["counterfactual"][shown].unbind(1), strict=True))
display(plots.grid({"face": test["image"][shown]} | right, "The right answers"))
who, what = test["asked"].nonzero(as_tuple=True)
face, wanted = test["image"][who], test["wanted"][who, what]
truth, changed = test["counterfactual"][who, what], test["changed"][who, what]
rows, error = [], metrics.mean_absolute_error
for name, model in models.items():
    made = model.translate_to(face, wanted)
    inside = error(made, truth, changed) / error(face, truth, changed)
    rows.append((name, inside, error(made, truth, 1 - changed)))
plots.table(["trained", "error inside / copying", "error outside"], rows)

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
# 1. Both numbers of the first two rows are given, and each claim is judged by them, whichever way it went: the first by the ratio, the second by the difference.
#    "Does not hold here" with the numbers earns the point; "holds" against the numbers does not.
# 2. Something seen in *these* pictures: walls and skin that are repainted without the way back, faces that become alike, an edit that covers a part of the hair only, sunglasses as a band, a beard that is a smear.
#    Or the other way round: the errors inside hardly differ, although the pictures do; the failed run has the smallest error outside, and no edit at all, so neither number is enough by itself.
# 3. One limit, with its cure: one seed (run others), 250 steps (train on), drawn faces of 24 pixels (photographs, where no right answer exists and a judge must read the edit), one weight of the way back (try several), a mean difference says nothing about sharpness or about who is recognised (a judge, or people).
# ### END SOLUTION
