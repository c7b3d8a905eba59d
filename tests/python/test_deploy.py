"""The files that Juden is deployed with can be read, and say what they must."""

import pathlib
import re
import subprocess

import yaml

ROOT = pathlib.Path(__file__).parents[2]


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


def test_the_compose_file_names_two_nodes_that_wait_for_store_and_schema():
    compose = read("docker-compose.yml")
    services = compose["services"]
    nodes = [service for name, service in services.items() if name.startswith("juden-")]
    assert len(nodes) == 2
    assert len({node["environment"]["JUDEN_NODE_ID"] for node in nodes}) == 2
    for node in nodes:
        assert node["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert node["environment"]["JUDEN_DATABASE_URL_FILE"] == "/run/secrets/database-url"
        assert node["read_only"] and node["cap_drop"] == ["ALL"] and node["mem_limit"]
    for name in ["postgres", "redis", "balancer"]:
        assert services[name]["healthcheck"]["test"], name
    assert "postgres-data" in compose["volumes"]


def test_every_file_that_a_container_is_given_exists():
    for name, service in read("docker-compose.yml")["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), f"{name}: {source}"


def test_every_secret_is_made_once_and_kept_as_it_is(tmp_path):
    named = {pathlib.Path(secret["file"]).name for secret in read("docker-compose.yml")["secrets"].values()}
    make = [ROOT / "deploy/make-secrets", tmp_path / "secrets"]
    subprocess.run(make, check=True, capture_output=True)
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert made.keys() == named
    assert made["database-url"].startswith("postgres://juden:" + made["juden-password"].strip() + "@")
    subprocess.run(make, check=True, capture_output=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made


def test_no_secret_stands_in_the_compose_file():
    for name, service in read("docker-compose.yml")["services"].items():
        for key in service.get("environment", {}):
            assert not re.search("PASSWORD$|KEY$|URL$", key), f"{name}: {key} is to come from a file"
            if key.endswith("_FILE"):
                assert service["secrets"], name


def test_the_tests_change_services_that_there_are():
    assert read("tests/servers.yml")["services"].keys() <= read("docker-compose.yml")["services"].keys()


def test_prometheus_reads_the_alerts_and_each_says_what_to_do():
    assert "alerts.yml" in read("deploy/prometheus.yml")["rule_files"]
    rules = [rule for group in read("deploy/alerts.yml")["groups"] for rule in group["rules"]]
    assert rules
    for rule in rules:
        assert rule["expr"] and rule["labels"]["severity"] in ("page", "ticket"), rule
        assert rule["annotations"]["summary"] and rule["annotations"]["action"], rule
