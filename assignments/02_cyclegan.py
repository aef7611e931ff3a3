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
# # Assignment 2: CycleGAN
#
# Six tasks and a question, 20 points, 60 to 90 minutes.
# You need [chapter 2](chapters/02_cyclegan.html).
# By the end you have written the whole game of CycleGAN yourself: what each of four networks pays, the way back, the pool of earlier fakes, and one step of training.
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
from IPython.display import display

from i2i_tutor import plots
from i2i_tutor.data import unpaired
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.cyclegan import RECIPES, CycleGAN
from i2i_tutor.tasks import cyclegan as tasks
from i2i_tutor.tasks.base import student_seed

# %% [markdown]
# ## Task 1: by hand (2 points)
#
# Two pictures of three grey values each, one of pile $X$ (`a`) and one of pile $Y$ (`b`), and two very simple generators.
# Here are yours:

# %% nbgrader={"grade": false, "grade_id": "show-pictures", "locked": true, "schema_version": 3, "solution": false, "task": false}
own = tasks.by_hand(student)
print("a =", own.a)
print("b =", own.b)
print(f"G(x) = {own.times} * x")
print(f"F(y) = {own.back} * y + ({own.plus})")

# %% [markdown]
# With pencil and paper: what is the `cycle` loss, both halves together, with weight 10?
# And what is the `identity` loss, both halves together, with weight 5?
# The generators compute with every value alone; nothing is cut off at −1 and 1.
# Three digits are enough.

# %% nbgrader={"grade": false, "grade_id": "by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# canary: i2i solution
a = torch.tensor(own.a)
b = torch.tensor(own.b)


def both_errors(like_a, like_b):
    return float((like_a - a).abs().mean() + (like_b - b).abs().mean())


way_back_a = own.back * (own.times * a) + own.plus
way_back_b = own.times * (own.back * b + own.plus)
cycle = 10 * both_errors(way_back_a, way_back_b)
identity = 5 * both_errors(own.back * a + own.plus, own.times * b)
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "by-hand-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_by_hand(cycle, identity, student=student)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
assert len(student.strip()) > 0
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2: what one discriminator and its generator pay (3 points)
#
# Least squares, as in the paper's experiments, and only what the discriminator pays is halved.
# `discriminator` takes one picture and returns a map of numbers.
# `fake` is fresh from the generator and carries its graph: nobody but the discriminator should learn from what the discriminator pays.


# %% nbgrader={"grade": false, "grade_id": "adversarial", "locked": false, "schema_version": 3, "solution": true, "task": false}
def adversarial(discriminator, real, fake):
    """Two losses: what the discriminator minimises, and what the generator minimises."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    for_d = 0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())
    for_g = (discriminator(fake) - 1).square().mean()
    return for_d, for_g
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "adversarial-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_adversarial(adversarial)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_adversarial(adversarial, seed=1, batch=1, side=12)
tasks.check_adversarial(adversarial, seed=2, batch=3, side=6, dtype=torch.float32)
tasks.check_adversarial(adversarial, seed=3, scale=100.0)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3: there and back again (3 points)
#
# The rest of what the two generators pay, as one number: both cycle terms, each times `weight`, plus both identity terms, each times half of `weight`.
# All are means of absolute differences.
# Mind which generator is shown which pile, and in which order.


# %% nbgrader={"grade": false, "grade_id": "round-trips", "locked": false, "schema_version": 3, "solution": true, "task": false}
def round_trips(g_ab, g_ba, a, b, weight):
    """The cycle terms with their weight, and the identity terms with half of it."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    cycle_a = (g_ba(g_ab(a)) - a).abs().mean()
    cycle_b = (g_ab(g_ba(b)) - b).abs().mean()
    identity_a = (g_ba(a) - a).abs().mean()
    identity_b = (g_ab(b) - b).abs().mean()
    return weight * (cycle_a + cycle_b) + weight / 2 * (identity_a + identity_b)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "round-trips-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_round_trips(round_trips)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_round_trips(round_trips, seed=1, batch=1, side=12, weight=10.0)
tasks.check_round_trips(
    round_trips, seed=2, batch=3, side=6, dtype=torch.float32, weight=0.5
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4: the pool (3 points)
#
# Write the pool of earlier fakes, exactly as the paper's authors have it.
# `stored` is a list, empty before the first call; keep the pool's pictures in it, and nothing else.
# `fakes` is a batch, `(N, 3, H, W)`, fresh from the generator, and `size` is how many pictures the pool can hold (0: there is no pool).
# Return what the discriminator is shown: as many pictures, in the same shape.
# Go through the batch one picture after the other; every picture has a coin of its own.
# The generator still needs `fakes` as they are.


# %% nbgrader={"grade": false, "grade_id": "pool", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pool(stored, fakes, size):
    """What the discriminator is shown instead of the fakes; changes the list `stored`."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    shown = []
    for fake in fakes.detach():
        if len(stored) < size:
            stored.append(fake)
        elif size > 0 and torch.rand(()) < 0.5:
            place = int(torch.randint(size, ()))
            fake, stored[place] = stored[place], fake
        shown.append(fake)
    return torch.stack(shown)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "pool-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_pool(pool)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_pool(pool, seed=1, size=50, batch=1, side=2, calls=800)
tasks.check_pool(pool, seed=2, size=3, batch=5, dtype=torch.float32)
tasks.check_pool(pool, seed=3, size=1)
tasks.check_pool(pool, seed=4, size=0, calls=20)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5: a run that fails (3 points)
#
# A colleague wants to save time, so she shows the discriminator every picture only once.
# No error is raised and her ways back are fine, but her horses do not become zebras: all that comes out is pale stripes, over animal and grass alike.
# This is her code for one side of the game:


# %% nbgrader={"grade": false, "grade_id": "sick-code", "locked": true, "schema_version": 3, "solution": false, "task": false}
def sick_side(discriminator, real, fake, pool, loss_d, loss_g):
    """Two losses: what the discriminator minimises, and what the generator minimises."""
    shown = pool(fake)
    on_fake = discriminator(shown)
    return loss_d(discriminator(real), on_fake), loss_g(on_fake)


# %% [markdown]
# `pool(fake)` is a right version of task 4, which keeps its pictures itself.
# `loss_d(on_real, on_fake)` and `loss_g(on_fake)` are the two losses of task 2, as functions of the numbers that the discriminator gives.
#
# And this is her run, beside one that works.
# Look at what the generators pay to the discriminators, and at what the discriminators pay.

# %% nbgrader={"grade": false, "grade_id": "training", "locked": true, "schema_version": 3, "solution": false, "task": false}
numbers = replace(RECIPES["fast"], size=32, steps=200, average=0.9)
animals = unpaired.evaluation("safari", numbers.size, count=64)


def training(numbers, side):
    """A short training in which `side` says what is paid: the model, and its curves."""
    torch.manual_seed(student_seed(student))
    model, paid = CycleGAN(numbers), []
    stream = unpaired.train("safari", numbers.size, 1, student_seed(student))
    players = [[*model.g_ab.parameters(), *model.g_ba.parameters()]]
    players += [[*model.d_a.parameters(), *model.d_b.parameters()]]
    adam = [torch.optim.Adam(each, 1e-3, (0.5, 0.999)) for each in players]
    for _ in range(numbers.steps):
        terms = one_step(model, side, next(stream))
        for each, optimiser, loss in zip(players, adam, terms[:2], strict=True):
            # gradients go to the networks that move, and nowhere else
            loss.backward(inputs=each, retain_graph=True)
            optimiser.step()
            optimiser.zero_grad()
        with torch.no_grad():
            model.move_averages()
        paid.append(torch.stack([terms[2], terms[1]]).detach())
    return model, torch.stack(paid)


# %% nbgrader={"grade": false, "grade_id": "one-step", "locked": true, "schema_version": 3, "solution": false, "task": false}
def one_step(model, side, batch):
    """What the generators pay, what the discriminators pay, and the GAN terms alone."""
    scene, on_numbers = Scene(batch, step=0), (tasks.loss_d, tasks.loss_g)
    model(scene)  # translates there and back

    def play(judge, real, fake, pool):
        return side(
            judge, real, fake, lambda made: pool.query(made)[0], *on_numbers
        )

    d_a, gan_a = play(model.d_a, batch["a"], scene.fake_a, model.pool_a)
    d_b, gan_b = play(model.d_b, batch["b"], scene.fake_b, model.pool_b)
    gan = gan_a + gan_b
    return gan + sum(model.cycle_terms(scene).values()), d_a + d_b, gan


# %% nbgrader={"grade": false, "grade_id": "sick-run", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
runs = {
    "works": training(numbers, tasks.reference_side),
    "hers": training(numbers, sick_side),
}
painted = {
    name: model.translate(animals["a"][:4], "AtoB")
    for name, (model, _) in runs.items()
}
ways_back = {
    f"{name}, and back": runs[name][0].translate(images, "BtoA")
    for name, images in painted.items()
}
display(plots.grid({"horse": animals["a"][:4], **painted, **ways_back}))
smooth = {name: paid.view(-1, 10, 2).mean(1) for name, (_, paid) in runs.items()}
plots.lines(
    {
        f"{name}: {who}": (range(10, numbers.steps + 1, 10), curve[:, n].tolist())
        for name, curve in smooth.items()
        for n, who in enumerate(("generators", "discriminators"))
    },
    x="step",
    y="GAN terms that are paid",
)

# %% [markdown]
# Find the mistake and mend it.
# The pool stays, and it is asked once.


# %% nbgrader={"grade": false, "grade_id": "side", "locked": false, "schema_version": 3, "solution": true, "task": false}
def side(discriminator, real, fake, pool, loss_d, loss_g):
    """Two losses: what the discriminator minimises, and what the generator minimises."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    for_d = loss_d(discriminator(real), discriminator(pool(fake)))
    return for_d, loss_g(discriminator(fake))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "side-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_side(side)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_side(side, seed=1, batch=1, side=12)
tasks.check_side(side, seed=2, batch=3, side=6, dtype=torch.float32)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 6: one step of the game (3 points)
#
# Write one training step in the order of the official code.
# The generators play first, both at once, against the discriminators of before.
# Then both discriminators learn, from the fakes that were made *before* the generators' step.
# The pool is left out.
#
# `model` holds the four networks, `model.g_ab`, `model.g_ba`, `model.d_a` and `model.d_b`.
# `adam_g` moves both generators, and `adam_d` both discriminators; each of them takes one step.
# `loss_g(on_fake)` and `loss_d(on_real, on_fake)` are the losses of task 2, as functions of the numbers that a discriminator gives.
# `trips(g_ab, g_ba, a, b)` is a right version of task 3, with its weights.
# Your function is called again and again, with the same optimisers, and returns nothing.


# %% nbgrader={"grade": false, "grade_id": "training-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_step(model, adam_g, adam_d, a, b, loss_g, loss_d, trips):
    """One step of CycleGAN on a batch of each pile."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    fake_b, fake_a = model.g_ab(a), model.g_ba(b)
    adam_g.zero_grad()
    gan = loss_g(model.d_b(fake_b)) + loss_g(model.d_a(fake_a))
    (gan + trips(model.g_ab, model.g_ba, a, b)).backward()
    adam_g.step()

    adam_d.zero_grad()
    of_a = loss_d(model.d_a(a), model.d_a(fake_a.detach()))
    of_b = loss_d(model.d_b(b), model.d_b(fake_b.detach()))
    (of_a + of_b).backward()
    adam_d.step()
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
# The claim of the paper: discriminators alone do not keep what is in the picture; with the cycle the way back leads to where one started.
# And one that follows from chapter 2: with the cycle the ground, where no animal stands, changes less.
# Train the GAN alone, without any cycle, beside the run of task 5 that works, with your own seed (some ten seconds).
# *Error of the way back* and *change of ground* are mean differences; two pixels are at most 2 apart.
# In the last row the answer to every horse is the real zebra of another scene, which is what chance is worth.

# %% nbgrader={"grade": false, "grade_id": "measure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
no_cycle = replace(numbers, lambda_forward=0.0, lambda_backward=0.0)
models = {
    "CycleGAN": runs["works"][0],
    "GAN alone": training(no_cycle, tasks.reference_side)[0],
}
horses, ground = animals["a"], 1 - animals["mask"]
rows, painted = [], {"horse": horses[:4]}
for name, model in models.items():
    images = model.translate(horses, "AtoB")
    back = model.translate(images, "BtoA")
    painted |= {name: images[:4], f"{name}, and back": back[:4]}
    measured = (
        metrics.mean_absolute_error(back, horses),
        metrics.mean_absolute_error(images, horses, ground),
    )
    rows.append((name, *measured))
other = animals["b"].roll(1, 0)
chance = metrics.mean_absolute_error(other, horses, ground)
rows.append(("another scene", None, chance))
display(plots.grid(painted))
plots.table(["trained as", "error of the way back", "change of ground"], rows)

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
# 2. Something seen in *these* pictures: stripes or none, one ground for every horse, halos, a lost tree or hill, a tint.
#    A small change of ground is no success by itself: a copied horse has none, and no stripes either.
#    A good way back does not say that the answer is right: the picture may carry what the eye does not see.
# 3. One limit, with its cure: one seed (run others), 200 steps (train on), one drawn world (real pictures), nothing counts the stripes or the shape (a judge, or people), 64 scenes.
# ### END SOLUTION
