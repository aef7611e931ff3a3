"""Pictures of several runs as one animated WebP, for a page that shows what no single run can.

python tools/film.py book/results/cyclegan_lambda.webp SWEEP/02_cyclegan/ARM/seed-0/figures/strip_a.png ...

The frames stand in the order of the files; the chapter that shows them names them.
"""

import sys
from pathlib import Path

from PIL import Image

from i2i_tutor.files import write_atomically


def film(target: Path, pictures: list[Path]) -> None:
    """Write the film; ValueError if the pictures differ in size, or are fewer than two."""
    frames = [Image.open(path).convert("RGB") for path in pictures]
    sizes = {frame.size for frame in frames}
    if len(frames) < 2 or len(sizes) != 1:
        raise ValueError(f"{len(frames)} pictures of the sizes {sorted(sizes)}; expected two or more of one size")
    options = {"save_all": True, "append_images": frames[1:], "quality": 90, "method": 6}
    write_atomically(target, lambda file: frames[0].save(file, "WEBP", **options))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        film(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    except (OSError, ValueError) as problem:
        sys.exit(str(problem))
