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
# Every claim of the book, with the paper's number, ours for each seed, and whether it held.
# Direction and margin of each stand in `book/claims.toml` and were committed before the runs that judge them; a test compares the order in git.
# A claim counts on a seed when the difference reaches its margin in its direction.
# What was expected to hold and does not is a result, and stays in the table.

# %%
from i2i_tutor import plots, results

# %%
rows = []
for claim in results.claims():
    found = results.verdict(claim)
    numbers = [" / ".join(f"{value:.3f}" for value in found[side]) for side in ("baseline", "value")]
    held = f"{sum(found['held'])} of {len(found['held'])}" if found["held"] else "not run yet"
    margin = f"{claim.metric} {claim.direction}, {claim.margin:g}"
    rows.append((claim.chapter[:2], claim.text, margin, claim.paper, *numbers, held, claim.expected))

# %%
plots.table(
    [
        "chapter",
        "claim",
        "decided by, margin",
        "paper",
        "baseline, each seed",
        "method, each seed",
        "held on",
        "expected",
    ],
    rows,
)

# %% [markdown]
# Claims that a chapter judges in its own run come from `make claims`, the others from `make sweep CHAPTER=...`.
# Both write their numbers, with versions, device, seed and git commit of every run, into `book/results/`; nobody types them.
