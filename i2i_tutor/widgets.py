"""Live controls of a running notebook. A page of the book has no kernel and shows their first state."""

import os
from collections.abc import Callable

import ipywidgets
from IPython.display import display


def live(draw: Callable[..., object], **controls: ipywidgets.ValueWidget) -> None:
    """Show a figure that is redrawn whenever one of its controls is moved.

    With the environment variable ``I2I_QUIET`` set, as when the book is built or runs are made in batch, only the
    figure of the first state is shown: a page with a widget would load 4 MB of scripts, and its controls would be dead.

    Args:
        draw: function of the controls' values, by name; its answer is displayed.
        controls: ipywidgets with a value, for example ``ipywidgets.Dropdown(options=["window", "door"])``. A slider
            should have ``continuous_update=False``, else every pixel that it is moved is a translation.
    """
    if os.environ.get("I2I_QUIET"):
        display(draw(**{name: control.value for name, control in controls.items()}))
        return
    for name, control in controls.items():
        control.description = control.description or name
    output = ipywidgets.interactive_output(lambda **values: display(draw(**values)), controls)
    display(ipywidgets.VBox([ipywidgets.HBox(list(controls.values())), output]))
