"""For nbgrader: feedback that shows what a check said, and no hidden tests. Needs nbconvert."""

import re
from typing import Any

from nbconvert.preprocessors import Preprocessor
from traitlets import Bool

from i2i_tutor.assignments.source import HIDDEN, cut

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Feedback(Preprocessor):
    """Cuts the hidden tests out of the graded cells, and the lines of code out of what an error shows."""

    enabled = Bool(True).tag(config=True)  # nbconvert's own default is not to run

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """One cell."""
        if HIDDEN[0] in cell.source:
            cell.source = cut(cell.source, HIDDEN, "").rstrip("\n")
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade"):
            for output in cell.outputs:
                if output.output_type == "error":
                    name = "" if output.ename == "Wrong" else f"{output.ename}: "
                    output.traceback = [name + COLOUR.sub("", output.evalue)]
        return cell, resources
