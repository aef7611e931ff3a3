"""Every claim was committed before the runs that judge it, and its rule has stayed as it was since."""

import json
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from i2i_tutor.measuring.claims import claims

ROOT = Path(__file__).parents[2]
CLAIMS = "book/claims.toml"
RULE = ("chapter", "metric", "arm", "baseline", "direction", "margin")  # `expected` may change: a line of the changelog


def git(*arguments: str, root: Path = ROOT, text: str = "") -> str:
    done = subprocess.run(["git", "-C", root, *arguments], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def rules(text: str) -> dict[str, tuple]:
    """The rule of every claim in the text of a claims file."""
    return {entry["id"]: tuple(entry[name] for name in RULE) for entry in tomllib.loads(text).get("claim", [])}


def judged_at(root: Path) -> dict[str, set[str]]:
    """For every claim the commits of the committed runs that judge it."""
    rows = {path.stem: json.loads(path.read_text()).get("rows", []) for path in (root / "book/results").glob("*.json")}
    commits: dict[str, set[str]] = {}
    for claim in claims(path=root / CLAIMS):
        for row in rows.get("claims" if claim.live else claim.chapter.split("_", 1)[1], []):
            concerned = claim.live or row["arm"] in (claim.arm, claim.baseline)
            if concerned and row["chapter"] == claim.chapter and row["git_commit"]:
                commits.setdefault(claim.id, set()).add(row["git_commit"].split("-")[0])
    return commits


def too_late(root: Path) -> list[str]:
    """The claims that did not have their present rule when a run judged them, and ever since, on the way from there."""
    today = rules((root / CLAIMS).read_text(encoding="utf-8"))

    @cache
    def at(commit: str) -> dict[str, tuple]:
        return rules(git("show", f"{commit}:{CLAIMS}", root=root))

    @cache
    def from_there(commit: str) -> list[str]:
        # what was committed beside it, on another branch, does not lie on the way
        options = ("--ancestry-path", "--full-history", "--reverse")
        return [commit, *git("rev-list", *options, f"{commit}..HEAD", "--", CLAIMS, root=root).split()]

    wrong = []
    for claim, commits in judged_at(root).items():
        for ran in commits:
            try:
                others = [commit for commit in from_there(ran) if at(commit).get(claim) != today[claim]]
            except subprocess.CalledProcessError:
                others = ["a commit that nobody knows"]
            if others:
                wrong.append(f"{claim}: judged by a run at {ran}; its rule is another one at {others[0]}")
    return wrong


def history_or_skip() -> None:
    try:
        shallow = git("rev-parse", "--is-shallow-repository").strip() == "true"
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git history here")
    if shallow:
        pytest.skip("a shallow clone does not know which came first")


def test_each_claim_was_committed_before_the_runs_that_judge_it():
    history_or_skip()
    assert len(judged_at(ROOT)) > 20
    assert not too_late(ROOT)


ENTRY = """\
[[claim]]
id = "{id}"
chapter = "01_toy"
text = "t"
metric = "iou"
arm = "a"
baseline = "b"
direction = "higher"
margin = {margin}
expected = {expected}
"""


def test_a_margin_that_was_moved_after_the_run_is_found(tmp_path):
    """A history of its own: claims x and y, then the run, then other margins."""
    history_or_skip()  # git is there
    (tmp_path / "book/results").mkdir(parents=True)

    def commit(*entries: str) -> str:
        (tmp_path / CLAIMS).write_text("".join(entries))
        git("add", CLAIMS, root=tmp_path)
        names = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        git(*names, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "x", root=tmp_path)
        return git("rev-parse", "--short=12", "HEAD", root=tmp_path).strip()

    def entry(name: str, margin: float, expected: str = "true") -> str:
        return ENTRY.format(id=name, margin=margin, expected=expected)

    git("init", "--quiet", root=tmp_path)
    before = commit(entry("x", 0.1))
    ran = commit(entry("x", 0.1), entry("y", 0.2))
    row = {"chapter": "01_toy", "arm": "a", "seed": 0, "git_commit": f"{ran}-dirty"}
    (tmp_path / "book/results/toy.json").write_text(json.dumps({"rows": [row]}))
    commit(entry("x", 0.1, "false"), entry("y", 0.2))
    assert not too_late(tmp_path)  # what is expected may change
    commit(entry("x", 0.1, "false"), entry("y", 0.3))
    assert [text.split(":")[0] for text in too_late(tmp_path)] == ["y"]
    commit(entry("x", 0.1, "false"), entry("y", 0.2))
    assert [text.split(":")[0] for text in too_late(tmp_path)] == ["y"]  # back again, but after the run
    row["git_commit"] = before
    (tmp_path / "book/results/toy.json").write_text(json.dumps({"rows": [row]}))
    commit(entry("x", 0.1), entry("y", 0.2), entry("z", 0.1))
    assert [text.split(":")[0] for text in too_late(tmp_path)] == ["y", "z"]  # neither was there when it ran
    row["git_commit"] = "0123456789ab"
    (tmp_path / "book/results/toy.json").write_text(json.dumps({"rows": [row]}))
    assert all("nobody knows" in text for text in too_late(tmp_path))


def test_a_branch_that_has_not_got_the_claim_is_no_break(tmp_path):
    history_or_skip()
    (tmp_path / "book/results").mkdir(parents=True)
    names = ("-c", "user.name=t", "-c", "user.email=t@example.org")

    def commit(margin: float) -> str:
        (tmp_path / CLAIMS).write_text(ENTRY.format(id="x", margin=margin, expected="true"))
        git(*names, "commit", "--quiet", "--no-verify", "--allow-empty", "-am", "x", root=tmp_path)
        return git("rev-parse", "--short=12", "HEAD", root=tmp_path).strip()

    git("init", "--quiet", "--initial-branch=main", root=tmp_path)
    (tmp_path / CLAIMS).write_text("")
    git("add", CLAIMS, root=tmp_path)
    commit(0.3)
    git("checkout", "--quiet", "-b", "side", root=tmp_path)
    row = {"chapter": "01_toy", "arm": "a", "seed": 0, "git_commit": commit(0.1)}
    (tmp_path / "book/results/toy.json").write_text(json.dumps({"rows": [row]}))
    git("checkout", "--quiet", "main", root=tmp_path)
    git(*names, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "meanwhile", root=tmp_path)
    git(*names, "merge", "--quiet", "--no-ff", "--no-edit", "side", root=tmp_path)
    assert not too_late(tmp_path)
    commit(0.2)
    assert [text.split(":")[0] for text in too_late(tmp_path)] == ["x"]
