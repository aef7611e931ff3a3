"""How a judge of the drawn façades reads the real ones, and the other way round. Needs the CMP façades.

Prints the scores and writes them to book/results/judges.json, which chapter 1 draws.
"""

from pathlib import Path

import torch

from i2i_tutor.measuring import judges, results

SIZE = 64
SCORES = ("pixel_accuracy", "class_accuracy", "class_iou")

rows = []
print(f"{'trained on':<12} {'read on':<12} pixel acc. class acc. class IoU")
for trained in ("procedural", "cmp"):
    judge, _ = judges.segmenter(trained, SIZE)
    for read in ("procedural", "cmp"):
        scores = judges.held_out_scores(judge, read, SIZE)
        rows.append({"trained": trained, "read": read, **{name: scores[name] for name in SCORES}})
        print(f"{trained:<12} {read:<12} " + " ".join(f"{scores[name]:10.3f}" for name in SCORES), flush=True)
path = Path(__file__).parent.parent / "book/results/judges.json"
command = "python benchmarks/judges_across.py"
results.write(path, {"commands": [command], "rows": rows, **results.provenance(torch.device("cpu"))})
