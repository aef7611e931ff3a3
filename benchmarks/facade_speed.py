"""Images per second of the procedural façade world, with one process and with two."""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

from i2i_tutor.data.facade_drawing import draw


def draw_batches(first: int, batches: int, batch: int, size: int) -> None:
    for k in range(batches):
        start = first + k * batch
        draw(range(start, start + batch), size)


def images_per_second(processes: int, batches: int, batch: int, size: int) -> float:
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(draw_batches, range(processes), [2] * processes, [batch] * processes, [size] * processes))  # warm
        start = time.perf_counter()
        firsts = [process * batches * batch for process in range(processes)]
        list(pool.map(draw_batches, firsts, *([value] * processes for value in (batches, batch, size))))
        seconds = time.perf_counter() - start
    return processes * batches * batch / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--batches", type=int, default=60, help="batches drawn by each process")
    options = parser.parse_args()
    one, two = (images_per_second(n, options.batches, options.batch, options.size) for n in (1, 2))
    print(f"{options.size} px, batches of {options.batch}: {one:.0f} images/s with one process, {two:.0f} with two")
    print(f"ratio {two / one:.2f}")


if __name__ == "__main__":
    main()
