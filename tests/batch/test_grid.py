"""Grid files: what they mean, and that none of them can do harm."""

import pytest
import yaml

from i2i_tutor.batch import grid, plan


def test_a_grid_names_its_arms(chapters, tmp_path):
    file = tmp_path / "grid.yml"
    file.write_text(
        "- {chapter: toy, seeds: 0-1, profile: smoke, name: plain}\n"
        "- {chapter: [toy, other], seeds: [5], name: heavy, set: {weight: [1e2, 2e2], steps: 3}}\n"
    )
    labels = [job.label for job in plan.jobs(grid.read(file), tmp_path, chapters)]
    assert labels == [
        "01_toy/plain/seed-0",
        "01_toy/plain/seed-1",
        "01_toy/heavy_weight=100/seed-5",
        "01_toy/heavy_weight=200/seed-5",
        "02_other/heavy_weight=100/seed-5",
        "02_other/heavy_weight=200/seed-5",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"chapter": "toy", "sets": {}}], "has no key 'sets'"),
        ([{"seeds": 0}], "must be a mapping with a chapter"),
        ({"chapter": "toy"}, "must be a list of entries"),
        ([{"chapter": []}], "chapter is an empty list"),
        ([{"chapter": ["toy", ["toy"]]}], "chapter must be a value or a list of values, and holds a list"),
        ([{"chapter": "toy", "profile": ["fast"]}], "the profile must be a text, not a list"),
        ([{"chapter": "toy", "seeds": {"from": 0}}], "seeds must be a value or a list of values, and holds a mapping"),
        ([{"chapter": "toy", "name": "../up"}], "a name has up to 80 letters"),
        ([{"chapter": "toy", "name": "a" * 81}], "a name has up to 80 letters"),
        ([{"chapter": "toy", "set": {"weight": []}}], "empty list"),
        ([{"chapter": "toy", "set": ["weight"]}], "set must map"),
    ],
)
def test_a_wrong_grid_is_refused(content, words, tmp_path):
    path = tmp_path / "grid.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(plan.BatchError) as error:
        grid.read(path)
    assert words in str(error.value)


def test_broken_yaml_is_one_sentence(tmp_path):
    (tmp_path / "grid.yml").write_text("- {chapter: [")
    with pytest.raises(plan.BatchError, match="is not a YAML list") as error:
        grid.read(tmp_path / "grid.yml")
    assert "\n" not in str(error.value)


def read(tmp_path, text):
    (tmp_path / "grid.yml").write_text(text)
    return grid.read(tmp_path / "grid.yml")


def test_a_value_is_the_text_that_stands_there(chapters, tmp_path):
    """In YAML 1.1, 010 is 8, 1:30 is 90 and "no" is false."""
    (entry,) = read(tmp_path, "- {chapter: toy, seeds: 010, set: {weight: [010, 1e3, .5], steps: 0_7}}")
    assert entry.seeds == (10,)
    jobs = plan.jobs([entry], tmp_path, chapters)
    assert [job.parameters["weight"] for job in jobs] == [10.0, 1000.0, 0.5]
    assert {job.parameters["steps"] for job in jobs} == {7}
    (entry,) = read(tmp_path, "- {chapter: no, set: {weight: 1:30}}")
    assert (entry.chapter, entry.settings) == ("no", {"weight": ["1:30"]})


def test_entries_can_share_settings_by_merging(tmp_path):
    text = "- {chapter: a, set: &s {x: 1, y: 2}}\n- {chapter: b, set: {<<: *s, y: 3}}\n"
    assert [entry.settings for entry in read(tmp_path, text)] == [{"x": ["1"], "y": ["2"]}, {"x": ["1"], "y": ["3"]}]


def bomb(levels: int) -> str:
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join([*lines, f"- {{chapter: *a{levels - 1}}}"])


def merging_bomb(levels: int) -> str:
    lines = ["- &a0 {x: 1}"]
    lines += [f"- &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(30), "entry 1: must be a mapping"),
        ("- {chapter: &a [*a]}", "holds a list"),
        (merging_bomb(30), "a mapping of more than 100 keys"),
        ("[" * 40_000, "nested too deeply"),
        ("- {chapter: toy, seeds: " + "9" * 90_000 + "}", "seeds must read like 0-2 or 0,3,7, not '999"),
        ("- {chapter: toy, seeds: 0-9999999}", "more than the 10000 seeds"),
        ("#" * 100_001, "larger than the 100 kB"),
        ("- !!python/object/apply:os.system ['true']", "is not a YAML list of entries"),
        ("- !!int " + "9" * 5_000, "is not a YAML list of entries"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_a_hostile_grid_is_one_sentence(text, words, tmp_path):
    with pytest.raises(plan.BatchError) as error:
        read(tmp_path, text)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 1_000


def test_a_grid_that_is_no_text_is_one_sentence(tmp_path):
    (tmp_path / "grid.yml").write_bytes("- {chapter: é}".encode("latin-1"))
    with pytest.raises(plan.BatchError, match=r"grid\.yml is not UTF-8 \(byte 12\)"):
        grid.read(tmp_path / "grid.yml")
    with pytest.raises(plan.BatchError, match="cannot be read"):
        grid.read(tmp_path)


def test_aliases_do_not_repeat_many_seeds_without_bound(tmp_path):
    with pytest.raises(plan.BatchError, match=r"has more than the 10000 runs that a batch may have$"):
        read(tmp_path, "- &s {chapter: a, seeds: 0-9999}\n" + "- *s\n" * 9999)
