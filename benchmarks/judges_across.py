"""How a judge of the drawn façades reads the real ones, and the other way round. Needs the CMP façades.

Prints the scores and writes them to book/results/judges.json, which chapter 1 draws.
"""

from pathlib import Path

import torch

from i2i_tutor.data import facades
from i2i_tutor.measuring import judges, metrics, results
from i2i_tutor.measuring.provenance import provenance

SIZE = 64
SCORES = ("pixel_accuracy", "class_accuracy", "class_iou")

truths = {source: facades.ground_truth(source, SIZE) for source in facades.SOURCES}
rows = []
print(f"{'trained on':<12} {'read on':<12} pixel acc. class acc. class IoU")
for trained, truth in truths.items():
    judge, report = judges.segmenter(truth)
    for read, other in truths.items():
        held_out = other.held_out()
        scores = metrics.fcn_score(held_out["image"], held_out["label"], judge)
        about = {"trained": trained, "read": read, "judge": report["judge"]}
        rows.append(about | {name: scores[name] for name in SCORES})
        print(f"{trained:<12} {read:<12} " + " ".join(f"{scores[name]:10.3f}" for name in SCORES), flush=True)
path = Path(__file__).parent.parent / "book/results/judges.json"
command = "python benchmarks/judges_across.py"
results.write(path, {"commands": [command], "rows": rows, **provenance(torch.device("cpu"))})
