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
# # When do I stop, which curve do I trust?
#
# Of all questions about these networks, this one is asked most: *the losses go up and down, when is it done?*
# The maintainers of the official code have answered it again and again: no loss tells you, look at the pictures.
# That is right, and it leaves a beginner alone: at which pictures, how often, and what does a curve say after all?
#
# **What the curves can say.**
# A GAN's losses are the score of a game between two players who both get better.
# A score of 0.69 between two masters looks like 0.69 between two beginners.
# So a curve never says that the pictures are good; it can say that the *game is over*: one player has stopped playing.
#
# **What to watch instead.**
#
# 1. The same few inputs, at steps that grow (1, 10, 100, ...), beside each other.
# 2. The same number on pictures that the training has *never seen*.
# 3. Whether two inputs give two answers.
#
# Below are six trainings, each ill in a way of its own, and a healthy one to compare with.
# All are made by us (`python tools/sick.py`), each a short pix2pix, as in {ref}`chapter 1 <p3>`, with one thing changed.
# Look at the curves first and decide which of them worries you; then move the slider.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: reading and drawing the runs"}
import json

import matplotlib.pyplot as plt
from IPython.display import Markdown, display

from i2i_tutor import plots
from i2i_tutor.files import book_file
from i2i_tutor.film import leaf

try:
    SICK = json.loads(book_file("results/sick.json").read_text(encoding="utf-8"))
except FileNotFoundError:
    SICK = {"runs": {}}
HEALTHY = SICK["runs"].get("healthy", {"curves": {}, "held_out": []})
TERMS = {"discriminator": "D's loss", "gan": "G's GAN term", "l1": "distance L1"}


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: drawing a run beside the healthy one"}
def curves(name):
    """The terms of a run (bold) beside those of the healthy one (thin, dashed)."""
    found = SICK["runs"][name]
    with plt.rc_context(plots.STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.6, 2.3), layout="constrained")
        for axis, (term, title) in zip(axes, TERMS.items(), strict=True):
            for run, style in ((HEALTHY, "--"), (found, "-")):
                values = run["curves"].get(term, [])
                steps = [SICK["each"] * (number + 1) for number in range(len(values))]
                label = "healthy" if run is HEALTHY else "this run"
                axis.plot(steps, values, style, linewidth=1 + (run is found), label=label)
            if term != "l1":
                axis.axhline(0.6931, linestyle=":", label="undecided")
            else:
                axis.plot(*zip(*found["held_out"], strict=True), "o", label="on unseen plans")
            axis.set(title=title, xlabel="step")
            axis.legend(fontsize=7)
    plt.close(figure)
    return figure


def case(name, alt):
    """The curves of a run, then its pictures."""
    if name not in SICK["runs"]:
        display(Markdown("*This run has not been made yet.*"))
        return
    found = SICK["runs"][name]
    if found["curves"]:
        display(curves(name))
    if found["error"]:
        display(Markdown(f"It ended early: `{found['error']}`"))
    display(leaf(f"sick_{name}", [f"step {step}" for step in found["frames"]], alt))


PLANS = "Five plans that the training has not seen, what the network makes of them, and photographs"

# %% [markdown]
# ## The healthy one

# %% tags=["remove-input"] mystnb={"image": {"alt": "Loss terms of the healthy run over 300 steps: D's loss and G's GAN term on either side of ln 2, the L1 distance falling and then level."}}
case("healthy", PLANS)

# %% [markdown]
# Three hundred steps, a quarter of what chapter 1 takes.
# Both players stay in the game: $D$ is somewhat ahead, below the line of the undecided, and $G$'s term above it stops growing.
# The distance to photographs falls on houses of the training and on unseen ones alike (dots).
# Nothing ends here: the pictures still change at the last step, and no curve says so.
#
# ## 1. D wins
#
# The discriminator moves five times for every step of the generator, sees large patches, and no L1 term helps $G$.
# **This one the curves do show.** $G$'s term is several times the healthy one's from the start and stays there: whatever it tries, it is found out.
# At last $D$'s loss falls towards 0, and the pictures are specks, at the last step as at the hundredth.

# %% tags=["remove-input"] mystnb={"image": {"alt": "Loss terms of the run in which D moves five times a step, beside the healthy run's."}}
case("d_wins", PLANS)

# %% [markdown]
# ## 2. It does not look at its input
#
# $D$ sees pictures alone, and there is no L1 term: nothing says *which* house.
# **By their curves this is the healthiest of all**: both players at the line of the undecided, to the last step. And all five plans get one and the same façade.
# Look at two inputs beside each other; no loss does.

# %% tags=["remove-input"] mystnb={"image": {"alt": "Loss terms of the run whose D does not see the plan, beside the healthy run's."}}
case("no_input", PLANS)

# %% [markdown]
# ## 3. Steps too long
#
# Thirty times the learning rate.
# It begins with losses far above the line of the undecided: both players overshoot.
# Then everything seems to mend, and the distance ends even *lower* than the healthy one's. But the texture never came: what is left is the blur that L1 alone would give.
# A curve that recovers is no picture that does.

# %% tags=["remove-input"] mystnb={"image": {"alt": "Loss terms of the run with thirty times the learning rate, beside the healthy run's."}}
case("long_steps", PLANS)

# %% [markdown]
# ## 4. L1 shouts the GAN down
#
# $\lambda = 3000$ instead of 30, as if somebody had taken a sum of differences instead of their mean.
# $D$'s loss goes to 0, as in the first case, but for another reason: $G$ does not even try to fool it.
# The distance is the **lowest** of all, on unseen houses, too, and the pictures are fog.
# If you choose the checkpoint with the lowest L1, this is the one that you get.

# %% tags=["remove-input"] mystnb={"image": {"alt": "Loss terms of the run with a hundred times the weight of L1, beside the healthy run's."}}
case("heavy_l1", PLANS)

# %% [markdown]
# ## 5. The pairs are mixed up
#
# Every plan stands beside *another* house's photograph: two folders, sorted differently. No error is raised.
# The two GAN curves look much like the healthy ones. What gives it away is the distance, which does not fall from where it began, and five plans with one façade.
# Before you doubt the method, draw a batch: input beside target.

# %% tags=["remove-input"] mystnb={"image": {"alt": "Loss terms of the run with mixed pairs, beside the healthy run's."}}
case("mixed_pairs", PLANS)

# %% [markdown]
# ## 6. Eight houses, learnt by heart
#
# The training set has eight pairs, shown again and again.
# The distance to *them* falls and falls, to a fraction of the healthy one's: the most beautiful curve on this page. On unseen plans (dots) it stands still from the start.
# Here it would have been right to stop after a few dozen steps; better to get more houses.

# %% tags=["remove-input"] mystnb={"image": {"alt": "Loss terms of the run on eight houses, beside the healthy run's; its distance to unseen photographs lies above that to those it has learnt."}}
case("few_houses", PLANS)

# %% [markdown]
# ## So when do I stop?
#
# - **At once**, if a term is no number, or the pictures of two inputs are the same picture.
# - **Soon**, if $D$'s loss lies near 0 and stays there: $G$ has nobody left to learn from. Weaken $D$, give $G$ a pixel or cycle loss, or take a smaller learning rate.
# - **When your own number on unseen pictures no longer improves**, or gets worse: from then on a network learns its training pictures by heart.
# - **Otherwise when the pictures stop getting better to your eye**, on the same few inputs. Keep checkpoints, so that you may find out afterwards that it was earlier.
# - **Never because a GAN term is small.** A GAN has no last step; an {ref}`average of the weights <average>` is what makes its last step a matter of little luck.
