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
# # Assignment 6: AGGAN
#
# Five tasks and a question, 20 points, 60 to 90 minutes.
# You need [chapter 6](chapters/06_aggan.html).
# By the end you have written what AGGAN adds to CycleGAN yourself: which pixel comes from where, whose map the way back has, what the discriminators see after the switch, and who still learns then.
#
# Fill in the cells that say `YOUR CODE HERE`, and leave the others as they are.
# The cell below each of them checks your answer, and if it is wrong it often knows why.
# When your work is graded, the same checks are run again on other pictures, sizes and seeds.
# Each task is graded by itself: where a later one builds on an earlier one, it is given the right version.
#
# Write plain PyTorch: an answer that calls `i2i_tutor` is refused.
# Domain a is the source, horses, and domain b the target, zebras, as in the chapter.

# %% [markdown]
# **Who are you?**
# A name or a number, such as your student number, as a text.
# It seeds the numbers of task 1 and your trainings, so they are your own.

# %% tags=["student"]
student = ""  # between the quotation marks

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
from dataclasses import replace

import torch
import torch.nn.functional as F
from IPython.display import display

from i2i_tutor import plots
from i2i_tutor.data import safari
from i2i_tutor.measuring import metrics
from i2i_tutor.methods.aggan import AGGAN, RECIPES
from i2i_tutor.tasks import aggan as tasks
from i2i_tutor.tasks.base import student_seed
from i2i_tutor.training import make_optimisers, play

# %% [markdown]
# ## Task 1: by hand (3 points)
#
# A grey picture $s$ has 2 × 2 pixels.
# Here are yours, with what the generator paints and the map that says where; then the same for the way back:

# %% nbgrader={"grade": false, "grade_id": "show-drawn", "locked": true, "schema_version": 3, "solution": false, "task": false}
drawn = tasks.by_hand(student)
for name, values in drawn.items():
    print(f"{name:>12}", values.tolist())

# %% [markdown]
# With pencil and paper, three numbers:
#
# - `made`, the mean of the composed picture $s'$ over its four pixels;
# - `cycle`, the cycle loss of $s$, with $\lambda_{cyc} = 10$: the way back begins at $s'$ and leads to $s''$;
# - `slope`: at the upper left pixel of $s'$ the discriminator would charge less for more light, $\partial \mathcal L / \partial s' = -0.3$. What is then $\partial \mathcal L / \partial s_a$ at that pixel, the slope by the value of the first map? Leave the cycle out.
#
# Three decimals are enough.

# %% nbgrader={"grade": false, "grade_id": "by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# canary: i2i solution
s = drawn["s"]
there = drawn["map"] * drawn["painted"] + (1 - drawn["map"]) * s
back = drawn["map back"] * drawn["painted back"] + (1 - drawn["map back"]) * there
made = float(there.mean())
cycle = float(10 * (back - s).abs().mean())
slope = float(-0.3 * (drawn["painted"] - s)[0, 0])
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "by-hand-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_by_hand(made, cycle, slope, student=student)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
assert len(student.strip()) > 0
### END HIDDEN TESTS

# %% [markdown]
# ## Task 2: the composition (2 points)
#
# $s' = s_a \odot F(s) + (1 - s_a) \odot s$ for a batch.
# `image` and `painted` are `(N, C, H, W)`; `where` is `(N, 1, H, W)`, one value between 0 and 1 for all colours of a pixel.
# Gradients must reach all three.


# %% nbgrader={"grade": false, "grade_id": "compose", "locked": false, "schema_version": 3, "solution": true, "task": false}
def compose(image, painted, where):
    """What is painted where the map is 1; the image's own pixels where it is 0."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    return where * painted + (1 - where) * image
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "compose-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
tasks.check_compose(compose)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_compose(compose, seed=1, batch=1, channels=1, side=7)
tasks.check_compose(compose, seed=2, batch=2, side=5, dtype=torch.float32)
tasks.check_compose(compose, seed=3, batch=5, channels=4, value=0.25)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 3: there and back (3 points)
#
# Write both cycle losses, of a and of b, each a mean over its pixels and colours; return `weight` times their sum.
# `g_ab` and `g_ba` paint, `attention_a` and `attention_b` return maps, and `compose(image, painted, where)` is a right version of task 2.
# Mind which network looks at which picture, on the way there and on the way back.


# %% nbgrader={"grade": false, "grade_id": "cycle-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cycle_loss(a, b, g_ab, g_ba, attention_a, attention_b, compose, weight):
    """What generators and attention networks pay for both ways there and back."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    fake_b = compose(a, g_ab(a), attention_a(a))
    cycled_a = compose(fake_b, g_ba(fake_b), attention_b(fake_b))
    fake_a = compose(b, g_ba(b), attention_b(b))
    cycled_b = compose(fake_a, g_ab(fake_a), attention_a(fake_a))
    return weight * ((cycled_a - a).abs().mean() + (cycled_b - b).abs().mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "cycle-loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
tasks.check_cycle_loss(cycle_loss)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_cycle_loss(cycle_loss, seed=1, batch=1, side=9, weight=3.0)
tasks.check_cycle_loss(
    cycle_loss, seed=2, batch=3, side=5, dtype=torch.float32, weight=0.5
)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 4: a run that fails (4 points)
#
# A colleague has written the two losses of one side, of the generator that makes zebras and of its $D_T$, **after** the switch, when $D_T$ sees attended pixels only.
# `b` is a real zebra and `map_b` its map; `fake_b` is the composed picture of a horse a, and `map_a` is the map of that horse.


# %% nbgrader={"grade": false, "grade_id": "sick-code", "locked": true, "schema_version": 3, "solution": false, "task": false}
def sick_side(discriminator, b, map_b, fake_b, map_a, threshold):
    """After the switch: what the discriminator minimises, and the generator."""
    real = b.masked_fill(map_b >= threshold, 0)
    made = fake_b.masked_fill(map_a >= threshold, 0)
    on_real, on_fake = discriminator(real), discriminator(made.detach())
    loss_d = 0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())
    return loss_d, (discriminator(made) - 1).square().mean()


# %% [markdown]
# No error is raised, and the ground stays as it was. But look at her animals.
# This is her run, with your seed, beside one that works (some twenty seconds for both).
#
# The warm-up would take minutes, as in the chapter.
# To spare you those, the attention networks here have learnt from the animals' masks, which our world knows, and which AGGAN is never given.
# So all trainings below begin **at the switch**, with the same maps, and in these two the maps are frozen.
# Unlike the paper's, the discriminators of such short runs keep their norms.
# Black is kept and white is painted.
# The curves belong to the way to zebras: what $D_T$ charges for them, and what the way there and back costs. Why is hers dearer in the one, and cheaper in the other?

# %% nbgrader={"grade": false, "grade_id": "maps", "locked": true, "schema_version": 3, "solution": false, "task": false}
numbers = replace(
    RECIPES["fast"], size=40, load_size=44, steps=200, base=8, blocks=1,
    patch_layers=1, discriminator_base=16, attention_base=8,
    learning_rate=1e-3, average=0.9, switch=0.0, norm_off=False,
)  # fmt: skip


def warmed_up():
    """The weights at the switch: attention knows where the animals are."""
    torch.manual_seed(student_seed(student))
    model = AGGAN(numbers)
    known = safari.evaluation("procedural", numbers.size, split="tuning", count=160)
    networks = {"a": model.attention_a, "b": model.attention_b}
    weights = [p for network in networks.values() for p in network.parameters()]
    adam = torch.optim.Adam(weights, 3e-3)
    for _ in range(120):
        some = torch.randperm(160)[:8]
        for name, network in networks.items():
            found, mask = network(known[name][some]), known["mask"][some]
            F.binary_cross_entropy(found, mask).backward()
        adam.step()
        adam.zero_grad()
    return model.state_dict()


# %% nbgrader={"grade": false, "grade_id": "game", "locked": true, "schema_version": 3, "solution": false, "task": false}
class Game(AGGAN):
    """AGGAN, in which `side` says what is paid on either side."""

    def __init__(self, numbers, side):
        super().__init__(numbers)
        self.side = side

    def paid(self, scene, real, source):
        """What the D of pile `real` pays, and the generator of such pictures."""
        return self.side(
            self.discriminator(real),
            scene.batch[real], getattr(scene, f"map_{real}"),
            getattr(scene, f"fake_{real}"), getattr(scene, f"map_{source}"),
            self.recipe.threshold,
        )  # fmt: skip

    def discriminator_loss(self, scene):
        """What both discriminators minimise; the pools are left out."""
        return {f"d_{r}": self.paid(scene, r, s)[0] for r, s in ("ab", "ba")}

    def generator_loss(self, scene):
        """What both generators minimise, and attention if it moves."""
        gan = {f"gan_{s}{r}": self.paid(scene, r, s)[1] for r, s in ("ba", "ab")}
        return gan | self.cycle_terms(scene)


# %% nbgrader={"grade": false, "grade_id": "training", "locked": true, "schema_version": 3, "solution": false, "task": false}
def training(start, side=tasks.reference_side, **changes):
    """A short training: the model, and what was paid for zebras, in tens of steps.

    Of the horses 85 % stand on meadow, of the zebras 15 %, as in the chapter.
    """
    seed = student_seed(student)
    torch.manual_seed(seed)
    model, paid = Game(replace(numbers, **changes), side), []
    model.load_state_dict(start, strict=False)  # CycleGAN has no attention
    optimisers = make_optimisers(model)
    piles = safari.train(
        "procedural", numbers.size, numbers.batch, seed, meadow=(0.85, 0.15)
    )
    for step in range(numbers.steps):
        terms = play(model, optimisers, next(piles), step)
        paid.append(torch.stack([terms["gan_ab"], terms["cycle_a"]]))
    return model, torch.stack(paid).view(-1, 10, 2).mean(1)


# %% nbgrader={"grade": false, "grade_id": "sick-run", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
test = safari.evaluation("procedural", numbers.size, count=64, meadow=1.0)
start = warmed_up()
runs = {"works": training(start), "hers": training(start, sick_side)}
horses = test["a"][:5]
translated = {name: model.translate(horses) for name, (model, _) in runs.items()}
where = {"map of both": 2 * runs["works"][0].attention_map(horses) - 1}
columns = {"horse": horses} | where | translated | {"right answer": test["b"][:5]}
display(plots.grid(columns))
steps = range(10, numbers.steps + 1, 10)
plots.lines(
    {
        f"{name}: {what}": (steps, paid[:, n].tolist())
        for name, (_, paid) in runs.items()
        for n, what in enumerate(("what D charges", "there and back"))
    },
    x="step",
    y="what the way to zebras costs",
)

# %% [markdown]
# Find the mistake and mend it.
# A pixel is shown if its map **reaches** `threshold`; all others are 0, mid-grey.
# Keep the `detach`: all pictures and maps carry their graphs, and from the first loss nobody but $D_T$ may learn, from the second whoever made `fake_b` must. (Gradients that the second loss leaves in $D_T$ are cleared by whoever calls.)


# %% nbgrader={"grade": false, "grade_id": "side", "locked": false, "schema_version": 3, "solution": true, "task": false}
def side(discriminator, b, map_b, fake_b, map_a, threshold):
    """After the switch: what the discriminator minimises, and the generator."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    real, made = b * (map_b >= threshold), fake_b * (map_a >= threshold)
    on_real, on_fake = discriminator(real), discriminator(made.detach())
    loss_d = 0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())
    return loss_d, (discriminator(made) - 1).square().mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "side-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
tasks.check_side(side)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_side(side, seed=1, batch=1, side=12, threshold=0.1)
tasks.check_side(side, seed=2, batch=3, side=6, dtype=torch.float32, threshold=0.5)
tasks.check_side(side, seed=3, threshold=0.0)
tasks.check_side(side, seed=4, side=10, threshold=1.0)
### END HIDDEN TESTS

# %% [markdown]
# ## Task 5: a step, before the switch and after it (5 points)
#
# Write one training step.
# `step` counts from 0, and the first `switch` steps are the warm-up; `step == switch` is the first step after the switch.
#
# - `scene = net(a, b)` makes all pictures and maps of the step, once, with their graphs.
# - `loss_g(net, scene, attended)` is what generators and attention networks minimise, and `loss_d(net, scene, attended)` what both discriminators do; it detaches by itself. `attended` is True if the discriminators are to see attended pixels only.
# - `optimisers` has three: `"generators"`, `"attention"` and `"discriminators"`.
#
# Generators and attention networks come first, the discriminators second.
# After the switch the attention networks stay exactly as they are.
# (The paper also takes the norms out of the discriminators then. The small networks of the checks have none.)
# Your function is called again and again, with the same optimisers, and returns nothing.


# %% nbgrader={"grade": false, "grade_id": "training-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_step(net, optimisers, a, b, step, switch, loss_g, loss_d):
    """One step of AGGAN on pictures a and b."""
    ### BEGIN SOLUTION
    # canary: i2i solution
    attended = step >= switch
    scene = net(a, b)
    optimisers["generators"].zero_grad()
    optimisers["attention"].zero_grad()
    loss_g(net, scene, attended).backward()
    optimisers["generators"].step()
    if not attended:
        optimisers["attention"].step()

    optimisers["discriminators"].zero_grad()
    loss_d(net, scene, attended).backward()
    optimisers["discriminators"].step()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "training-step-tests", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
tasks.check_training_step(training_step)
### BEGIN HIDDEN TESTS
# canary: i2i hidden test
tasks.check_training_step(training_step, seed=1, batch=1, steps=3, switch=0)
tasks.check_training_step(training_step, seed=2, side=6, steps=3, switch=3)
tasks.check_training_step(
    training_step, seed=3, dtype=torch.float32, optimiser=torch.optim.SGD
)
### END HIDDEN TESTS

# %% [markdown]
# ## Measure
#
# Two claims, both about trainings that begin with the same maps:
#
# 1. AGGAN keeps the ground better than CycleGAN, by at least 8 decibels.
# 2. The freeze is needed: if the attention networks go on learning after the switch, the map of a horse loses at least a third of the size that it has in the frozen run.
#
# The run that works is there; this trains the other two, with your own seed (some twenty seconds).
# *Ground* is the signal-to-noise ratio where no animal is, at most 60, *change* is how much the animal has changed, where 1 is as much as in the right answer and more is not better, *map* is the map's mean, and *fit* is its overlap (IoU) with the animal's mask.
# CycleGAN has a map of ones; after so few steps it is not at its best. The last two rows need no network.

# %% nbgrader={"grade": false, "grade_id": "measure", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
models = {"AGGAN": runs["works"][0]}
models["not frozen"], _ = training(start, freeze=False)
models["CycleGAN"], _ = training(start, attention=False)
a, right, mask = test["a"], test["b"], test["mask"]
shown = {
    name: (model.translate(a), model.attention_map(a))
    for name, model in models.items()
}
shown |= {
    "right answer": (right, mask),
    "horse, copied": (a, torch.zeros_like(mask)),
}
around = 1 - F.max_pool2d(mask, 3, 1, 1)
whole = metrics.mean_absolute_error(right, a, mask)
rows = [
    (
        name,
        min(metrics.psnr(images, a, around), 60.0),
        metrics.mean_absolute_error(images, a, mask) / whole,
        float(where.mean()),
        metrics.map_iou(where, mask),
    )
    for name, (images, where) in shown.items()
]

# %% nbgrader={"grade": false, "grade_id": "measured", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["slow"]
columns = {"horse": a[:5]}
for name in models:
    images, where = shown[name]
    columns |= {name: images[:5], f"{name}: map": 2 * where[:5] - 1}
del columns["CycleGAN: map"]  # white
display(plots.grid(columns | {"right answer": right[:5]}))
plots.table(["", "ground (dB)", "change", "map", "fit"], rows)

# %% [markdown]
# ## Question (3 points, read by a human)
#
# In four to eight sentences:
#
# 1. Copy your numbers for the three runs. Does each of the two claims hold in yours?
# 2. Why is *ground* alone no measure of a good translation? Argue with rows of your table, and with what you see in the pictures.
# 3. Name one thing that this measurement cannot tell you, and what you would have to do to know it.
#
# A claim that fails and is read correctly earns full marks.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# canary: i2i solution
# **Marking.** One point each:
#
# 1. Ground and map of the three rows are given, and each claim is judged by them, whichever way it went: the second by the ratio of the two maps, two thirds or less.
#    "Does not hold here" with the numbers earns the point; "holds" against the numbers does not.
# 2. The copied horse has the most decibels that can be had and a change of 0: doing nothing wins. The map that was not frozen goes that way.
#    So ground counts only beside the change of the animal, and change does not say that there are stripes either.
#    Something seen in *these* pictures belongs to it: a chequered patch on a brown horse, legs that stay brown, zebras on sand, a sky full of tiles.
# 3. One limit, with its cure: the maps were taught with masks, so nothing here says whether AGGAN would have found the animals (train from the start, without them); one seed (run others); 200 steps, begun by painters who could not paint (train on, or let the map go later); no judge of stripes (a segmentation network); a drawn world (photographs).
# ### END SOLUTION
