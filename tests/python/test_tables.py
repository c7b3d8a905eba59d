"""The tables of messages that Juden is built with say what the OCA schemas say. Whole numbers and lists may be held narrower,
where the standard's text is."""

import pathlib
import re

import pytest
from messages import actions, schema

TABLES = pathlib.Path(__file__).resolve().parents[2] / "crates" / "ocpp" / "src" / "schema"


def table(version):
    entries = []
    for line in (TABLES / f"{version}.txt").read_text().splitlines():
        if line.startswith(" "):
            entries[-1] += " " + line.strip()
        elif not line.startswith("#"):
            entries.append(line)
    named, messages = {}, {}
    for entry in entries:
        word, name, body = re.fullmatch(r"(\w+) (\w+) =\s*(.*)", entry).groups()
        if word in ("enum", "type"):
            named[name] = (word, body)
        else:
            messages[name if word != "reply" else f"{name}Response"] = body
    return named, messages


def fields(body):
    found = {}
    for field in filter(None, (field.strip() for field in body.split(","))):
        name, kind = field.split(": ", 1)
        found[name.rstrip("?")] = (not name.endswith("?"), kind)
    return found


class Comparison:
    def __init__(self, version):
        self.named, self.messages = table(version)
        self.compared = 0

    def objects(self, ours, theirs, definitions, path):
        ours, wanted = fields(ours), theirs.get("required", [])
        names = [name for name in theirs.get("properties", {}) if name != "customData"]
        assert sorted(ours) == sorted(names), path
        for name in names:
            required, kind = ours[name]
            assert required == (name in wanted), (path, name)
            self.kinds(kind, theirs["properties"][name], definitions, f"{path}.{name}")

    def kinds(self, kind, theirs, definitions, path):
        self.compared += 1
        if "$ref" in theirs:
            theirs = definitions[theirs["$ref"].rsplit("/", 1)[-1]]
        if kind in self.named:
            word, body = self.named[kind]
            if word == "type":
                return self.objects(body, theirs, definitions, path)
            kind = f"({body})"
        if kind.startswith("("):
            assert sorted(word.strip() for word in kind.strip("()").split("|")) == sorted(theirs["enum"]), path
        elif kind.startswith("["):
            least, most, of = re.fullmatch(r"\[(\d+)\.\.(\d*)\] (.*)", kind).groups()
            assert int(least) >= theirs.get("minItems", 0) and (most or None) == (str(theirs["maxItems"]) if "maxItems" in theirs else None), path
            self.kinds(of, theirs["items"], definitions, path)
        elif kind.startswith("text"):
            assert theirs["type"] == "string" and "enum" not in theirs, path
            assert (kind[5:] or None) == (str(theirs["maxLength"]) if "maxLength" in theirs else None), path
        elif kind.startswith("int"):
            low, high = (kind[4:].split("..") + ["", ""])[:2]
            assert theirs["type"] == "integer", path
            assert "minimum" not in theirs or int(low) >= theirs["minimum"], path
            assert "maximum" not in theirs or int(high) <= theirs["maximum"], path
        else:
            wanted = {"number": ("number", None), "tenths": ("number", None), "instant": ("string", "date-time"), "bool": ("boolean", None), "any": (None, None)}
            assert (theirs.get("type"), theirs.get("format")) == wanted[kind], path
            assert (kind == "tenths") == ("multipleOf" in theirs), path


@pytest.mark.parametrize("version, kinds", [("v16", 200), ("v201", 600)])
def test_a_table_says_what_the_schemas_say(version, kinds):
    comparison = Comparison(version)
    names = {name for action in actions(version) for name in (action, f"{action}Response")}
    assert set(comparison.messages) == names
    for name in names:
        whole = schema(version, name)
        comparison.objects(comparison.messages[name], whole, whole.get("definitions", {}), name)
    assert comparison.compared > kinds
