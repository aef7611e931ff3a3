"""Grid files: a plan as a YAML list, ``{chapter, seeds, profile, name, set: {parameter: value or list of values}}``.

A grid may come from anywhere. Its size is bounded before it is parsed, what it may expand to before it is expanded, and
it makes nothing but texts, lists and mappings.
"""

from pathlib import Path
from typing import Any, ClassVar

from i2i_tutor.batch.plan import MOST_RUNS, BatchError, Entry, parse_seeds, shown
from i2i_tutor.parameters import SAFE_NAME

KEYS = ("chapter", "seeds", "profile", "name", "set")
LARGEST = 100_000  # bytes
_LONGEST_NAME = 80  # letters: it becomes the name of a folder, with the settings behind it
_MOST_KEYS = 100  # of one mapping, merged ones included


def read(path: Path) -> list[Entry]:
    """The entries of a grid file.

    Every value is taken as the text that stands there, as on the command line, and then read by the parameter's type:
    some of YAML's own numbers are a surprise (``010`` is 8).
    """
    entries = _load(path)
    if not isinstance(entries, list) or not entries:
        raise BatchError(f"{path} must be a list of entries, each with a chapter")
    found: list[Entry] = []
    count = 0
    for number, entry in enumerate(entries, 1):
        new = _entries(entry, f"{path}, entry {number}")
        count += sum(one.count() for one in new)
        if count > MOST_RUNS:  # an alias repeats an entry of many seeds in three letters
            raise BatchError(f"{path} has more than the {MOST_RUNS} runs that a batch may have")
        found += new
    return found


def _load(path: Path) -> Any:
    import yaml

    class Texts(yaml.SafeLoader):
        """Loads every plain value as a text; only the merge key ``<<`` has its meaning."""

        yaml_implicit_resolvers: ClassVar = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}
        yaml_constructors: ClassVar = {
            tag: yaml.SafeLoader.yaml_constructors[tag]
            for tag in (None, *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")))
        }

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Merge; mappings that are merged into each other again and again grow without bound."""
            super().flatten_mapping(node)
            if len(node.value) > _MOST_KEYS:
                text = f"has a mapping of more than {_MOST_KEYS} keys"
                raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)

    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise BatchError(f"{path} is larger than the {LARGEST // 1000} kB that a grid may have")
        return yaml.load(content.decode("utf-8"), Texts)
    except OSError as error:
        raise BatchError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BatchError(f"{path} is not UTF-8 (byte {error.start})") from error
    except yaml.YAMLError as error:
        raise BatchError(f"{path} is not a YAML list of entries: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise BatchError(f"{path} is nested too deeply") from error


def _entries(entry: Any, where: str) -> list[Entry]:
    """What one entry of the file stands for: an `Entry` for each of its chapters."""
    if not isinstance(entry, dict) or "chapter" not in entry:
        raise BatchError(f"{where}: must be a mapping with a chapter")
    unknown = [key for key in entry if key not in KEYS]
    if unknown:
        raise BatchError(f"{where}: has no key {shown(str(unknown[0]))}; the keys are {', '.join(KEYS)}")
    settings = entry.get("set") or {}
    if not isinstance(settings, dict):
        raise BatchError(f"{where}: set must map parameters to a value or a list of values")
    name, profile = entry.get("name"), entry.get("profile", "")
    if name is not None and not (isinstance(name, str) and SAFE_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME):
        what = f"has up to {_LONGEST_NAME} letters, digits and . _ = + -"
        raise BatchError(f"{where}: a name {what}, and is not {_quoted(name)}")
    if not isinstance(profile, str):
        raise BatchError(f"{where}: the profile must be a text, not {_quoted(profile)}")
    chapters = _texts(entry["chapter"], f"{where}: chapter")
    seeds = parse_seeds(",".join(_texts(entry.get("seeds", "0"), f"{where}: seeds")))
    values = {str(key): _texts(value, f"{where}: {shown(str(key))}") for key, value in settings.items()}
    return [Entry(chapter, seeds, profile or None, name, values) for chapter in chapters]


def _texts(value: Any, where: str) -> list[str]:
    """A value or a list of values as a list of texts."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise BatchError(f"{where} is an empty list")
    wrong = [one for one in values if not isinstance(one, str)]
    if wrong:
        raise BatchError(f"{where} must be a value or a list of values, and holds {_quoted(wrong[0])}")
    return values


def _quoted(value: Any) -> str:
    """A value for a sentence; a list or mapping is only named, since an alias may make it endless."""
    return shown(value) if isinstance(value, str) else "a mapping" if isinstance(value, dict) else "a list"
