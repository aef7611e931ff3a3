"""What the cells tagged `nbval-check-output` print at `smoke`: kept apart from the notebooks, which have no outputs.

``python tools/expected.py [NAME ...]`` runs every chapter (or these) at smoke and writes tests/book/expected/NAME.json.
The tests put these outputs into a copy of the notebook and let nbval compare them with those of a new run.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests/book/expected"
TAG = "nbval-check-output"


def compared(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells whose outputs are compared."""
    return [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]


def merge(notebook: NotebookNode, expected: dict[str, list]) -> None:
    """Put expected outputs into the compared cells. Raises KeyError if a cell has none: it has been edited."""
    for cell in compared(notebook):
        if cell.id not in expected:
            raise KeyError(f"no expected output for the cell {cell.source[:60]!r}: run `make expected`")
        cell.outputs = [NotebookNode(output) for output in expected[cell.id]]
        cell.execution_count = 1  # nbval takes a cell without it for one that never ran


def main() -> int:
    """Run every chapter at smoke and write what its compared cells print."""
    os.environ["I2I_PROFILE"] = "smoke"
    os.environ["OMP_NUM_THREADS"] = "1"
    FOLDER.mkdir(parents=True, exist_ok=True)
    chapters = {path.stem: path for path in sorted(ROOT.glob("chapters/*.ipynb"))}
    names = sys.argv[1:] or list(chapters)
    if unknown := [name for name in names if name not in chapters]:
        sys.exit(f"no chapter is called {unknown[0]!r}; there are {', '.join(chapters)}")
    for path in (chapters[name] for name in names):
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(
                notebook, timeout=600, coalesce_streams=True, resources={"metadata": {"path": folder}}
            ).execute()
        outputs = {cell.id: [_still(output) for output in cell.outputs] for cell in compared(notebook)}
        text = json.dumps(outputs, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        (FOLDER / f"{path.stem}.json").write_text(text, encoding="utf-8")
        print(f"{path.stem}: {len(outputs)} cells")
    return 0


def _still(output: NotebookNode) -> NotebookNode:
    """An output without its execution count, which a comparison ignores."""
    if "execution_count" in output:
        output.execution_count = None
    return output


if __name__ == "__main__":
    sys.exit(main())
