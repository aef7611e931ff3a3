"""Learning rates: the factor on every rate, a pure function of the step."""

from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(step: int) -> float:
    """The factor 1 in every step."""
    return 1.0


def linear_decay(steps_per_epoch: int, constant_epochs: int = 100, decay_epochs: int = 100) -> Schedule:
    """The official pix2pix and CycleGAN schedule, epoch by epoch, as the official code has had it since mid-2020.

    The older code updated the rates at the end of an epoch instead of at its start, and so ran one epoch later.
    In epoch e (counted from 1) the factor is ``1 - max(0, e + 1 - constant_epochs) / (decay_epochs + 1)``: at 100 + 100
    epochs 1 up to e = 99, then 0.990, ..., 0.0099 at e = 199 and exactly 0 in the last epoch.
    """
    if steps_per_epoch < 1 or constant_epochs < 0 or decay_epochs < 0:
        raise ValueError(
            f"an epoch of {steps_per_epoch} steps, {constant_epochs} constant epochs and {decay_epochs} that decay; "
            "expected at least one step, and no negative number of epochs"
        )

    def factor(step: int) -> float:
        epoch = step // steps_per_epoch + 1
        return max(0.0, 1.0 - max(0, epoch + 1 - constant_epochs) / (decay_epochs + 1))

    return factor


def linear_tail(steps: int, fraction: float = 0.5) -> Schedule:
    """The same idea counted in steps: 1, then over the last ``fraction`` of ``steps`` linearly towards 0.

    Unlike the official schedule it never reaches 0, so that no step is wasted.
    """
    if steps < 1 or not 0 <= fraction <= 1:
        raise ValueError(f"a tail of {fraction} of {steps} steps; expected a fraction of 0 to 1, and at least one step")
    tail = max(1, round(steps * fraction)) if fraction > 0 else 0

    def factor(step: int) -> float:
        return min(1.0, max(0.0, (steps - step) / (tail + 1)))

    return factor


def staircase(factor: float, every: int) -> Schedule:
    """``factor`` to the power of the whole number of times that ``every`` steps have passed (PixelDA)."""
    if not 0 < factor <= 1 or every < 1:
        raise ValueError(
            f"stairs of {factor} every {every} steps; expected a factor above 0 up to 1, at least one step"
        )
    return lambda step: factor ** (step // every)
