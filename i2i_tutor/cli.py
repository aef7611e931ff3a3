"""The ``i2i-tutor`` command: run a chapter, run many, and gather what came out.

What a user can do wrong ends in one sentence on stderr and exit code 1 (or 2 if the command line itself cannot be
read). Heavy imports stand inside the commands, so that ``--help`` is quick; torch is imported by ``translate`` only.
"""

import contextlib
import functools
import io
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from i2i_tutor import __version__, assignments, parameters, progress
from i2i_tutor.assignments import AssignmentError
from i2i_tutor.batch import cluster, live, plan, report, runner, runs
from i2i_tutor.batch import grid as grids
from i2i_tutor.batch.runner import Event, Outcome
from i2i_tutor.batch.runs import Job
from i2i_tutor.measuring.claims import Verdict, decide
from i2i_tutor.parameters import ParameterError


class _Door(typer.core.TyperGroup):
    """The way in to every command: a terminal that lacks a letter gets a question mark instead of an error."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*args, **kwargs)


main = typer.Typer(
    help="Run, sweep and measure the chapters of the I2I Tutor.",
    cls=_Door,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Chapters = Annotated[Path | None, typer.Option("--chapters-dir", help="Folder of the notebooks (default: chapters/).")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="A parameter, name=value; in a batch also name=value,value,…")
]
Runs = Annotated[Path, typer.Argument(metavar="RUNS", help="A folder of runs.")]
Profile = Annotated[str | None, typer.Option(help="smoke, fast or paper (default: $I2I_PROFILE or fast).")]
Timeout = Annotated[float | None, typer.Option(min=0.1, max=1e8, help="Seconds after which a run is ended.")]


class _Terminated(KeyboardInterrupt):
    """SIGTERM or a closed terminal, which end a command as Ctrl-C does."""


def _clear_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the errors that a user can cause into a sentence and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (plan.BatchError, cluster.ClusterError, report.ReportError, ParameterError, AssignmentError) as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            _fail(f"this command needs {error.name}: pip install 'i2i-tutor[batch,assignments]'")
        except BrokenPipeError:  # `i2i-tutor claims | head` has seen enough; typer ends quietly
            raise
        except OSError as error:
            place = Path(error.filename or ".").absolute()
            _fail(runner.disk_sentence(str(error), place) or str(error))

    return wrapped


def _fail(sentence: str, code: int = 1) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


@contextlib.contextmanager
def _interruptible(sentence: str) -> Iterator[Callable[[], None]]:
    """End with exit code 130 (143 for SIGTERM) and a sentence; a second Ctrl-C does not disturb the cleaning up.

    Gives a function for a loop to call: an interrupt that fell into a library's callback is swallowed there, and is
    raised again here.
    """

    asked: type[KeyboardInterrupt] | None = None

    def end(number: int, frame: Any) -> None:
        nonlocal asked
        if asked is None:
            asked = KeyboardInterrupt if number == signal.SIGINT else _Terminated
            raise asked

    def check() -> None:
        if asked is not None:
            raise asked

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, end)
    try:
        yield check
    except KeyboardInterrupt as error:
        _fail(sentence, 143 if isinstance(error, _Terminated) else 130)
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"i2i-tutor {__version__}")
        raise typer.Exit


@main.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


# --- one chapter ---------------------------------------------------------------------------------------------------


@main.command()
@_clear_errors
def run(
    chapter: Annotated[str, typer.Argument(help="01_pix2pix, pix2pix, or the path of a notebook.")],
    profile: Profile = None,
    seed: Annotated[int, typer.Option(help="Of weights, data and noise.")] = 0,
    source: Annotated[str | None, typer.Option(help="Where the images come from.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps (default: the profile's).")] = None,
    settings: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results (default: runs/CHAPTER, and what is set in its name).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted or failed run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Remove the run that the folder holds, and start anew.")] = (
        False
    ),
    timeout: Timeout = None,
    chapters_dir: Chapters = None,
) -> None:
    """Execute one chapter and say where its results are."""
    given = plan.parse_settings(settings or [])
    for name, value in {"source": source, "steps": steps}.items():
        if value is not None:
            given[name] = [str(value)]
    several = [name for name, values in given.items() if len(values) > 1]
    if several:
        raise plan.BatchError(f"{several[0]} has several values; `i2i-tutor batch` runs them all")
    if resume and force:
        raise plan.BatchError("--resume continues a run and --force starts it anew; give one of them")
    entry = plan.Entry(chapter, (seed,), profile, None, given)
    (job,) = plan.jobs([entry], parameters.RUNS, chapters_dir, threads=0, timeout=timeout, echo=True)
    known = parameters.of_notebook(Path(job.notebook))
    folder = out or parameters.default_folder(job.chapter, known, job.parameters)
    job = plan.in_folder(job, folder)
    if _make_way(job, folder, resume, force):
        with _interruptible(f"Interrupted. The same command with --resume continues it; everything is in {folder}"):
            outcome = runner.supervise(job, _Progress())
        if outcome["state"] != "finished":
            _fail(
                f"{job.chapter} failed: {outcome['sentence']}; the executed notebook and the log are in {folder}, "
                "and the same command with --resume goes on from its last checkpoint"
            )
        typer.echo(f"\nDone in {report.duration(outcome['seconds'])}.")
    _show_results(folder)


def _make_way(job: Job, folder: Path, resume: bool, force: bool) -> bool:
    """Whether there is something to execute: True, or False if the run is finished. Refuses to lose what is there."""
    state = runs.state(job)
    refusal = runs.refusal(job, state)
    if refusal and not (force and state == "other"):
        raise plan.BatchError(refusal + (", or replace it with --force" if state == "other" else ""))
    if force:
        runs.forget(job)
    elif state == "finished":
        since = "" if runs.is_current(job) else ", with a notebook whose code has changed since"
        typer.echo(f"{job.chapter} is finished already{since}; --force runs it anew.")
        return False
    elif state == "changed":
        raise plan.BatchError(f"{folder} holds an unfinished run of a notebook that has changed; --force starts anew")
    elif state in ("interrupted", "failed") and not resume:
        what = "a run that failed" if state == "failed" else "an interrupted run"
        raise plan.BatchError(f"{folder} holds {what}; --resume continues it, --force starts it anew")
    return True


@main.command("parameters")
@_clear_errors
def parameters_command(
    chapter: Annotated[str, typer.Argument(help="01_pix2pix, pix2pix, or the path of a notebook.")],
    chapters_dir: Chapters = None,
) -> None:
    """Print a chapter's parameters. What they mean, what they may be, and their defaults."""
    for name, parameter in parameters.of_notebook(plan.find_chapter(chapter, chapters_dir)).items():
        default = "none" if parameter.default is None else repr(parameter.default)
        typer.echo(f"{name}: {parameter.help}\n    {parameter.legal()}; default {default}")
    typer.echo("Of a number of the method, none stands for the profile's own.")


class _Progress:
    """Prints a line per section of the notebook, its progress bars, and its warnings as they come."""

    def __init__(self) -> None:
        self.began, self.heading, self.bars = time.monotonic(), "", progress.Follower()

    def __call__(self, event: Event) -> None:
        if event["event"] == "progress":
            self.bars.show(event)
            return
        if event["event"] == "text":
            self.bars.write(event["text"])
            return
        self.bars.close()  # an interrupted training leaves one
        if event["event"] == "cell" and event["heading"] != self.heading:
            self.heading = event["heading"]
            passed = time.monotonic() - self.began
            typer.echo(f"{passed:6.0f} s  cell {event['cell']:3d}/{event['cells']}  {self.heading}")


def _show_results(folder: Path) -> None:
    typer.echo(f"  notebook  {folder / runs.NOTEBOOK}")
    pictures = sorted((folder / "figures").glob("*")) if (folder / "figures").is_dir() else []
    if pictures:
        typer.echo(f"  pictures  {folder / 'figures'} ({len(pictures)})")
    typer.echo(f"  results   {folder / runs.RESULTS}")
    results = runs.read_json(folder / runs.RESULTS) or {}  # of a finished run: it is there, and whole
    _claims_table(decide([results | {"arm": "run"}]))


# --- many ----------------------------------------------------------------------------------------------------------


@main.command("batch")
@_clear_errors
def batch_command(
    chapters: Annotated[list[str] | None, typer.Argument(help="Chapters: 01_pix2pix, pix2pix, or notebooks.")] = None,
    profile: Profile = None,
    seeds: Annotated[str, typer.Option(help="0-2 or 0,3,7.")] = "0",
    settings: Set = None,
    grid: Annotated[Path | None, typer.Option(help="A YAML file; see the book's page on batch runs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = parameters.RUNS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and the expected time only.")] = False,
    history: Annotated[
        list[Path] | None, typer.Option(help="Further folders (or collected files) to learn times from.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Do every run anew, finished ones too.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Runs at a time (default: cores / threads).")] = (
        None
    ),
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Threads of each run.")] = 1,
    timeout: Timeout = None,
    retries: Annotated[int, typer.Option(min=0, help="Further tries of a run whose kernel was killed.")] = 3,
    scheduler: Annotated[str | None, typer.Option(help="A running Dask cluster, tcp://host:port.")] = None,
    gpu: Annotated[
        bool | None, typer.Option("--gpu/--no-gpu", help="One run per GPU at a time (default: if there are GPUs).")
    ] = None,
    chapters_dir: Chapters = None,
) -> None:
    """Execute chapters x seeds x settings. What is finished is skipped, what was interrupted continues."""
    gpus = () if scheduler else _local_gpus(gpu)
    entries = _entries(chapters or [], profile, seeds, settings or [], grid)
    jobs = plan.jobs(entries, out, chapters_dir, threads=threads, timeout=timeout, gpus=gpus)
    plan.check_out(out, plan.COMMANDS, plan.TABLE)
    todo = _todo(jobs, force, dry_run)
    devices = len([device for device in gpus if device])
    count = cluster.worker_count(len(todo), cluster.cores(), threads, devices, workers)
    earlier = plan.history([place for place in (out, *(history or [])) if place.exists()])
    _print_plan(jobs, todo, earlier, None if scheduler else count, threads, dry_run)
    if dry_run:
        return
    engine = cluster.Engine(scheduler, count, gpu if scheduler else any(gpus), retries)
    command = _command_line()
    _carry_out(todo, jobs, engine, out, command, force)


def _local_gpus(wanted: bool | None) -> tuple[str, ...]:
    """The GPUs to share out; ("",) hides them from every run."""
    found = () if wanted is False else cluster.visible_gpus()
    if wanted and not found:
        raise plan.BatchError("--gpu was given, but no GPU is visible on this machine")
    return found or ("",)


def _command_line() -> str:
    return shlex.join(["i2i-tutor", *sys.argv[1:]])


def _entries(
    chapters: list[str], profile: str | None, seeds: str, settings: list[str], grid: Path | None
) -> list[plan.Entry]:
    if grid is not None:
        if chapters or settings or seeds != "0" or profile:
            raise plan.BatchError("--grid says all about its runs; leave out chapters, --profile, --seeds and --set")
        return grids.read(grid)
    if not chapters:
        raise plan.BatchError("name at least one chapter, or give --grid")
    values = plan.parse_settings(settings)
    return [plan.Entry(chapter, plan.parse_seeds(seeds), profile, None, values) for chapter in chapters]


def _todo(jobs: list[Job], force: bool, dry_run: bool) -> list[Job]:
    """The jobs to execute: all but the finished, or all with --force. Refuses what it would have to overwrite."""
    states = {job.label: runs.state(job) for job in jobs}
    for job in jobs:
        state = states[job.label]
        if (state == "busy" and dry_run) or (state == "other" and force):
            continue
        if refusal := runs.refusal(job, state):
            other = ", give the entry another name, or replace it with --force" if state == "other" else ""
            raise plan.BatchError(refusal + other)
    return [job for job in jobs if force or states[job.label] != "finished"]


def _print_plan(
    jobs: list[Job], todo: list[Job], earlier: list[dict[str, Any]], workers: int | None, threads: int, every: bool
) -> None:
    times = {job.label: plan.expected_seconds(job, earlier) for job in jobs}
    waiting = {job.label for job in todo}
    if every:
        for job in jobs:
            seconds = times[job.label]
            expected = "time unknown" if seconds is None else f"about {report.duration(seconds)}"
            state = runs.state(job)
            what = {"interrupted": "continues", "failed": "tries again", "changed": "anew: the code has changed"}
            typer.echo(f"{job.label}: {what.get(state, state) + ', ' + expected if job.label in waiting else state}")
    known = [seconds for job in todo if (seconds := times[job.label]) is not None]
    unknown = len(todo) - len(known)
    where = (
        f"{workers} at a time with {threads} thread{'s' * (threads > 1)} each" if workers else "on the given cluster"
    )
    text = f"{len(jobs)} runs, {len(jobs) - len(todo)} finished already, {len(todo)} to do, {where}"
    if known:
        text += f"; about {report.duration(plan.makespan(known, workers or 1))}{' one by one' * (not workers)}"
        text += f" plus {unknown} of unknown time" if unknown else ""
    typer.echo(text)


def _carry_out(todo: list[Job], jobs: list[Job], engine: cluster.Engine, out: Path, command: str, force: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    plan.remember_command(out, command)
    if force:
        for job in todo:
            runs.forget(job)
    outcomes: dict[str, Outcome] = {}
    try:
        with _interruptible(
            f"Interrupted; nothing is left running. To continue: {command.replace(' --force', '')}"
        ) as check:
            if todo:
                with live.listener(todo) as listener:
                    outcomes = cluster.execute(todo, engine, listener, check)
    finally:
        with contextlib.suppress(OSError, report.ReportError):
            report.write_csv(out)
    failed = {label: outcome for label, outcome in outcomes.items() if outcome["state"] != "finished"}
    typer.echo(f"{len(jobs) - len(failed)} of {len(jobs)} runs are finished; the table is {out / 'results.csv'}")
    if failed:
        sentences = "\n".join(f"  {label}: {outcome['sentence']}" for label, outcome in failed.items())
        _fail(f"{len(failed)} of {len(jobs)} runs failed:\n{sentences}")


# --- afterwards ----------------------------------------------------------------------------------------------------


@main.command("report")
@_clear_errors
def report_command(folder: Runs) -> None:
    """Write a table and a page about a folder of runs. They are called results.csv and report.html."""
    plan.check_out(folder, plan.TABLE, plan.PAGE)
    for path in report.write_report(folder, plan.recalled_commands(folder)):
        typer.echo(path)
    _tell_what_is_left_out(folder)


@main.command()
@_clear_errors
def collect(
    folder: Runs,
    to: Annotated[Path, typer.Option(help="The JSON file to write, for example book/results/NAME.json.")],
    keep: Annotated[bool, typer.Option("--keep", help="Keep the file's rows of other runs.")] = False,
) -> None:
    """Write a folder of runs as a small file. It is committed and drawn by the book."""
    count = report.collect(folder, to, plan.recalled_commands(folder), keep)
    typer.echo(f"{to}: {count} runs")
    _tell_what_is_left_out(folder)


@main.command()
@_clear_errors
def claims(
    folder: Runs = Path("runs/claims"),
) -> None:
    """Decide the book's claims by a folder of runs. Exit code 1 if one does not hold although it is expected to."""
    verdicts = decide(report.read_runs(folder))
    if not verdicts:
        raise report.ReportError(f"no finished run under {folder} can decide a claim of the book")
    _claims_table(verdicts)
    _tell_what_is_left_out(folder)
    failed = [verdict.claim.id for verdict in verdicts if verdict.failed]
    if failed:
        _fail(f"{len(failed)} of {len(verdicts)} claims were expected to hold and do not: {', '.join(failed)}")


def _tell_what_is_left_out(folder: Path) -> None:
    for run in report.unfinished(folder):
        why = f" ({run['sentence']})" if run.get("sentence") else ""
        typer.echo(_plain(f"{run['folder']} is {run['state']}{why} and not counted"), err=True)


def _plain(text: str) -> str:
    """Text from a file without what would command the terminal: a question mark for each control character."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _claims_table(verdicts: list[Verdict]) -> None:
    heading = ""
    for verdict in verdicts:
        claim, state = verdict.claim, str(verdict.state)
        above, heading = heading, f"{claim.chapter}, {verdict.arm or 'arm beside arm'}"
        if heading != above:
            typer.echo(f"\n{_plain(heading)}")
        if verdict.failed or (state == "held" and not claim.expected):
            state += ", expected otherwise"
        differences = (decision.difference for _, decision in verdict.seeds)
        shown = ", ".join("–" if difference is None else f"{difference:+.3g}" for difference in differences)
        typer.echo(f"  {state:<12} {claim.text} (difference {shown}; seed {_each_seed(verdict)})")


def _each_seed(verdict: Verdict) -> str:
    """What every seed said: "0: yes, 1: no, 2: –"."""
    word = {True: "yes", False: "no", None: "–"}
    return ", ".join(f"{seed}: {word[decision.held]}" for seed, decision in verdict.seeds)


@main.command()
@_clear_errors
def translate(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="An image, or a folder of images.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the translated images go.")],
    checkpoint: Annotated[Path, typer.Option(help="Folder of a training's checkpoint.")],
    size: Annotated[int | None, typer.Option(min=1, help="Side of the square that images are resized to.")] = None,
    keep_size: Annotated[
        bool, typer.Option("--keep-size", help="Translate each picture at its own size instead.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or one of several GPUs like cuda:1.")] = "cpu",
    direction: Annotated[
        str | None,
        typer.Option(
            help="AtoB or BtoA, the number of a domain, or a label like 10001, if the method has several; by default "
            "the first."
        ),
    ] = None,
) -> None:
    """Translate images with a trained checkpoint."""
    from i2i_tutor.translate import translate_files

    try:
        paths = translate_files(checkpoint, source, out, size, keep_size, device, direction)
    except (ValueError, RuntimeError, OSError) as error:
        _fail(" ".join(str(error).split()))
    else:
        for path in paths:
            typer.echo(path)


# --- assignments ---------------------------------------------------------------------------------------------------

assignment = typer.Typer(help="Release assignments, and check a student's notebook.", no_args_is_help=True)
main.add_typer(assignment, name="assignment")


@assignment.command()
@_clear_errors
def release(
    names: Annotated[list[str] | None, typer.Argument(help="01_pix2pix or pix2pix (default: all).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the course.")] = Path("course"),
    sources: Annotated[Path | None, typer.Option(help="Folder of the sources (default: of the checkout).")] = None,
) -> None:
    """Write a course for nbgrader. Its release/ is for students; its source/ holds the solutions."""
    folder = sources or Path(__file__).resolve().parents[1] / "assignments"
    known = {path.stem: path for path in sorted(folder.glob("[0-9]*.py"))}
    if not known:
        _fail(f"{folder} holds no sources of assignments; they are in the book's repository only, not in the package")
    short = {stem.split("_", 1)[-1]: stem for stem in known}
    chosen = [short.get(name, name) for name in names or known]
    if unknown := [name for name in chosen if name not in known]:
        _fail(f"there is no assignment {unknown[0]!r}; there are {', '.join(known)}")
    for path in assignments.release([known[name] for name in chosen], out, assignments.address_of(folder.parent)):
        typer.echo(path)


@assignment.command()
@_clear_errors
def validate(
    notebook: Annotated[Path, typer.Argument(help="A student's notebook.")],
    timeout: Annotated[float, typer.Option(min=1, max=1e6, help="Seconds after which a cell is given up.")] = 180,
) -> None:
    """Run a notebook from the top and say which tasks pass their visible checks. Exit code 1 if one does not."""
    if not assignments.validate(path=notebook, seconds=timeout):
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
