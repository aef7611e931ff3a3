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
# # Assignment 7: TUNIT
#
# Six tasks and a question, 20 points, 60 to 90 minutes.
# You need [chapter 7](chapters/07_tunit.html).
# By the end you have written what teaches the guiding network $E$ while it learns alone: the mutual information of two views, the style contrast with its queue and its momentum copy, and a step that uses them.
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
from dataclasses import replace

import torch
import torch.nn.functional as F
from IPython.display import display

from i2i_tutor import plots
from i2i_tutor.data import herd
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.tunit import RECIPES, TUNIT, joint_matrix
from i2i_tutor.tasks import tunit as tasks
from i2i_tutor.tasks.base import student_seed
from i2i_tutor.training import make_optimisers, play

# %% [markdown]
# ## Task 1: by hand (2 points)
#
# Two pictures, two domains.
# A row of `p` says how sure the network is that a picture belongs to domain 1 and to domain 2; a row of `q` says the same of its strong view.
# Here are yours:

# %% nbgrader={"grade": false, "grade_id": "show-assignments", "locked": true, "schema_version": 3, "solution": false, "task": false}
p, q = tasks.by_hand(student)
print("p", p.tolist(), "q", q.tolist(), sep="\n")

# %% [markdown]
# With pencil, paper and a calculator: what is $P_{12}$ of the joint matrix (`apart`)?
# Mind that the matrix is made symmetric and that its four entries sum to 1.
# And what is the mutual information $I$ of the two views, in nats (`information`)?
# Three digits are enough.

# %% nbgrader={"grade": false, "grade_id": "by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# canary: i2i solution
counted = sum(torch.outer(a, b) for a, b in zip(p, q, strict=True))
P = (counted + counted.T) / counted.sum() / 2
apart = float(P[0, 1])
information = float((P * (P / torch.outer(P.sum(1), P.sum(0))).log()).sum())
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "by-hand-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_by_hand(apart, information, student=student)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
assert len(student.strip()) > 0
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2: the joint matrix (3 points)
#
# Now for a batch: how often do the two views of one picture lie on domains $i$ and $j$?
# `p` and `q` are `(N, K)`, and their rows sum to 1.
# Return the matrix $P$, `(K, K)`: symmetric, because neither view is the first, and with the sum 1.


# %% nbgrader={"grade": false, "grade_id": "joint", "locked": false, "schema_version": 3, "solution": true, "task": false}
def joint(p, q):
    """How often two views of one picture are assigned to domains i and j."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    counted = p.T @ q
    return (counted + counted.T) / (2 * counted.sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "joint-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_joint(joint)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_joint(joint, seed=1, batch=1, domains=2)
tasks.check_joint(joint, seed=2, batch=40, domains=10, dtype=torch.float32)
tasks.check_joint(joint, seed=3, batch=9, domains=7, sure=40.0)
tasks.check_joint(joint, seed=4, batch=4)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3: a run that fails (3 points)
#
# A colleague trains $E$ on drawn animals in four coats, with $K = 4$, and hopes that each pile will be of one coat.
# Her code runs without a complaint, and her loss falls.
# But look at the piles.
# This is her information loss, which is given a right joint matrix.
# With `entropy = 1` it should be minus the mutual information; in general `entropy` weights the logarithms of both marginals in it, as in the chapter.


# %% nbgrader={"grade": false, "grade_id": "sick-code", "locked": true, "schema_version": 3, "solution": false, "task": false}
def sick_information_loss(joint, entropy):
    """Minus the mutual information of a joint matrix (K, K): one number."""
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    parts = (part.clamp(min=1e-10) for part in (joint, rows, columns))
    joint, rows, columns = parts  # no logarithm of zero
    return -(joint * (joint / rows**entropy * columns**entropy).log()).sum()


# %% [markdown]
# And this is her run, beside one whose loss is right (some twenty seconds).
# Each column shows the first five animals of a pile; what is missing is white.
# The curves show the two entropies of the joint matrix, whatever loss is minimised: $H(p)$, at most $\ln 4 \approx 1.39$, and $H(p \mid p^+)$.
# As in the chapter, five label heads learn side by side, and the one with the lowest loss answers; a curve is the mean of all five.

# %% nbgrader={"grade": false, "grade_id": "training", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
# E alone; fast, and asked a little more for even piles, since there is little time
haste = {"steps": 260, "warm_up": 1.0, "guide_rate": 3e-3, "entropy": 1.3}
numbers = replace(RECIPES["fast"], size=32, **haste)
test = herd.evaluation("procedural", numbers.size, count=200)


def training(loss, strong="animals"):
    """E alone, for a short time: the model, its two entropies, and its loss."""
    torch.manual_seed(student_seed(student))
    model, curve = TUNIT(numbers), []

    def information(p, q, entropy):
        joint = joint_matrix(p, q)
        paid = loss(joint, entropy)
        curve.append([*tasks.entropies(joint), float(paid.detach())])
        return paid

    model.information = information  # every step of the training calls it
    given = numbers.size, numbers.batch, student_seed(student)
    stream = herd.train("procedural", *given, strong=strong, pile=1000)
    optimisers = make_optimisers(model)
    for step in range(numbers.steps):
        play(model, optimisers, next(stream), step)
    # one row a step, the mean over the label heads
    return model, torch.tensor(curve).view(numbers.steps, -1, 3).mean(1)


# %% nbgrader={"grade": false, "grade_id": "sick-run", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
def piles(model, name):
    """Which pile each test picture lies on, and a column of pictures for each pile."""
    pile, columns = model.assign(test["image"]).argmax(1), {}
    for number in range(numbers.domains):
        some = test["image"][pile == number][:5]
        rest = torch.ones(5 - len(some), *test["image"].shape[1:])
        columns[f"{name} {number + 1}"] = torch.cat([some, rest])
    return pile, columns


runs = {
    "right": training(tasks.reference_information),
    "hers": training(sick_information_loss),
}
columns = {}
for name, (model, _) in runs.items():
    columns |= piles(model, name)[1]
display(plots.grid(columns))
first, last = runs["hers"][1][[0, -1], 2].tolist()
print(
    f"her information loss: {first:.2f} in the first step, {last:.2f} in the last"
)

# %% nbgrader={"grade": false, "grade_id": "sick-curves", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
smooth = {
    name: curve.view(-1, 10, 3).mean(1).T.tolist()
    for name, (_, curve) in runs.items()
}
plots.lines(
    {
        f"{name}: {what}": (range(10, numbers.steps + 1, 10), smooth[name][n])
        for name in runs
        for n, what in enumerate(("H(p)", "H(p | p+)"))
    },
    x="step",
    y="entropy (nats)",
)

# %% [markdown]
# What does her loss reward, and what does it not?
# Find the mistake and mend it.
# Probabilities are clamped to 1e-10 before their logarithm is taken, so that an empty domain gives no infinity.


# %% nbgrader={"grade": false, "grade_id": "information", "locked": false, "schema_version": 3, "solution": true, "task": false}
def information_loss(joint, entropy):
    """Minus the mutual information of a joint matrix (K, K): one number."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    clamped = [part.clamp(min=1e-10).log() for part in (joint, rows, columns)]
    return -(joint * (clamped[0] - entropy * (clamped[1] + clamped[2]))).sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "information-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_information(information_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_information(information_loss, seed=1, domains=2, batch=3, entropy=1.0)
tasks.check_information(information_loss, seed=2, domains=10, dtype=torch.float32)
tasks.check_information(information_loss, seed=3, domains=5, batch=20, entropy=0.0)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4: the style contrast (3 points)
#
# How badly is each query told its own key from the negatives of the queue?
# `query` and `key` are `(N, style)`, `negatives` is `(M, style)`; take the codes as they are, whatever their length.
# The softmax is over $1 + M$ products, divided by `temperature`, and the loss is a mean over the queries.
# Neither key nor negatives receive a gradient.
# At the beginning of a training the queue is empty, $M = 0$; later, codes may be long, and their products in the hundreds.


# %% nbgrader={"grade": false, "grade_id": "contrast", "locked": false, "schema_version": 3, "solution": true, "task": false}
def contrast(query, key, negatives, temperature):
    """The style contrastive loss: one number for the batch."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    own = (query * key.detach()).sum(1, keepdim=True)
    products = torch.cat([own, query @ negatives.detach().T], 1) / temperature
    return F.cross_entropy(products, torch.zeros(len(query), dtype=torch.long))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "contrast-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_contrast(contrast)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_contrast(contrast, seed=1, batch=1, style=3, entries=20)
tasks.check_contrast(contrast, seed=2, batch=6, temperature=0.07, scale=30.0)
tasks.check_contrast(contrast, seed=3, entries=0)
tasks.check_contrast(contrast, seed=4, batch=3, entries=1, dtype=torch.float32)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5: the queue and the copy (3 points)
#
# Write the end of a step, in which a training remembers.
#
# Return the queue of the next step: the old entries and then the new keys, the oldest first, at most `size` of them, at least 1.
# In the first step `queue` is empty, `(0, style)`; a batch may hold more keys than the queue has room for.
# What is kept is numbers and no graph, and the tensors that you are given stay as they are.
#
# And move the weights of the momentum copy in place, $E' \leftarrow m E' + (1 - m) E$: `slow` is the copy, `fast` is $E$, `momentum` is $m$.
# The copy never learns by a gradient.


# %% nbgrader={"grade": false, "grade_id": "memory", "locked": false, "schema_version": 3, "solution": true, "task": false}
def remember(queue, keys, size, slow, fast, momentum):
    """The queue (M, style) after the keys (N, style); moves the copy of the network."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    with torch.no_grad():
        for mine, theirs in zip(slow.parameters(), fast.parameters(), strict=True):
            mine.lerp_(theirs, 1 - momentum)
    return torch.cat([queue, keys.detach()])[-size:]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "memory-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_memory(remember)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_memory(remember, seed=1, size=1, batch=2, momentum=0.999)
tasks.check_memory(remember, seed=2, size=5, batch=8, dtype=torch.float32)
tasks.check_memory(remember, seed=3, size=32, batch=4, style=9, momentum=0.3)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 6: one step of the warm-up (3 points)
#
# Write one step in which $E$ learns alone, from the sum of its two losses.
#
# - `guide(images)` returns logits `(N, K)` and style codes `(N, style)`; `slow(images)` does the same by the momentum copy.
# - `image` and `strong` are the two views of a batch. The images give the queries, and their strong views the keys.
# - `terms.information(p, q)` and `terms.contrast(query, key, negatives)` are right versions of tasks 2 to 4, with their weights and their temperature.
# - `adam` moves the guiding network, once in a step.
# - `queue.entries()` are the keys of earlier steps, and `queue.push(keys)` adds some.
# - `terms.follow(slow, guide)` is a right version of task 5, for the end of the step: the copy follows the network that has just learnt.
#
# No picture is among its own negatives.
# Your function is called again and again, with the same optimiser, and returns nothing.


# %% nbgrader={"grade": false, "grade_id": "guide-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def guide_step(guide, slow, queue, adam, image, strong, terms):
    """One step of the guiding network alone, and of what it remembers."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    with torch.no_grad():
        _, key = slow(strong)
    (logits, code), (others, _) = guide(image), guide(strong)
    loss = terms.information(logits.softmax(1), others.softmax(1))
    loss = loss + terms.contrast(code, key, queue.entries())
    adam.zero_grad()
    loss.backward()
    adam.step()
    queue.push(key)
    terms.follow(slow, guide)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "guide-step-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_guide_step(guide_step)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_guide_step(guide_step, seed=1, batch=6, side=11, steps=5, domains=2)
tasks.check_guide_step(guide_step, seed=2, optimiser=torch.optim.Adam, entries=30)
tasks.check_guide_step(guide_step, seed=3, dtype=torch.float32, steps=2)
### END HIDDEN TESTS

# %% [markdown]
# ## Measure
#
# The strong views of task 3 change the place and the light of a picture.
# What if they change its place alone?
# Then not only the coat survives, but the hour of the day as well. Two claims:
#
# 1. Without a change of light the piles are partly made of the hour: their NMI with it is higher by at least 0.2.
# 2. The coat survives in either case, so the NMI of the piles with the coat falls by 0.2 at most.
#
# One of the two models is there already; this trains the other, with your own seed (some ten seconds).
# NMI goes from 0, unrelated, to 1. The last column is $I$ in the last twenty steps, of at most $\ln 4$.

# %% nbgrader={"grade": false, "grade_id": "measure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
compared = {
    "place, light": runs["right"],
    "place": training(tasks.reference_information, strong="places"),
}
rows, columns = [], {}
for name, (model, curve) in compared.items():
    pile, pictures = piles(model, name)
    columns |= pictures
    hour, coat = (
        metrics.clustering_information(test[what], pile)
        for what in ("hour", "domain")
    )
    final = curve[-20:, 0] - curve[-20:, 1]
    rows.append((name, hour, coat, float(final.mean())))
display(plots.grid(columns))
header = ["views change", "NMI with the hour", "NMI with the coat", "information"]
plots.table(header, rows)

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
# 1. Both NMI of both rows are given, and each claim is judged by them, whichever way it went.
#    "Does not hold here" with the numbers earns the point; "holds" against the numbers does not.
# 2. Something seen in *these* pictures: piles of dark and of light pictures, a coat that keeps a pile of its own all the same, a pile in which two coats share an hour.
#    Or the other way round: five pictures of a pile do not show how many of the others are mixed, and the last column does not show what the information is about: it can be high where the piles are of the hour.
# 3. One limit, with its cure: one seed (run others), 260 steps (train on; the two runs may not be equally far), four even coats (other shares), K = 4 when there are two things that come in kinds (try 8 or 16), NMI with two properties says nothing of a third, such as pose or direction (measure those), one drawn world (photographs).
#    Whoever notices that the hour has no gaps, so that four quarters of it are our choice, earns the point, too.
# ### END SOLUTION
