"""Every claim was committed before the runs that judge it, and its rule has stayed as it was since."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from i2i_tutor.measuring.claims import claims

ROOT = Path(__file__).parents[2]
CLAIMS = "book/claims.toml"
RULE = ("chapter", "metric", "arm", "baseline", "direction", "margin")  # `expected` may change: a line of the changelog


def git(*arguments: str, root: Path = ROOT, text: str = "") -> str:
    done = subprocess.run(["git", "-C", root, *arguments], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def rule(entry) -> tuple:
    return tuple(entry[name] for name in RULE)


def since(root: Path) -> dict[str, str]:
    """For every claim the commit from which on it has had its present rule without a break; none if it never had."""
    commits = git("log", "--reverse", "--topo-order", "--format=%H", "--", CLAIMS, root=root).split()
    found: dict[str, tuple[tuple, str]] = {}
    for commit in commits:
        entries = tomllib.loads(git("show", f"{commit}:{CLAIMS}", root=root)).get("claim", [])
        rules = {entry["id"]: rule(entry) for entry in entries}
        found = {
            name: found[name] if name in found and found[name][0] == now else (now, commit)
            for name, now in rules.items()
        }
    today = {entry["id"]: rule(entry) for entry in tomllib.loads((root / CLAIMS).read_text(encoding="utf-8"))["claim"]}
    return {name: commit for name, (committed, commit) in found.items() if today.get(name) == committed}


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
    """The claims that got their present rule after a run that judges them, or in a commit that nobody knows."""
    born, wrong, known = since(root), [], {}
    for claim, commits in judged_at(root).items():
        for commit in commits:
            pair = born.get(claim, "HEAD"), commit
            if pair not in known:
                known[pair] = subprocess.run(["git", "-C", root, "merge-base", "--is-ancestor", *pair]).returncode == 0
            if claim not in born or not known[pair]:
                wrong.append(f"{claim}: judged by a run at {commit}, its rule stands since {born.get(claim, 'never')}")
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
