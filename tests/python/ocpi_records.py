"""Reads charge records, a line each, and prints what OCPI 2.2.1 does not allow in them, a line each. It runs where
extrawest-ocpi is installed, whose models of OCPI are checked against; that wants an older pydantic than other tools."""

import json
import re
import sys

from py_ocpi.modules.cdrs.v_2_2_1.schemas import Cdr
from pydantic import BaseModel, ValidationError


# OCPI 2.2.1 has it (mod_cdrs, CdrLocation); the package's model does not.
MISSING_IN_THE_MODEL = {"cdr_location.evse_uid"}


def unknown(model, value, place):
    """Fields that OCPI does not have, at any depth."""
    for name, inner in value.items():
        field = model.__fields__.get(name)
        if field is None and f"{place}{name}" in MISSING_IN_THE_MODEL:
            continue
        if field is None:
            yield f"{place}{name}: OCPI has no such field"
        elif isinstance(field.type_, type) and issubclass(field.type_, BaseModel):
            for one in inner if isinstance(inner, list) else [inner]:
                yield from unknown(field.type_, one, f"{place}{name}.")


def faults(record):
    try:
        Cdr(**record)
    except ValidationError as cause:
        yield from str(cause).splitlines()
    yield from unknown(Cdr, record, "")
    position = (record.get("cdr_location") or {}).get("coordinates") or {}
    for name, digits in (("latitude", 2), ("longitude", 3)):
        if not re.fullmatch(rf"-?[0-9]{{1,{digits}}}\.[0-9]{{5,7}}", position.get(name, "")):
            yield f"cdr_location.coordinates.{name}: {position.get(name)}"
    if record.get("credit") and not record.get("credit_reference_id"):
        yield "credit_reference_id: a credit names what it credits"
    if not record.get("charging_periods"):
        yield "charging_periods: one or more"


def main():
    for number, line in enumerate(sys.stdin, 1):
        for fault in faults(json.loads(line)):
            print(f"record {number}: {fault}")


main()
