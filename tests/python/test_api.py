"""The API against its own description: the document is valid OpenAPI 3.1, and whatever a generator
sends, the answers are what the document says."""

import os
import subprocess
import sys

import requests
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from conftest import ADMIN_KEY


def test_the_document_is_valid_openapi_3_1(server):
    document = requests.get(f"{server.api}/openapi.json", timeout=10).json()
    assert document["openapi"].startswith("3.1")
    validate(document, cls=OpenAPIV31SpecValidator)
    assert len(document["paths"]) >= 20


def test_the_api_can_be_read_in_a_browser(server):
    page = requests.get(f"http://127.0.0.1:{server.http}/api/docs/", timeout=10)
    assert page.ok and "swagger" in page.text.lower()


def test_answers_match_the_document_whatever_is_sent(server):
    server.station("PY1")
    server.member_with_card("APITAG")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"
    command = [
        os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", f"{server.api}/openapi.json",
        "--header", f"Authorization: Bearer {ADMIN_KEY}", "--checks", checks, "--max-examples", "25",
        "--phases", "examples,coverage,fuzzing", "--seed", os.environ.get("JUDEN_SEED", "1"), "--no-color", "--request-timeout", "30",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    print(result.stdout[-6000:])
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
