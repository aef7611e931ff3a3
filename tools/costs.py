"""Measure what teaching costs: minutes and memory of each chapter at a profile, and of each assignment.

``python tools/costs.py --profile smoke 01_pix2pix`` runs a chapter, ``python tools/costs.py --assignments`` all
assignments with their solutions; each measurement replaces its row in ``book/results/costs.json``, which the
instructors' page draws. Chapters at `fast` are there already, among the runs that judge the claims (claims.json).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from i2i_tutor import assignments
from i2i_tutor.files import write_text
from i2i_tutor.measuring import provenance

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "book/results/costs.json"
STUDENT = "the authors"


def chapter(name: str, profile: str) -> dict[str, Any]:
    """Run a chapter in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = ["run", name, "--profile", profile, "--out", str(out)]
        command += ["--set", "allow_slow=true", "--steps", "1"] if profile == "paper" else []
        subprocess.run([sys.executable, "-m", "i2i_tutor.cli", *command], cwd=ROOT, check=True)
        found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return {key: found[key] for key in ("seconds", "peak_memory_mib", "device")}


def assignment(source: Path) -> dict[str, Any]:
    """Run an assignment's solution; to be called in a process of its own, whose memory is meant."""
    cells = [
        {**cell, "source": f"student = {STUDENT!r}"} if "student" in cell["metadata"].get("tags", []) else cell
        for cell in assignments.read_source(source)
    ]
    began = time.perf_counter()
    wrong = [sentence for _, sentence in assignments.execute(cells) if sentence not in ("", "runs")]
    if wrong:
        raise SystemExit(f"{source.stem}: {wrong[0]}")
    seconds = time.perf_counter() - began
    about = provenance.provenance(torch.device("cpu"))
    return {"seconds": round(seconds, 1), **{key: about[key] for key in ("peak_memory_mib", "device")}}


def record(what: str, profile: str, row: dict[str, Any]) -> None:
    """Put a row into the file, in the place of the one that was there."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["rows"] if FILE.exists() else []
    rows = [other for other in rows if (other["what"], other["profile"]) != (what, profile)]
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    rows.append({"what": what, "profile": profile, **row, "git_commit": commit.stdout.strip()})
    rows.sort(key=lambda each: (each["what"], each["profile"]))
    write_text(FILE, json.dumps({"rows": rows}, indent=1, sort_keys=True) + "\n")
    print(f"{what}, {profile}: {row['seconds']:.0f} s, {row['peak_memory_mib']:.0f} MiB", flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="01_pix2pix ...")
    parser.add_argument("--profile", default="smoke", choices=["smoke", "fast", "paper"], help="paper: one step only")
    parser.add_argument("--assignments", action="store_true", help="all assignments, with their solutions")
    parser.add_argument("--assignment", type=Path, help=argparse.SUPPRESS)  # one, in this process
    options = parser.parse_args()
    if options.assignment:
        print(json.dumps(assignment(options.assignment)), file=sys.__stderr__)
        return
    for name in options.chapters:
        record(name, options.profile, chapter(name, options.profile))
    for source in sorted((ROOT / "assignments").glob("[0-9]*.py")) if options.assignments else ():
        command = [sys.executable, __file__, "--assignment", str(source)]
        run = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
        )
        record(f"assignments/{source.stem}", "assignment", json.loads(run.stderr.splitlines()[-1]))


if __name__ == "__main__":
    main()
