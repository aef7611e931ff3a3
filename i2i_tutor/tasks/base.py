"""What the checks of all assignments share: one way to run an answer, to compare it, and to say where to read again."""

import dis
import functools
import hashlib
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

ALLOWED = ("i2i_tutor.nn",)  # networks are given; losses and steps are what an answer consists of
TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-4}


class Wrong(AssertionError):  # noqa: N818 - what an answer is
    """An answer is wrong. A notebook shows its sentence without the lines of the check."""

    def _render_traceback_(self) -> list[str]:  # what IPython asks an error for
        return [f"Not yet: {self}"]


def task(section: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a check ``(answer, *, ...)``: it is repeatable, says "right", and a wrong answer learns what to read.

    ``section`` is the page and anchor, ``chapters/01_pix2pix.html#the-losses-from-scratch``. The check's keyword
    ``seed`` (default 0) also seeds torch's generator, whose state is put back. What an answer raises itself becomes a
    `Wrong` that names the line. An answer that calls this package's own solution of the task is refused.
    """

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(check)
        def checked(*answers: Any, seed: int = 0, **settings: Any) -> None:
            try:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    for answer in answers:
                        _own_work(answer)
                    check(*answers, **settings)
            except Wrong as error:
                stop = "" if str(error).endswith(("?", ".")) else "."
                raise Wrong(f"{error}{stop} Read again: {address(section)}") from None
            except NotImplementedError:
                raise Wrong("nothing is written here yet") from None
            except Exception as error:
                told = f"your answer raised {type(error).__name__}: {error}{_line(error, answers)}"
                raise Wrong(f"{told}. Read again: {address(section)}") from None
            print(f"right: {check.__name__.removeprefix('check_').replace('_', ' ')}")

        checked.section = section  # type: ignore[attr-defined]  # a test looks whether it exists
        return checked

    return decorate


def address(section: str) -> str:
    """Where a section of the book stands: on the site that $I2I_BOOK names, or its path within the book."""
    return os.environ.get("I2I_BOOK", "") + section


def student_seed(student: str) -> int:
    """A seed of one's own, made from a name or a number: equal for ``"Kim Min"`` and ``" kim min "``."""
    if not isinstance(student, str) or not student.strip():
        raise Wrong('write your name or number into `student`, between quotation marks, for example student = "4711"')
    return int(hashlib.sha256(student.strip().casefold().encode()).hexdigest(), 16) % 2**31


# --- comparing -----------------------------------------------------------------------------------------------------


def same(answer: object, expected: Tensor, mistakes: Mapping[str, Tensor] | None = None, what: str = "") -> None:
    """Raise `Wrong` unless ``answer`` is a tensor of the type, shape and values of ``expected``.

    ``mistakes`` maps the sentence that names a usual mistake to the value which it leads to. ``what`` names the value
    in sentences, by default "the answer".
    """
    what = what or "the answer"
    if type(answer) is not Tensor and type(answer) is not nn.Parameter:
        raise Wrong(f"{what} is {_kind(answer)}; expected a tensor {tuple(expected.shape)}, so that gradients can flow")
    if answer.shape != expected.shape:
        hint = " (one number: take the mean)" if expected.shape == () else ""
        raise Wrong(f"{what} has shape {tuple(answer.shape)}; expected {tuple(expected.shape)}{hint}")
    if answer.dtype != expected.dtype:
        raise Wrong(f"{what} is {answer.dtype}; expected {expected.dtype}, as what it was made from")
    if not torch.isfinite(answer).all():
        raise Wrong(f"{what} holds {_worst(answer)}; is there a logarithm of zero, or a division by it?")
    if _close(answer, expected):
        return
    for sentence, value in (mistakes or {}).items():
        if value.shape == answer.shape and _close(answer, value):
            numbers = f" (yours {answer.item():.4f}, expected {expected.item():.4f})" if answer.ndim == 0 else ""
            raise Wrong(sentence + numbers)
    if answer.ndim == 0:
        raise Wrong(f"{what} is {answer.item():.6f}; expected {expected.item():.6f}")
    raise Wrong(f"{what} differs from the expected values by up to {(answer - expected).abs().max().item():.4g}")


def number(answer: object, expected: float, mistakes: Mapping[str, float], what: str, within: float = 2e-3) -> None:
    """Raise `Wrong` unless ``answer`` is a plain number (or a tensor of one) at most ``within`` from ``expected``."""
    if type(answer) is Tensor and answer.numel() == 1:
        answer = float(answer)
    if type(answer) not in (int, float):
        raise Wrong(f"{what} is {_kind(answer)}; expected a number")
    assert isinstance(answer, int | float)
    if abs(answer - expected) <= within:
        return
    for sentence, value in mistakes.items():
        if abs(answer - value) <= within:
            raise Wrong(f"{what}: {sentence} (yours {answer:.4f})")
    raise Wrong(f"{what} is not {answer:.4f}")


def gradients(
    function: Callable[..., Any],
    reference: Callable[..., Tensor],
    arguments: Mapping[str, Tensor],
    mistakes: Mapping[str, Callable[..., Tensor]] | None = None,
) -> None:
    """Raise `Wrong` unless the gradients of ``function(*arguments)`` are those of ``reference``, for every argument.

    An argument that the reference does not touch must receive none (or zeros). ``mistakes`` maps the sentence that
    names a mistake to the function which it leads to.
    """
    theirs = _gradients(reference, arguments)
    try:
        mine = _gradients(function, arguments)
    except _NoGradientError:
        raise Wrong("the value is right but carries no gradient: is there a detach(), item() or no_grad()?") from None
    for name, gradient in mine.items():
        if _close(gradient, theirs[name]):
            continue
        for sentence, other in (mistakes or {}).items():
            if all(_close(mine[each], value) for each, value in _gradients(other, arguments).items()):
                raise Wrong(sentence)
        if not theirs[name].any():
            raise Wrong(f"a gradient reaches {name}, which must receive none from this loss: detach it")
        if not gradient.any():
            raise Wrong(f"the value is right, but no gradient reaches {name}: something was detached")
        raise Wrong(f"the value is right, but the gradient of {name} is not")


class _NoGradientError(Exception):
    pass


def _gradients(function: Callable[..., Any], arguments: Mapping[str, Tensor]) -> dict[str, Tensor]:
    copies = {name: value.detach().clone().requires_grad_(True) for name, value in arguments.items()}
    result = function(*copies.values())
    if not isinstance(result, Tensor) or not result.requires_grad:
        raise _NoGradientError
    result.sum().backward()
    return {name: torch.zeros_like(copy) if copy.grad is None else copy.grad for name, copy in copies.items()}


def parameters(answer: nn.Module, expected: nn.Module, what: str) -> None:
    """Raise `Wrong` unless the weights of two networks of one kind are equal."""
    for (name, mine), theirs in zip(answer.named_parameters(), expected.parameters(), strict=True):
        if not _close(mine, theirs):
            raise Wrong(f"after the step the weights of the {what} ({name}) are not those expected")


def equal_parameters(answer: nn.Module, expected: nn.Module) -> bool:
    """Whether the weights of two networks of one kind are equal within rounding."""
    return all(_close(a, b) for a, b in zip(answer.parameters(), expected.parameters(), strict=True))


def _close(answer: Tensor, expected: Tensor) -> bool:
    tolerance = TOLERANCE.get(answer.dtype, 1e-2)
    # plain arithmetic on plain tensors: nothing here can be overloaded by an answer
    difference = (answer.detach().double() - expected.detach().double()).abs()
    scale = expected.detach().double().abs()
    return bool((difference <= tolerance * (scale.max() if scale.numel() else scale.sum()) + 1e-9).all())


# --- telling -------------------------------------------------------------------------------------------------------


def _kind(answer: object) -> str:
    return "None (is there a return?)" if answer is None else f"of type {type(answer).__name__}"


def _worst(answer: Tensor) -> str:
    return "nan" if torch.isnan(answer).any() else "inf"


def _line(error: BaseException, answers: Sequence[Any]) -> str:
    """Where in the answer an error arose: ", in its line 3"."""
    codes = {answer.__code__ for answer in answers if isinstance(answer, types.FunctionType)}
    trace, found = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if code in codes:
            found = f", in line {trace.tb_lineno - code.co_firstlineno + 1} of {code.co_name}"
        trace = trace.tb_next
    return found


def _own_work(answer: object) -> None:
    """Raise `Wrong` if an answer calls a function of this package: those are the solutions."""
    if not isinstance(answer, types.FunctionType):
        if getattr(answer, "__module__", "").startswith("i2i_tutor") and not isinstance(answer, Tensor | nn.Module):
            raise Wrong("that is the package's own function; write one yourself")
        return
    if (answer.__module__ or "").startswith("i2i_tutor"):  # none, if its namespace has no name
        raise Wrong("that is the package's own function; write one yourself")
    for name, value in _globals(answer):
        module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if isinstance(module, str) and module.startswith("i2i_tutor") and not module.startswith(ALLOWED):
            raise Wrong(f"your answer uses `{name}` of this book's package; write it in plain PyTorch")


def _globals(function: types.FunctionType) -> Iterable[tuple[str, Any]]:
    """The globals that a function looks up, with their values; so do functions inside it, and those it calls."""
    waiting, seen = [function.__code__], set()
    while waiting:
        code = waiting.pop()
        seen.add(code)
        for step in dis.get_instructions(code):
            name = step.argval
            if step.opname == "IMPORT_NAME":
                yield name, types.ModuleType(name)
            elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name in function.__globals__:
                value = function.__globals__[name]
                yield name, value
                if isinstance(value, types.FunctionType) and value.__globals__ is function.__globals__:
                    waiting += [value.__code__] if value.__code__ not in seen else []
        waiting += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
