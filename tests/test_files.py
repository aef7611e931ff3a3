"""Writing that never leaves half a file behind, nor touches what is not its own."""

import pytest

from i2i_tutor import files


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "here" / "a.txt"
    files.write_text(path, "one")

    def fail(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, fail)
    assert path.read_text() == "one"
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]


def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    """Even if somebody foresees the temporary name."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda count: "0" * 2 * count)
    try:
        (tmp_path / f".a.txt.{'0' * 16}.part").symlink_to(victim)
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(FileExistsError):
        files.write_text(tmp_path / "a.txt", "mine")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.txt").exists()


def test_a_link_in_the_place_of_the_file_is_replaced_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    try:
        (tmp_path / "a.txt").symlink_to(victim)
    except OSError:
        pytest.skip("no links here")
    files.write_text(tmp_path / "a.txt", "mine")
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["a" * 250, "ä" * 120, "가" * 80])
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path, name):
    files.write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_orphans_are_the_temporary_files_of_killed_writers_only(tmp_path):
    temporary = []

    def look(file):
        temporary.extend(each.name for each in tmp_path.iterdir())
        (tmp_path / temporary[0]).with_name("copy").write_bytes(b"")

    files.write_atomically(tmp_path / "a.txt", look)
    (tmp_path / "copy").rename(tmp_path / temporary[0])  # as if it had been killed
    for mine in (".a.txt.part", ".a.txt.1234.part", "a.txt.0123456789abcdef.part", ".0123456789abcdef.part"):
        (tmp_path / mine).write_text("mine")
    assert [path.name for path in files.orphans(tmp_path)] == temporary
