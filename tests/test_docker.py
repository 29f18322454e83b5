"""docker/: what can be known without a container engine. nginx at work: test_docker_nginx.py."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from service.metrics import Metrics
from service.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
COMPOSE_FILE = DOCKER / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("codefusion:")]
SERVING = [name for name in OURS if name != "keys"]
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
DASHBOARD: dict[str, Any] = json.loads((DOCKER / "grafana/dashboards/codefusion.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS: dict[str, Any] = yaml.safe_load((DOCKER / "prometheus/alerts.yml").read_text())
NGINX = (DOCKER / "nginx/nginx.conf").read_text()
SETTINGS = load_settings(None, {}, {})


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)(ms|s|m|h)", text)
    assert match, text
    return int(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[match[2]]


def nginx_value(directive: str) -> str:
    (value,) = set(re.findall(rf"^\s*{directive} +([^;]+);", NGINX, re.MULTILINE))
    return value


# --- Compose ---------------------------------------------------------------------------------------------------------


def test_compose_file_keeps_to_the_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(COMPOSE_FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_mounted_file_exists() -> None:
    sources = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [source for source in sources if source.startswith(".")]
    assert files
    assert [file for file in files if not (DOCKER / file).exists()] == []
    named = {source for source in sources if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])


def test_secrets_are_files_that_git_and_the_image_leave_out() -> None:
    for secret in COMPOSE["secrets"].values():
        assert (DOCKER / secret["file"]).parent == DOCKER / "secrets"
    assert (DOCKER / "secrets/.gitignore").read_text() == "*\n!.gitignore\n"
    assert not is_sent("docker/secrets/metrics.key")
    script = (DOCKER / "init.sh").read_text()
    assert all(Path(secret["file"]).name in script for secret in COMPOSE["secrets"].values())


@pytest.mark.parametrize("name", SERVICES)
def test_container_has_no_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert not {"privileged", "cap_add", "pid", "ipc"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned_to_a_version(name: str) -> None:
    image = SERVICES[name]["image"]
    if name in OURS:
        assert image in ("codefusion:cpu", "codefusion:gpu", "codefusion:${DEVICE:-cpu}")
    else:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-alpine)?", image)
        assert "healthcheck" in SERVICES[name]


def test_ports_open_on_loopback_unless_asked_otherwise() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith(("${BIND:-127.0.0.1}:", "127.0.0.1:"))] == []


def test_redis_is_reached_by_the_replicas_alone() -> None:
    redis = SERVICES["redis"]
    assert "ports" not in redis
    assert redis["networks"] == ["state"]
    assert COMPOSE["networks"]["state"]["internal"] is True
    on_it = {name for name, service in SERVICES.items() if "state" in service.get("networks", ())}
    assert on_it == {"redis", "replica-1", "replica-2"}
    assert redis["command"][1:5] == ["--save", "", "--appendonly", "no"]


def test_profiles_start_what_they_say() -> None:
    def started(profile: str) -> set[str]:
        return {
            name
            for name, service in SERVICES.items()
            if profile in service.get("profiles", [profile]) and name != "keys"
        }

    beside = {"prometheus", "grafana"}
    assert started("cpu") == {"cpu"} | beside
    assert started("gpu") == {"gpu"} | beside
    assert started("replicas") == {"nginx", "redis", "replica-1", "replica-2"} | beside
    assert "COMPOSE_PROFILES=${DEVICE}" in (DOCKER / ".env").read_text().splitlines()


@pytest.mark.parametrize("name", SERVING)
def test_docker_waits_longer_than_the_drain(name: str) -> None:
    service = SERVICES[name]
    drain = float(service["environment"]["CODEFUSION_SERVER__DRAIN_SECONDS"])
    assert seconds(service["stop_grace_period"]) >= drain + 10
    assert seconds(SERVICES["nginx"]["stop_grace_period"]) >= drain + 10
    assert seconds(nginx_value("worker_shutdown_timeout")) >= drain


@pytest.mark.parametrize("name", SERVING)
def test_settings_in_the_container_exist(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dockerfile = DOCKER / f"{SERVICES[name]['image'].split(':')[1]}.Dockerfile"
    environment = environment_of(dockerfile) | SERVICES[name]["environment"]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings(None, {}, environment)
    assert settings.server.host == "0.0.0.0"
    assert settings.server.drain_seconds == 30
    assert settings.access.keys_file == Path("/etc/codefusion/keys/keys.json")
    assert any(mount.split(":")[1] == "/etc/codefusion/keys" for mount in SERVICES[name]["volumes"])


@pytest.mark.parametrize("name", SERVING)
def test_configuration_in_the_command_loads(name: str) -> None:
    command = SERVICES[name]["command"]
    file = command[command.index("--config") + 1]
    default = re.fullmatch(r"\$\{GPU_CONFIG:-(.+)\}", file)
    load_settings(ROOT / (default[1] if default else file), {}, {})


@pytest.mark.parametrize("name", SERVING)
def test_all_that_is_written_lies_outside_the_root_file_system(name: str) -> None:
    service = SERVICES[name]
    mounted = {mount.split(":")[1] for mount in service["volumes"]} | {
        mount.split(":")[0] for mount in service["tmpfs"]
    }
    assert {"/tmp", "/var/lib/codefusion", "/var/cache/codefusion"} <= mounted  # noqa: S108 - a path in a container
    assert service["shm_size"]


@pytest.mark.parametrize("name", SERVING)
def test_one_tmpfs_runs_what_the_sandbox_compiles(name: str) -> None:
    """The sandbox takes /tmp, else /var/tmp: see `sandbox.workspace.folder_for_programs`."""
    options = {place: words.split(",") for place, words in (m.split(":") for m in SERVICES[name]["tmpfs"])}
    executable = {place for place, words in options.items() if "exec" in words}
    assert executable & {"/tmp", "/var/tmp"} == executable  # noqa: S108 - paths in a container
    assert len(executable) == 1


# --- Dockerfiles -----------------------------------------------------------------------------------------------------


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    text = "\n".join(
        line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")
    )
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def environment_of(dockerfile: Path) -> dict[str, str]:
    pairs = [pair for word, rest in instructions(dockerfile) if word == "ENV" for pair in shlex.split(rest)]
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)
            if name.startswith("CODEFUSION_")}  # fmt: skip


def ignore_rules() -> Iterator[tuple[bool, re.Pattern[str]]]:
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            yield line.startswith("!"), re.compile(pattern.replace(r"\[co\]", "[co]") + "(?:/.*)?")


def is_sent(path: str) -> bool:
    """Tell whether a file is part of the build context: the last rule that matches decides."""
    sent = True
    for keeps, pattern in ignore_rules():
        if pattern.fullmatch(path):
            sent = keeps
    return sent


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_image_runs_as_nobody_in_particular_and_hears_signals(dockerfile: Path) -> None:
    last = dict(instructions(dockerfile))
    assert last["USER"] == "10001:10001"
    assert json.loads(last["ENTRYPOINT"]) == ["tini", "--", "python", "-m", "service"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(last["HEALTHCHECK"].split(" CMD ")[1]) == ["python", "-IS", "docker/healthcheck.py"]
    assert json.loads(last["VOLUME"]) == ["/var/lib/codefusion", "/var/cache/codefusion"]
    (config,) = [part for part in json.loads(last["CMD"]) if part.endswith(".toml")]
    assert is_sent(config)
    load_settings(ROOT / config, {}, {})


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_image_installs_from_the_lock_by_the_script_everyone_uses(dockerfile: Path) -> None:
    steps = instructions(dockerfile)
    runs = " ".join(rest for word, rest in steps if word == "RUN")
    assert f"python scripts/environment.py --device {dockerfile.stem}" in runs
    assert ("ARG", "CODEFUSION_TORCH_INDEX") in steps
    bases = {rest.split()[0] for word, rest in steps if word == "FROM"}
    assert bases == {"${PYTHON_IMAGE}"}
    assert re.fullmatch(
        r"PYTHON_IMAGE=python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", dict(steps[:1])["ARG"]
    )


def test_build_context_holds_what_the_image_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["scikit-build"]["wheel"]["packages"]
    needed = [f"{package}/__init__.py" for package in packages]
    needed += ["pyproject.toml", "README.md", "LICENSE", "scripts/environment.py", "docker/healthcheck.py"]
    needed += [f"requirements/{name}" for name in ("cpu.lock", "gpu.lock", "torch.txt", "pip.txt")]
    assert [path for path in needed if not is_sent(path)] == []


@pytest.mark.parametrize("path", [
    ".git/config", ".venv/bin/python", "keys.json", ".env", "docker/.env", "docker/secrets/metrics.key",
    "service/__pycache__/app.cpython-311.pyc", "tests/conftest.py", "model.safetensors", "results/run.json",
])  # fmt: skip
def test_build_context_leaves_out(path: str) -> None:
    assert not is_sent(path)


def test_no_index_or_registry_is_named() -> None:
    """Addresses of package indexes come from outside; the only ones here are the containers' own."""
    files = [path for path in DOCKER.rglob("*") if path.is_file() and "secrets" not in path.parts]
    requirements = (path for path in (ROOT / "requirements").rglob("*") if "node_modules" not in path.parts)
    files += [*(path for path in requirements if path.is_file()), ROOT / ".dockerignore"]
    hosts = {
        host for path in files for host in re.findall(r"https?://([a-z0-9.-]+)", path.read_text("utf-8"))
    }
    assert hosts <= {"127.0.0.1", "codefusion", "prometheus"}


def test_dockerfiles_pass_hadolint() -> None:
    hadolint = need("hadolint")
    done = subprocess.run([hadolint, *DOCKERFILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_gpu_lock_pins_every_package_by_hash() -> None:
    lines = (ROOT / "requirements/gpu.lock").read_text().splitlines()
    pins = [index for index, line in enumerate(lines) if "==" in line]
    assert {"vllm", "fastapi", "redis", "ray"} <= {lines[index].split("==")[0] for index in pins}
    assert any(line.startswith("vllm==0.32.") for line in lines)
    assert [lines[index] for index in pins if "--hash=sha256:" not in lines[index + 1]] == []
    assert not any(line.startswith("torch==") for line in lines)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_health_check_tells_what_the_service_answers(status: int, code: int) -> None:
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert health_check(server.server_port) == code
        finally:
            server.shutdown()
    assert asked == ["/healthz"]


def test_health_check_fails_where_nothing_listens() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    assert health_check(port) == 1


def health_check(port: int) -> int:
    environment = {
        "CODEFUSION_SERVER__PORT": str(port),
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-IS", str(DOCKER / "healthcheck.py")]
    return subprocess.run(command, env=environment, check=False, capture_output=True, timeout=30).returncode


# --- Prometheus and Grafana ------------------------------------------------------------------------------------------


def metric_names() -> set[str]:
    """Give the series that the service writes, under the names queries use."""
    names: set[str] = set()
    for family in Metrics().registry.collect():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}[family.type]
        names |= {family.name + end for end in ends}
    return names


def queries() -> list[str]:
    of_panels = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return of_panels + [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]


def used(prefix: str) -> set[str]:
    return {name for query in queries() for name in re.findall(rf"\b{prefix}\w+", query)}


def test_every_metric_asked_for_is_written() -> None:
    assert used("codefusion_")
    assert used("codefusion_") - metric_names() == set()


def test_every_metric_of_the_service_is_shown() -> None:
    shown = {re.sub("_(total|bucket|sum|count)$", "", name) for name in used("codefusion_")}
    written = {family.name for family in Metrics().registry.collect()}
    assert written - shown == set()


def test_every_vllm_metric_asked_for_is_vllms() -> None:
    found = find_spec("vllm")
    if found is None or found.origin is None:
        pytest.skip("vLLM is not installed")
    source = (Path(found.origin).parent / "v1/metrics/loggers.py").read_text()
    written = set(re.findall(r'"(vllm:[a-z0-9_]+)"', source))
    assert used("vllm:")
    assert {re.sub("_(total|bucket|sum|count)$", "", name) for name in used("vllm:")} - written == set()


@pytest.mark.parametrize("subject", [
    "codefusion_requests_total", "codefusion_errors_total", "codefusion_time_to_first_token_seconds_bucket",
    "codefusion_inter_token_seconds_bucket", "codefusion_queue_seconds_bucket", "codefusion_open_requests",
    "codefusion_waiting_requests", "codefusion_tokens_total", "codefusion_aborts_total",
    "codefusion_event_loop_lag_seconds_bucket", "vllm:kv_cache_usage_perc",
])  # fmt: skip
def test_dashboard_shows(subject: str) -> None:
    assert any(subject in target["expr"] for panel in PANELS for target in panel["targets"])


def test_dashboard_is_laid_out_without_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_dashboard_can_be_provisioned() -> None:
    (source,) = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    uids = {part["datasource"]["uid"] for panel in PANELS for part in (panel, *panel["targets"])}
    assert uids == {source["uid"]}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] and panel["description"] for panel in PANELS)
    assert "id" not in DASHBOARD
    (provider,) = yaml.safe_load((DOCKER / "grafana/provisioning/dashboards/codefusion.yml").read_text())[
        "providers"
    ]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (DOCKER / "grafana/dashboards" / home.name).is_file()


def test_prometheus_finds_every_service_and_has_the_key() -> None:
    config = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text())
    job = config["scrape_configs"][0]
    (names,) = job["dns_sd_configs"]
    for name in SERVING:
        assert names["names"] == SERVICES[name]["networks"]["scrape"]["aliases"]
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_key"
    assert SERVICES["prometheus"]["secrets"] == ["metrics_key"]
    assert COMPOSE["networks"]["scrape"]["internal"] is True
    assert config["rule_files"] == ["/etc/prometheus/alerts.yml"]


def test_prometheus_accepts_its_files() -> None:
    promtool = need("promtool")
    for check in (["config", "--syntax-only", "prometheus.yml"], ["rules", "alerts.yml"]):
        done = subprocess.run(
            [promtool, "check", *check],
            cwd=DOCKER / "prometheus",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


# --- nginx against the service's own limits --------------------------------------------------------------------------


def test_nginx_bounds_fit_the_service() -> None:
    server, limits = SETTINGS.server, SETTINGS.limits
    assert nginx_value("client_max_body_size") == "1m"
    assert limits.max_body_bytes == 1 << 20
    assert str(limits.max_body_bytes) in NGINX
    assert seconds(nginx_value("proxy_read_timeout")) > limits.deadline_seconds
    assert seconds(nginx_value("client_header_timeout")) == server.header_timeout_seconds
    assert seconds(nginx_value("client_body_timeout")) == server.body_timeout_seconds
    upstream = re.search(r"upstream codefusion \{.*?\n    \}", NGINX, re.DOTALL)
    assert upstream
    kept = re.search(r"keepalive_timeout (\w+);", upstream[0])
    assert kept
    assert seconds(kept[1]) < server.keep_alive_seconds
    assert set(re.findall(r"server ([\w-]+):(\d+)", upstream[0])) == {
        ("replica-1", str(Settings().server.port)),
        ("replica-2", str(Settings().server.port)),
    }


def test_nginx_refuses_with_429_and_does_not_buffer() -> None:
    assert nginx_value("limit_req_status") == nginx_value("limit_conn_status") == "429"
    assert nginx_value("proxy_buffering") == "off"
