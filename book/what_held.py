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
# # What held
#
# Every claim of the book and what became of it.
# A claim compares two arms, a baseline and a method or two variants, by one number.
# It is *reached* on a seed if the method's number lies apart from the baseline's by the claim's margin, in its direction (the last column says both). It **held** if it was reached on every seed that was run.
# So a claim can fail although the numbers move the right way: not far enough, or not on every seed.
# What was expected to hold and does not is a result, and stays in the table; such a claim is then *no longer expected*.
#
# Claims of *the chapter's own run* are judged in the run that the chapter shows. The others compare runs of the sweep, which are shorter, so the same sentence can have other numbers there.
# The paper's number, if it has one, stands before ours. The paper's data and sizes are others, so compare directions, not values.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: reading the committed results"}
import json

from IPython.display import Markdown

from i2i_tutor import plots
from i2i_tutor.files import book_file
from i2i_tutor.measuring import results

CHAPTERS = {
    "01_pix2pix": "1. pix2pix",
    "02_cyclegan": "2. CycleGAN",
    "03_opgan": "3. OP-GAN",
    "04_matchgan": "4. MatchGAN",
    "05_pixelda": "5. PixelDA",
    "06_aggan": "6. AGGAN",
    "07_tunit": "7. TUNIT",
}

# %% tags=["remove-input"]
plots.table(*results.claims_totals(CHAPTERS))

# %% [markdown]
# Claims and margins stand in `book/claims.toml` and were committed before the runs that judge them; a test compares the order in git.
# The building of this site fails if a claim that the book still makes is denied by its numbers.

# %% [markdown]
# ## Chapter 1, pix2pix

# %% tags=["remove-input"]
plots.table(*results.claims_table("01_pix2pix"))

# %% [markdown]
# ## Chapter 2, CycleGAN

# %% tags=["remove-input"]
plots.table(*results.claims_table("02_cyclegan"))

# %% [markdown]
# ## Chapter 3, OP-GAN

# %% tags=["remove-input"]
plots.table(*results.claims_table("03_opgan"))

# %% [markdown]
# ## Chapter 4, MatchGAN

# %% tags=["remove-input"]
plots.table(*results.claims_table("04_matchgan"))

# %% [markdown]
# ## Chapter 5, PixelDA

# %% tags=["remove-input"]
plots.table(*results.claims_table("05_pixelda"))

# %% [markdown]
# ## Chapter 6, AGGAN

# %% tags=["remove-input"]
plots.table(*results.claims_table("06_aggan"))

# %% [markdown]
# ## Chapter 7, TUNIT

# %% tags=["remove-input"]
plots.table(*results.claims_table("07_tunit"))

# %% [markdown]
# ## Where the numbers come from
#
# Claims that a chapter judges in its own run come from `make claims`, the others from `make sweep CHAPTER=...`.
# Both write their numbers, with versions, device, seed and git commit of every run, into `book/results/`; nobody types them.
# These commands made what stands above:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Show the code: commands and commits, from the results files"}
text = []
for name in ("claims", *(chapter.split("_", 1)[1] for chapter in CHAPTERS)):
    try:
        found = json.loads(book_file(f"results/{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        continue
    commits = ", ".join(sorted({row["git_commit"] for row in found["rows"]}))
    devices = "; ".join(sorted({row["device"] for row in found["rows"]}))
    text += [f"**{name}.json**: {len(found['rows'])} runs at commit {commits}, on {devices}", ""]
    text += ["```bash", *found["commands"], "```", ""]
Markdown("\n".join(text))
