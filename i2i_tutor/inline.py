"""What travels inside a page or a notebook: small pictures as data, and diagrams as SVG that both colour modes suit."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import HTML
from PIL import Image

PITCH = (140, 84)  # pixels between the middles of two boxes: across, down
LETTER, LINE = 7.4, 30  # pixels: the width of a letter, the height of a box


def data_uri(picture: np.ndarray, quality: int = 75) -> str:
    """A uint8 picture ``(H, W, 3)`` as the address of a WebP image that needs no file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def diagram(
    boxes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str, str]],
    alt: str,
    plain: Sequence[str] = (),
) -> HTML:
    """Boxes and arrows as one inline SVG, drawn in the page's own ink.

    Args:
        boxes: text of a box → its place (across, down), in units of ``PITCH``.
        arrows: (from, to, label); with "--" before the label the line has no head and is dashed: a comparison.
        alt: what the diagram says, for screen readers and in print.
        plain: the boxes without a frame: pictures and words, not networks.
    """
    half = {name: (len(name) * LETTER / 2 + 9, LINE / 2) for name in boxes}
    left = min(x * PITCH[0] - half[name][0] for name, (x, _) in boxes.items()) - 4
    right = max(x * PITCH[0] + half[name][0] for name, (x, _) in boxes.items()) + 4
    top = min(y for _, y in boxes.values()) * PITCH[1] - LINE / 2 - 4
    bottom = max(y for _, y in boxes.values()) * PITCH[1] + LINE / 2 + 4
    parts = []
    for start, end, label in arrows:
        ends = [np.multiply(boxes[name], PITCH).astype(float) for name in (start, end)]
        way = ends[1] - ends[0]
        # where the line leaves the first box, and where it enters the second
        out, into = (
            min(size / abs(step) for size, step in zip(half[n], way, strict=True) if step) for n in (start, end)
        )
        (x1, y1), (x2, y2) = ends[0] + way * (out + 0.02), ends[1] - way * (into + 0.03)
        style = 'stroke-dasharray="5 4"' if label.startswith("--") else 'marker-end="url(#i2i-head)"'
        parts.append(f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke-width="1.6" {style}/>')
        if words := label.removeprefix("--").strip():
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            across = abs(way[0]) > abs(way[1])
            place = (
                f'x="{x:.0f}" y="{y - 7:.0f}" text-anchor="middle"' if across else f'x="{x + 8:.0f}" y="{y + 5:.0f}"'
            )
            parts.append(f'<text {place} font-style="italic" stroke="none">{html.escape(words)}</text>')
    for name, (x, y) in boxes.items():
        (wide, high), (x, y) = half[name], (x * PITCH[0], y * PITCH[1])
        if name not in plain:
            parts.append(
                f'<rect x="{x - wide:.0f}" y="{y - high:.0f}" width="{2 * wide:.0f}" height="{2 * high}" rx="5"/>'
            )
        parts.append(f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle" stroke="none">{html.escape(name)}</text>')
    return HTML(
        f'<svg class="i2i-diagram" role="img" aria-label="{html.escape(alt, quote=True)}" '
        f'viewBox="{left:.0f} {top:.0f} {right - left:.0f} {bottom - top:.0f}" '
        f'style="display:block;width:100%;max-width:{1.15 * (right - left):.0f}px;margin:1em auto" '
        'font-family="sans-serif" font-size="14" fill="none" stroke="currentColor">'
        '<defs><marker id="i2i-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto">'
        '<path d="M0 0L8 4L0 8Z" fill="currentColor" stroke="none"/></marker></defs>'
        + "".join(parts).replace("<text ", '<text fill="currentColor" ')
        + "</svg>"
    )
