"""Payloads out of the OCA schemas that the PyPI package `ocpp` carries: the least and the most that a message may hold."""

import json
import pathlib

import ocpp

FOLDER = pathlib.Path(ocpp.__file__).parent
AT = "2026-11-21T00:00:00Z"

# Values that the standard's text forbids although its schema does not: a profile's purpose and kind, ids that are numbered from 1.
CHOSEN = {"startPeriod": 0, "validFrom": "2026-11-20T00:00:00Z"}


def schema(version, name):
    folder = FOLDER / version / "schemas"
    file = folder / f"{name}.json"
    if not file.exists():
        file = folder / f"{name}Request.json"
    return json.loads(file.read_text(encoding="utf-8-sig"))


def actions(version):
    names = {path.stem.removesuffix("Response").removesuffix("Request") for path in (FOLDER / version / "schemas").glob("*.json")}
    return sorted(names)


def payload(version, name, most):
    """A payload of a message; `most`: with everything that it may hold."""
    whole = schema(version, name)
    thing = value(whole, whole.get("definitions", {}), name, most)
    for profile in objects(thing):
        if "chargingProfileKind" in profile and "stackLevel" in profile:
            starts = name in ("RemoteStartTransaction", "RequestStartTransaction")
            profile["chargingProfilePurpose"] = "TxProfile" if starts else "TxDefaultProfile"
            profile["chargingProfileKind"] = "Recurring" if most else "Relative"
            if starts:
                profile.pop("transactionId", None)
    return thing


def value(of, definitions, name, most):
    if name in CHOSEN:
        return CHOSEN[name]
    if "$ref" in of:
        return value(definitions[of["$ref"].rsplit("/", 1)[-1]], definitions, name, most)
    match of.get("type"):
        case "object":
            wanted = of.get("required", [])
            fields = of.get("properties", {})
            return {key: value(field, definitions, key, most) for key, field in fields.items() if key in wanted or (most and key != "customData")}
        case "array":
            count = max(of.get("minItems", 1), 1)
            return [value(of["items"], definitions, name, most)] * count
        case "string" if "enum" in of:
            return of["enum"][-1 if most else 0]
        case "string" if of.get("format") == "date-time":
            return AT
        case "string" if of.get("format") == "uri":
            return "https://example.jp/x"
        case "string":
            return "x" * min(of.get("maxLength", 20), 20)
        case "integer":
            return int(max(of.get("minimum", 1), 1))
        case "number":
            return 1.5
        case "boolean":
            return True
        case None:
            return {"any": ["JSON", 1]}
    raise AssertionError(of)


def objects(thing):
    """Every object within a payload."""
    if isinstance(thing, dict):
        yield thing
        for item in thing.values():
            yield from objects(item)
    elif isinstance(thing, list):
        for item in thing:
            yield from objects(item)
