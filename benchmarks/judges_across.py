"""How a judge of the drawn façades reads the real ones, and the other way round. Needs the CMP façades."""

from i2i_tutor import judges

SIZE = 64

print(f"{'trained on':<12} {'read on':<12} pixel acc. class acc. class IoU")
for trained in ("procedural", "cmp"):
    judge, _ = judges.segmenter(trained, SIZE)
    for read in ("procedural", "cmp"):
        scores = judges.held_out_scores(judge, read, SIZE)
        numbers = " ".join(f"{scores[name]:10.3f}" for name in ("pixel_accuracy", "class_accuracy", "class_iou"))
        print(f"{trained:<12} {read:<12} {numbers}", flush=True)
