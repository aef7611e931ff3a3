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
# Every claim of the book: the paper's numbers, ours for the seeds 0, 1 and 2 (baseline → method), and on how many of them it held.
# It counts on a seed when the difference reaches its margin in its direction.
# Both stand in `book/claims.toml` and were committed before the runs that judge them; a test compares the order in git.
# What was expected to hold and does not is a result, and stays in the table.

# %% tags=["hide-input"]
import json

from i2i_tutor import plots
from i2i_tutor.files import book_file
from i2i_tutor.measuring import results
from i2i_tutor.measuring.claims import claims

# %% [markdown]
# ## Chapter 1, pix2pix

# %% tags=["hide-input"]
plots.table(*results.claims_table("01_pix2pix"))

# %% [markdown]
# ## Chapter 2, CycleGAN

# %% tags=["hide-input"]
plots.table(*results.claims_table("02_cyclegan"))

# %% [markdown]
# ## Chapter 5, PixelDA

# %% tags=["hide-input"]
plots.table(*results.claims_table("05_pixelda"))

# %% [markdown]
# ## Where the numbers come from
#
# Claims that a chapter judges in its own run come from `make claims`, the others from `make sweep CHAPTER=...`.
# Both write their numbers, with versions, device, seed and git commit of every run, into `book/results/`; nobody types them.

# %% tags=["hide-input"]
rows = []
for name in ("claims", *(chapter.split("_", 1)[1] for chapter in sorted({c.chapter for c in claims()}))):
    try:
        found = json.loads(book_file(f"results/{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        continue
    commits = ", ".join(sorted({row["git_commit"] for row in found["rows"]}))
    devices = ", ".join(sorted({row["device"] for row in found["rows"]}))
    rows.append((f"{name}.json", len(found["rows"]), "; ".join(found["commands"]), commits, devices))
plots.table(["file", "runs", "made by", "at commit", "on"], rows)
