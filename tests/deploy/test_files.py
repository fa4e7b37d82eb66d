"""`forecourt deploy`: every file is read by what it is for, or by that thing's grammar, and holds
the project's settings.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from configparser import RawConfigParser
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from forecourt.app import load
from forecourt.cli import forecourt
from forecourt.cli.deploying import PRINTERS
from forecourt.deploy.site import SECRET, here
from forecourt.settings import Settings, settings
from forecourt.slots.options import WorkOptions

PRINTED = [[name] for name in PRINTERS] + [["systemd", unit] for unit in ("worker", "clock", "web")]

ODD = """it's "100%" of $HOME; \\d #"""
"""A value with what the formats take for something else."""

NEARLY_AS_ODD = """it's 100% of $HOME, \\d;#"""


@pytest.fixture
def printed(tmp_path: Path, empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Prints a file of a project in an odd folder, with an odd setting and a password."""
    folder = tmp_path / "my 50% shop"
    (folder / "var").mkdir(parents=True)
    (folder / "requirements.txt").touch()
    (folder / ".env").touch()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FORECOURT_VAR")
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", ODD)
    monkeypatch.setenv("FORECOURT_DATABASE_URL", "postgresql://web:s3cret@db.example/shop")
    settings.cache_clear()

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(forecourt, ["deploy", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


@pytest.mark.parametrize("arguments", PRINTED, ids=" ".join)
def test_no_file_has_a_password_in_it(
    printed: Callable[..., str], arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORECOURT_ENVIRONMENT")
    settings.cache_clear()
    text = printed(*arguments)
    assert "s3cret" not in text
    assert "workshop:app" in text or arguments[0] in ("procfile", "nginx", "compose")


def test_what_sounds_like_a_secret_is_printed_nowhere() -> None:
    """A new setting has to be put on one of the two lists."""
    sounding = re.compile("url|secret|key|password|token|webhook|ping")
    names = {field.name for field in fields(Settings) if sounding.search(field.name)}
    assert names - SECRET == {"base_url", "photos_url", "alert_webhook_language"}, "what everybody may know"


def test_the_ladder_rises(printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A job ends before the worker gives up on it, and the worker before it is killed, whoever runs
    it.
    """
    ladder = here(load("workshop:app")).ladder
    assert ladder.job < ladder.shutdown < ladder.stop
    stops = {
        "supervisor": r"stopwaitsecs=(\d+)",
        "systemd worker": r"TimeoutStopSec=(\d+)",
        "compose": r"stop_grace_period: (\d+)s",
        "kubernetes": r"terminationGracePeriodSeconds: (\d+)",
    }
    monkeypatch.delenv("FORECOURT_ENVIRONMENT")
    for arguments, pattern in stops.items():
        text = printed(*arguments.split())
        [shutdown] = set(re.findall(r'--shutdown-timeout(?: |", ")(\d+)', text))
        [said] = set(re.findall(r'--stop-grace(?: |", ")(\d+)', text))
        assert ladder.job < int(shutdown) < int(said) <= int(re.findall(pattern, text)[0]), arguments


def test_a_worker_that_would_be_killed_while_it_waits_does_not_start() -> None:
    with pytest.raises(ValueError, match="--stop-grace 30: must be longer than --shutdown-timeout 30"):
        WorkOptions(stop_grace=30)


def test_units_that_share_a_private_server_share_the_folder_of_its_socket(
    printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "PrivateTmp=yes" in printed("systemd", "clock")
    monkeypatch.delenv("FORECOURT_DATABASE_URL")
    settings.cache_clear()
    units = [printed("systemd", unit) for unit in ("worker", "clock", "web")]
    assert all("PrivateTmp=" not in unit and "ReadWritePaths=/tmp" in unit for unit in units)


def test_systemd_takes_the_units(printed: Callable[..., str], tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    units = []
    for unit in ("worker", "clock", "web"):
        units.append(tmp_path / f"shop-{unit}.service")
        units[-1].write_text(printed("systemd", unit))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if line.startswith(str(tmp_path)) or "shop-" in line]
    assert (done.returncode, ours) == (0, [])
    assert 'Environment="FORECOURT_ENVIRONMENT=it\'s \\"100%%\\" of $HOME; \\\\d #"' in units[0].read_text()


def test_nginx_takes_its_server(printed: Callable[..., str], tmp_path: Path) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed: apt install nginx-light")
    (tmp_path / "server.conf").write_text(printed("nginx"))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; include {tmp_path}/server.conf; }}"
    )
    done = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_cron_s_line_survives_cron_and_the_shell(printed: Callable[..., str], tmp_path: Path) -> None:
    """cron ends the command at an unescaped percent sign, and gives the rest to /bin/sh."""
    line = printed("crontab").splitlines()[-1]
    assert not re.search(r"(?<!\\)%", line)
    command = line.removeprefix("* * * * * ").replace("\\%", "%")
    spy = f"{command.rpartition(' schedule run')[0].rpartition(' ')[0]} sh -c 'pwd; echo \"$FORECOURT_ENVIRONMENT\"'"
    said = subprocess.run(["/bin/sh", "-c", spy], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [str(tmp_path / "my 50% shop"), ODD]


@pytest.mark.parametrize("value", ["Shop #1 <shop@example.com>", """'both' "quotes\""""])
def test_what_no_file_of_supervisor_s_can_hold_is_refused(
    printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", value)
    settings.cache_clear()
    with pytest.raises(ValueError, match="FORECOURT_ENVIRONMENT: no file of Supervisor's can hold this value"):
        CliRunner().invoke(forecourt, ["deploy", "supervisor"], catch_exceptions=False)


def test_supervisor_reads_what_was_meant(printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    datatypes = pytest.importorskip("supervisor.datatypes", reason="pip install supervisor")
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", NEARLY_AS_ODD)
    settings.cache_clear()
    text = printed("supervisor")
    parser = RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(text)
    given = datatypes.dict_of_key_value_pairs(parser["program:my-50--shop-worker"]["environment"].replace("%%", "%"))
    assert given == {"FORECOURT_APP": "workshop:app", "FORECOURT_ENVIRONMENT": NEARLY_AS_ODD}
    assert parser["group:my-50--shop"]["programs"] == "my-50--shop-worker,my-50--shop-clock,my-50--shop-web"
    assert not [line for line in text.splitlines() if "%" in line.replace("%%", "") and not line.startswith(";")]
    logs = Path(parser["program:my-50--shop-web"]["stdout_logfile"].replace("%%", "%")).parent
    assert f"mkdir -p {shlex.quote(str(logs))}" in text


def test_the_dockerfile_has_only_instructions_that_docker_knows(printed: Callable[..., str]) -> None:
    lines = [line for line in printed("docker").splitlines() if line and not line.startswith("#")]
    known = {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert {line.split()[0] for line in lines} == known
    assert lines[0].startswith("FROM python:3.")
    for line in lines:
        if line.startswith(("CMD", "ENTRYPOINT")):  # as a list: a shell in between would keep the signals
            assert all(isinstance(word, str) for word in json.loads(line.partition(" ")[2]))
    assert lines.index("COPY . .") < next(
        n for n, line in enumerate(lines) if "pip install -r requirements.txt" in line
    )
    assert r'ENV FORECOURT_ENVIRONMENT="it\'s \"100%\" of \$HOME; \\d #"'.replace("\\'", "'") in lines


def test_compose_starts_things_in_order(printed: Callable[..., str]) -> None:
    made = yaml.safe_load(printed("compose"))
    services = made["services"]
    assert set(services) == {"postgres", "migrate", "worker", "clock", "web"}
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("worker", "clock", "web"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["init"] is True
        works(services[name]["command"])
    assert set(made["volumes"]) == {"database", "files"}


def test_kubernetes_manifests_fit_together(printed: Callable[..., str]) -> None:
    made = list(yaml.safe_load_all(printed("kubernetes")))
    assert [item["kind"] for item in made] == ["ConfigMap", "Deployment", "Deployment", "Deployment", "Service"]
    config, *deployments, service = made
    assert config["data"]["FORECOURT_ENVIRONMENT"] == ODD
    assert all(isinstance(value, str) for value in config["data"].values())
    for item in made:
        name = item["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name), "a DNS label"
    for deployment in deployments:
        spec: dict[str, Any] = deployment["spec"]
        pod = spec["template"]["spec"]
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["initContainers"] + pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["envFrom"][0]["configMapRef"]["name"] == config["metadata"]["name"]
            works(container["args"])
    web = deployments[2]
    assert service["spec"]["selector"] == web["spec"]["template"]["metadata"]["labels"]
    port = web["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    assert port["name"] == service["spec"]["ports"][0]["targetPort"] == "http"
    assert str(port["containerPort"]) == config["data"]["FORECOURT_WEB_PORT"]


def test_the_procfile_s_commands_exist(printed: Callable[..., str]) -> None:
    lines = [line for line in printed("procfile").splitlines() if not line.startswith("#")]
    for line in lines:
        kind, _, command = line.partition(": ")
        assert kind in ("release", "clock", "worker", "web")
        works(command.partition("forecourt ")[2].split())


def works(words: list[str]) -> None:
    """The command exists, with these options."""
    assert CliRunner().invoke(forecourt, [*words, "--help"]).exit_code == 0, words
