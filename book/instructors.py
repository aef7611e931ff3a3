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
# # For instructors
#
# This page is for whoever teaches a course with this book.
# Each chapter has an assignment: five or six tasks that a program grades, and one question that you read.
#
# ## What students can do afterwards
#
# - Write the losses of a translation method from its paper, and say who minimises which.
# - Take one training step by hand, and find the mistake in a step that fails.
# - Predict what a change of a loss, a weight or a data set does to the pictures, and then measure it.
# - Read a table of results critically: what was compared, on how many seeds, and what the measure cannot see.
# - Judge a claim by their own run, and say so when it fails.
#
# **They need** Python, gradients by PyTorch (`backward`, an optimiser's step), convolutions, and the idea of a maximum-likelihood loss.
# The {ref}`backgrounds <b1>` refresh GANs, U-Nets and the measures; allow an evening.
#
# And chapter by chapter, in the chapters' own words:

# %% tags=["remove-input"]
import json
import re
from statistics import mean

from IPython.display import Markdown

from i2i_tutor import plots
from i2i_tutor.files import book_file

chapters = sorted(book_file("claims.toml").parents[1].glob("chapters/*.ipynb"))
parts = []
for path in chapters:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    opening = next("".join(cell["source"]) for cell in cells if "You need" in "".join(cell["source"]))
    title = re.search(r"^# (.+)$", opening, re.M)[1]
    aims = re.search(r"^After this chapter you can\n\n(.+?\n)\n", opening, re.M | re.S)[1]
    needs = re.search(r"^\*\*You need\*\* .+?(?=\n\n)", opening, re.M | re.S)[0]
    words = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", needs)  # its links start from the chapter's folder
    parts.append(f":::{{admonition}} {title}\n:class: note dropdown\nStudents can\n\n{aims}\n{words}\n:::\n")
Markdown("\n".join(parts))

# %% [markdown]
# ## Routes
#
# | route | chapters | for |
# | --- | --- | --- |
# | core | 1, 2, 6, 5 | a first course: pairs, no pairs, where to paint, what it is good for |
# | self-supervision | 1, 2, 3, 4, 7 | how a loss replaces labels |
# | adaptation | 1, 2, 3, 5 | how translated pictures train other networks |
#
# ## Seven weeks
#
# Two lectures of 90 minutes a week, and an assignment. Whoever wants fewer lets students hand in the predictions and the claims table of a chapter's run instead.
#
# | week | read before | first lecture | second lecture | hand in |
# | --- | --- | --- | --- | --- |
# | 1 | chapter 1, core route | why L1 blurs; the game | PatchGAN, the FCN-score | assignment 1 |
# | 2 | chapter 2 | two piles of pictures, the cycle | what a cycle does not promise | assignment 2 |
# | 3 | chapter 3 | a task without labels inside the game | reading an ablation | assignment 3 |
# | 4 | chapter 4; *When to stop* | few labels, and what each part gives | what a linear head cannot learn; projects begin | assignment 4, and a plan of half a page |
# | 5 | chapter 5 | pixels for another domain | what a pseudo label is not | assignment 5 |
# | 6 | chapter 6 | where to paint: attention | composition, the switch | assignment 6 |
# | 7 | chapter 7 | no domain labels at all | projects end, claims are judged | assignment 7, and the project |
#
# A project asks one question that the book leaves open, states its claim and margin *before* the run, and reports three seeds.
#
# ## Two days
#
# | | morning | afternoon |
# | --- | --- | --- |
# | first day | chapter 1, core route; tasks 1 to 3 of assignment 1 | tasks 4 to 6 and the question; chapter 2, core route |
# | second day | assignment 2 | chapter 6 or 5, and a look at *What held* |
#
# Before it starts, let everybody run the first two cells of chapter 1, on the machine that they will use.
#
# ## Minutes and memory
#
# Measured, not estimated: on two processor cores without a GPU, though not all on the same machine, and two such machines can differ a lot.
# `fast` is what readers run; the minutes are the mean of three seeds, two of which ran side by side on a core each.
# `smoke` only shows that everything runs.

# %% tags=["remove-input"]
claims = json.loads(book_file("results/claims.json").read_text())["rows"]
costs = json.loads(book_file("results/costs.json").read_text())["rows"]
# name and profile → measured seconds and MiB
found = {
    (row["what"], row["profile"]): (row["seconds"], row["peak_memory_mib"])
    for row in costs
    if row["profile"] != "paper"
}
for name in {row["chapter"] for row in claims}:
    runs = [row for row in claims if (row["chapter"], row["profile"]) == (name, "fast")]
    if runs:
        found[name, "fast"] = tuple(mean(row[key] for row in runs) for key in ("seconds", "peak_memory_mib"))
order = {"assignment": 0, "smoke": 1, "fast": 2}
rows = [
    (name, profile, f"{seconds / 60:.1f}", f"{memory:,.0f}")
    for (name, profile), (seconds, memory) in sorted(found.items(), key=lambda item: (item[0][0], order[item[0][1]]))
]
plots.table(["notebook", "profile", "minutes", "peak memory, MiB"], rows)

# %% [markdown]
# At **`paper`** a training takes so long on such a machine that we did not wait for its end: this is what a GPU is for.
# We timed a few steps of each method instead.
# The whole training is an **extrapolation**: the time of a step times the recipe's steps.
# It is that of the method alone, without the baseline and without any evaluation.

# %% tags=["remove-input"]


def long_time(seconds):
    """Hours, or days if there are many."""
    hours = seconds / 3600
    return f"{hours:,.0f} hours" if hours < 48 else f"{hours / 24:,.0f} days"


rows = [
    (
        row["what"], f"{row['seconds_per_step']:.1f}", f"{row['steps']:,}",
        long_time(row["steps"] * row["seconds_per_step"]), f"{row['peak_memory_mib']:,}",
    )
    for row in costs if row["profile"] == "paper"
]  # fmt: skip
plots.table(["notebook", "one step, seconds", "steps", "whole training, extrapolated", "peak memory, MiB"], rows)

# %% [markdown]
# Where steps differ, as those of a warm-up do, one step is the mean over the whole training.
#
# `make costs` and `make costs-paper` measure it on your machine; the second needs the memory that its table names.
#
# ## Handing out and grading
#
# In a checkout of the repository, with `pip install -e ".[assignments]"` (or `make venv`) and its environment activated, since nbgrader calls other programs by their names:
#
# ```bash
# i2i-tutor assignment release --out course     # all of them; or name some: pix2pix
# cd course
# nbgrader generate_assignment 01_pix2pix       # enters it into the gradebook
# nbgrader autograde 01_pix2pix
# nbgrader formgrade                            # your reading of the questions, in JupyterLab
# nbgrader generate_feedback 01_pix2pix
# ```
#
# `course/release/` is what students get.
# `course/source/` holds solutions and hidden tests, so keep that folder to yourself; the feedback shows neither.
#
# - **JupyterHub.** Release, collect and return through nbgrader's exchange, as its documentation says; the configuration is `course/nbgrader_config.py`.
# - **Colab.** Give out the notebook. Its first cell installs the package and leaves torch alone. Colab has no *Validate* button, but the last cell of each assignment says which tasks pass. Students download the `.ipynb` and hand in that file; it goes to `course/submitted/STUDENT/01_pix2pix/01_pix2pix.ipynb`.
# - **Plain files.** The same folder. Before they hand in, students run `i2i-tutor assignment validate 01_pix2pix.ipynb`, which needs no nbgrader. It also refuses a notebook whose cells have lost nbgrader's metadata: such a file would silently get 0 points.
#
# :::{admonition} nbgrader does not isolate
# :class: warning
# It runs students' code as you, serially, with the gradebook in reach.
# Grade in a container or under an account of its own, without network, and read a submission before you run it if you do not know its author.
# A cell that does not end is stopped after three minutes and costs its own task.
# :::
#
# ## Seeds of their own
#
# Every student writes a name or a number into `student`.
# It seeds the numbers of the task by hand and the measurement at the end, so that neighbours have other numbers, and the same student always has the same ones.
# Checks run with seeds of their own; change those between `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS` each year, since the sources are in the repository.
#
# ## Points
#
# An assignment has 20.
# Each task is graded by itself: where a later one needs an earlier one, its check brings a right version along.
# A wrong answer gets no points for its task, and a sentence that names the mistake if it is one of the usual ones, with a link to the section.
# More than sixty such answers to each assignment are run before every release of this book, and so are other right ones, which must pass.
#
# **The question that you read** has three points, one each for: the student's own numbers, with the claim judged by them; something seen in the pictures that the numbers do not say, or the other way round; one limit of the measurement, with what it would take to overcome it.
# A claim that fails in the student's run and is read correctly earns full marks; a claim called held against the numbers earns none for that part.
# The scheme stands in full in the solution of the question.
#
# ## What usually goes wrong
#
# | assignment | mistake | what helps |
# | --- | --- | --- |
# | 1 | the sum instead of the mean: $\lambda$ becomes thousands of times too strong | ask for the loss of a picture of twice the size |
# | 1 | `detach` at the wrong place, or at both | draw the arrows of the gradient, one colour per player |
# | 1 | "the patch is cut out of the picture" | the slider of chapter 1, then the distance between two patches |
# | 1 | gradients of G's turn are left in D | print the norm of D's gradient before and after `zero_grad` |
# | 1 | crops drawn once for each picture of a pair | show a pair side by side before any training |
# | 2 | identity is shown the wrong pile | ask what $G$ should do with a picture that already is a zebra |
# | 2 | $G$ pays for the pool's picture | both curves side by side: $D$'s near 0, $G$'s near 2 |
# | 2 | the new picture does not take the old one's place in the pool | print the pool's numbers after 100 pictures |
# | 3 | both places of a C pair are drawn freely: $C_1$ comes once in nine draws, not every second time | count the kinds in 1,000 draws |
# | 3 | maps are standardised over the nine patches or the whole batch | standardise a map alone, then among others: nothing may change |
# | 3 | $S$ is shown detached pictures in the generators' turn | print the norm of the generators' gradient from the content term alone |
# | 3 | classes are repeated in another order than the rows | the loss of a batch of two equal pictures is that of one |
# | 4 | the mean over the numbers of a label: the label loss is five times too weak | ask what it costs to say one half to all five: $5 \ln 2$, not $\ln 2$ |
# | 4 | targets are written into the labels' own tensor | print the labels before and after; then ask why $D$'s label loss stays high |
# | 4 | fakes are paired as they lie in the batch, not by target | print the targets after sorting: equal ones must stand together |
# | 4 | a way back on unlabelled batches, to the target | ask what the face looked like before: nobody knows |
# | 5 | the mean instead of the variance of the difference | add the same number to every pixel: nothing may change |
# | 5 | one draw of $z$ for the whole training | show one rendering three times |
# | 5 | photographs scaled to 0..1 | print the least and the greatest value of both domains |
# | 6 | the way back uses the map of the way there | ask who looks at the translated picture, then print both maps of one animal |
# | 6 | `masked_fill` hides where its condition holds, so $D$ sees the ground alone | show what $D$ is shown before any training |
# | 6 | "frozen" by `eval()`, or by gradients of zero that Adam's memory outlives | print one weight before and after a step |
# | 6 | ground alone taken for quality | ask what a copied horse would score |
# | 7 | the joint matrix of one order alone, or not divided by its sum | print `P.sum()` and `P - P.T` |
# | 7 | `P / P_i * P_j`: the marginals cancel, and the animals end on one or two piles | draw $H(p)$ beside the loss |
# | 7 | a picture's own key is among its negatives | two equal answers to one question: the loss cannot fall below $\ln 2$ |
# | 7 | `momentum` and `1 - momentum` exchanged, or the copy follows before $E$ has moved | print the distance between $E$ and its copy after each step |
