from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live_service import TOKEN, LiveService
from prometheus_client import Metric

from feedback.service.gate import MAX_BODY_BYTES
from feedback.service.metrics import Metrics


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    folder = tmp_path_factory.mktemp("data")
    with LiveService(folder, streams=["p01", "p02"], allow_origins=("https://game.example",)) as live:
        yield live


@pytest.fixture
def http(service: LiveService) -> Iterator[httpx.Client]:
    with service.http() as client:
        yield client


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["detail"]
    assert body["title"]


def test_a_stream_lives_from_post_to_delete(http: httpx.Client) -> None:
    made = http.post("/v1/streams", json={"id": "anna", "sources": ["simulator:focus?seed=1"], "montage": "Fp1, Fp2"})
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/streams/anna"
    assert made.json()["montage"] == ["Fp1", "Fp2"]
    assert "anna" in [view["id"] for view in http.get("/v1/streams").json()["streams"]]
    assert http.get("/v1/streams/anna").json()["id"] == "anna"
    assert_problem(http.post("/v1/streams", json={"id": "anna", "sources": ["simulator:focus"]}), 409, "conflict")
    assert http.delete("/v1/streams/anna").status_code == 204
    assert_problem(http.get("/v1/streams/anna"), 404, "no_such_stream")
    assert_problem(http.delete("/v1/streams/anna"), 404, "no_such_stream")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id": "new", "sources": ["lsl:"]}, 422, "source_not_found"),
        ({"id": "new", "sources": ["nonsense"]}, 422, "uri"),
        ({"id": "new", "sources": []}, 422, "bad_request"),
        ({"id": "new"}, 422, "bad_request"),
        ({"id": "../x", "sources": ["lsl:"]}, 422, "bad_request"),
        ({"id": "*", "sources": ["lsl:"]}, 422, "bad_request"),
        ({"id": "epoch", "sources": ["lsl:"]}, 422, "bad_request"),
        ({"id": "new", "sources": ["lsl:"], "montge": "Fp1"}, 422, "bad_request"),
        ({"id": "new", "sources": ["file:/etc/passwd"]}, 403, "not_allowed"),
        ({"id": "new", "sources": ["file:../../etc/passwd"]}, 403, "not_allowed"),
        ({"id": "new", "sources": ["file:%2e%2e/%2e%2e/etc/passwd?speed=1"]}, 403, "not_allowed"),
        ({"id": "new", "sources": ["brainflow:playback?file=/etc/passwd"]}, 403, "not_allowed"),
    ],
)
def test_a_stream_that_cannot_be_opened_says_why(
    http: httpx.Client, body: dict[str, object], status: int, code: str
) -> None:
    assert_problem(http.post("/v1/streams", json=body), status, code)


def test_files_open_below_the_data_directory_only_links_followed(http: httpx.Client, service: LiveService) -> None:
    folder: Path = service.settings.data_dir
    (folder / "rest.edf").write_bytes(b"")
    made = http.post("/v1/streams", json={"id": "file", "sources": ["file:rest.edf?speed=2"]})
    assert made.status_code == 201
    assert made.json()["sources"] == [f"file:{folder.resolve()}/rest.edf?speed=2"]
    http.delete("/v1/streams/file")
    (folder / "out.edf").symlink_to("/etc/passwd")
    (folder / "round.edf").symlink_to(folder / "round.edf")
    for link in ("out.edf", "round.edf"):
        assert_problem(http.post("/v1/streams", json={"id": "f", "sources": [f"file:{link}"]}), 403, "not_allowed")


def test_a_calibration_runs_once(http: httpx.Client) -> None:
    path = "/v1/streams/p01/calibration"
    assert http.get(path).json()["state"] == "none"
    begun = http.post(path, json={"seconds": 30, "phases": ["eyes_open"]})
    assert begun.status_code == 202
    assert begun.json()["state"] == "running"
    assert_problem(http.post(path), 409, "conflict")
    assert http.delete(path).status_code == 204
    assert http.get(path).json()["state"] == "cancelled"
    assert_problem(http.post(path, json={"seconds": 0}), 422, "bad_request")
    assert_problem(http.post(path, json={"phases": ["asleep"]}), 422, "bad_request")
    assert_problem(http.post("/v1/streams/nobody/calibration"), 404, "no_such_stream")


def test_pause_and_simulator(http: httpx.Client, service: LiveService) -> None:
    assert http.put("/v1/streams/p01/paused", json={"paused": True}).json() == {"paused": True}
    assert http.get("/v1/streams/p01").json()["paused"] is True
    assert http.put("/v1/streams/p01/simulator", json={"attention": 0.7, "fault": None}).status_code == 200
    assert service.participants.simulated["p01"] == (0.7, None)
    assert_problem(http.put("/v1/streams/p01/simulator", json={"attention": 1.5}), 422, "bad_request")
    assert_problem(http.put("/v1/streams/p01/simulator", json={"fault": "fire"}), 422, "config")
    http.post("/v1/streams", json={"id": "other", "sources": ["simulator:focus"]})
    assert_problem(http.put("/v1/streams/other/simulator", json={"attention": 0.5}), 409, "conflict")


def test_a_controller_is_given_shown_and_ended(http: httpx.Client) -> None:
    path = "/v1/streams/p01/controller"
    assert http.get(path).json() == {"state": "none"}
    asked = {
        "policy": "fused",
        "target": 0.8,
        "limits": {"d_min": -3},
        "params": {"guess_rate": 0.5, "use_focus": False},
    }
    assert http.put(path, json=asked).json()["target"] == 0.8
    assert http.get(path).json()["policy"] == "fused"
    assert http.delete(path).status_code == 204
    assert http.get(path).json() == {"state": "none"}
    assert_problem(http.put(path, json={"policy": "staircase"}), 422, "config")
    assert_problem(http.put(path, json={"target": "high"}), 422, "bad_request")
    assert_problem(http.put(path, json={"aim": 0.8}), 422, "bad_request")
    assert_problem(http.put("/v1/streams/nobody/controller", json={}), 404, "no_such_stream")


def test_a_participants_token_reads_one_stream(http: httpx.Client, service: LiveService) -> None:
    issued = http.post("/v1/tokens", json={"scope": "participant:p01", "hours": 8})
    assert issued.status_code == 201
    assert issued.json()["scope"] == "participant:p01"
    with service.http(issued.json()["token"]) as own:
        assert [v["id"] for v in own.get("/v1/streams").json()["streams"]] == ["p01"]
        assert own.get("/v1/streams/p01").status_code == 200
        assert own.get("/v1/streams/p01/calibration").status_code == 200
        for method, path in (
            ("GET", "/v1/streams/p02"),
            ("DELETE", "/v1/streams/p01"),
            ("POST", "/v1/streams/p01/calibration"),
            ("DELETE", "/v1/streams/p01/calibration"),
            ("GET", "/v1/devices"),
            ("GET", "/v1/models"),
            ("PUT", "/v1/streams/p01/controller"),
        ):
            assert_problem(own.request(method, path), 403, "not_allowed")
        body = {"scope": "participant:p02", "hours": 1}
        assert_problem(own.post("/v1/tokens", json=body), 403, "not_allowed")
    assert_problem(http.post("/v1/tokens", json={"scope": "operator"}), 422, "bad_request")


@pytest.mark.parametrize("path", ["/v1/streams", "/v1/streams/p01", "/v1/devices", "/v1/models", "/v1/nothing", "/v1/"])
def test_all_of_v1_needs_a_token(service: LiveService, path: str) -> None:
    with service.http(None) as nobody:
        refused = nobody.get(path)
        assert_problem(refused, 401, "unauthorized")
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_wrong_token_is_unauthorized_and_a_path_that_is_not_there_is_not_found(service: LiveService) -> None:
    with service.http("wrong") as stranger:
        assert_problem(stranger.get("/v1/streams"), 401, "unauthorized")
    with service.http() as operator:
        assert_problem(operator.get("/v1/nothing"), 404, "not_found")
        assert_problem(operator.get("/nothing"), 404, "not_found")
        assert_problem(operator.post("/healthz"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/streams/p01", "GET, DELETE"),
        ("PATCH", "/v1/streams", "GET, POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/v1/streams/p01/plan", "GET, PUT, DELETE"),
    ],
)
def test_a_wrong_method_is_told_which_there_are(
    http: httpx.Client, service: LiveService, method: str, path: str, allowed: str
) -> None:
    refused = http.request(method, path)
    assert_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == allowed
    assert allowed in refused.json()["detail"]
    with service.http(None) as nobody:
        assert_problem(nobody.request(method, path), 401, "unauthorized")


def test_a_token_in_a_query_is_refused(service: LiveService) -> None:
    with service.http(None) as nobody:
        assert_problem(nobody.get("/v1/streams", params={"token": TOKEN}), 400, "token_in_query")


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
@pytest.mark.parametrize("path", ["/v1/streams", "/", "/healthz"])
def test_other_hosts_and_origins_get_nothing(http: httpx.Client, path: str, headers: dict[str, str]) -> None:
    assert_problem(http.get(path, headers=headers), 403, "not_allowed")


def test_an_admitted_page_may_ask(http: httpx.Client) -> None:
    origin = {"Origin": "https://game.example"}
    preflight = http.options(
        "/v1/streams",
        headers=origin | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"},
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://game.example"
    assert http.get("/v1/streams", headers=origin).headers["access-control-allow-origin"] == "https://game.example"


def test_bodies_that_are_too_big_or_no_json_are_refused(http: httpx.Client) -> None:
    assert_problem(http.post("/v1/streams", content=b"x" * (MAX_BODY_BYTES + 1)), 413, "too_big")
    endless = (b" " * 10_000 for _ in range(20))  # chunked: no length is announced
    assert_problem(http.post("/v1/streams", content=endless), 413, "too_big")
    json = {"Content-Type": "application/json"}
    assert_problem(http.post("/v1/streams", content=b"{", headers=json), 422, "bad_request")
    assert_problem(http.post("/v1/streams", content=b"[" * 60_000, headers=json), 400, "bad_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/streams"), ("PUT", "/v1/streams/p01/plan"), ("POST", "/v1/streams/p01/proposals")],
)
@pytest.mark.parametrize("content", [b"{", b"[" * 60_000, b"{}"])
def test_the_token_is_asked_for_before_a_body_is_judged(
    service: LiveService, method: str, path: str, content: bytes
) -> None:
    with service.http(None) as nobody:
        refused = nobody.request(method, path, content=content, headers={"Content-Type": "application/json"})
        assert_problem(refused, 401, "unauthorized")


def test_what_is_no_json_is_said_with_its_place(http: httpx.Client) -> None:
    refused = http.post("/v1/streams", content=b'{"id": }', headers={"Content-Type": "application/json"})
    assert refused.json()["detail"] == "the body is no JSON: Expecting value, at character 8"


@pytest.mark.parametrize("stream", ["epoch", "_p01", ".p01", "p 01", "*", "", "p" * 65, "p01\n", "pé"])
def test_ids_that_nothing_else_takes_are_refused_in_a_sentence(http: httpx.Client, stream: str) -> None:
    for path, body in (
        ("/v1/streams", {"id": stream, "sources": ["simulator:focus"]}),
        ("/v1/tokens", {"scope": f"participant:{stream}"}),
    ):
        refused = http.post(path, json=body)
        assert_problem(refused, 422, "bad_request")
        assert "this id is reserved" in refused.text or "begins with a letter or digit" in refused.text


def test_health_readiness_and_metrics_need_no_token_here(service: LiveService) -> None:
    with service.http(None) as nobody:
        assert nobody.get("/healthz").json()["status"] == "ok"
        assert nobody.get("/readyz").status_code == 200
        service.participants.is_ready = False
        try:
            assert_problem(nobody.get("/readyz"), 503, "not_ready")
        finally:
            service.participants.is_ready = True
        service.metrics.observe("model", 0.0001)
        service.metrics.count_score("p01", valid=True)
        service.metrics.count_internal_error("tick")
        service.metrics.count_internal_error("tick")
        text = nobody.get("/metrics").text
        assert 'focusloop_stage_seconds_count{stage="model"} 1.0' in text
        assert 'focusloop_scores_total{stream="p01",valid="true"} 1.0' in text
        assert 'focusloop_internal_errors_total{where="tick"} 2.0' in text
        service.metrics.forget("p01")
        assert 'stream="p01"' not in nobody.get("/metrics").text


def test_numbers_are_read_on_the_event_loop_and_written_beside_it(
    service: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is counted belongs to the loop; to write it down for 64 streams would hold every score up."""
    threads: dict[str, str] = {}
    write = Metrics.render

    def noted(collected: list[Metric]) -> bytes:
        threads["written"] = threading.current_thread().name
        return write(collected)

    monkeypatch.setattr(Metrics, "render", noted)
    service.metrics.before_scrape(lambda: threads.update(read=threading.current_thread().name))
    with service.http(None) as nobody:
        assert "focusloop_clients" in nobody.get("/metrics").text
    assert threads["read"] == "uvicorn"
    assert threads["written"] != "uvicorn"


def test_documents_describe_what_is_there(service: LiveService) -> None:
    with service.http(None) as nobody:
        paths = nobody.get("/openapi.json").json()["paths"]
        assert "/v1/streams/{stream}/calibration" in paths
        assert set(paths["/v1/streams"]) == {"get", "post"}
        document = nobody.get("/asyncapi.json").json()
        assert document["asyncapi"].startswith("3.")
        schemas = document["components"]["schemas"]

        def references(value: object) -> Iterator[str]:
            if isinstance(value, dict):
                for key, inner in value.items():
                    if key == "$ref":
                        yield inner
                    else:
                        yield from references(inner)
            elif isinstance(value, list):
                for inner in value:
                    yield from references(inner)

        for reference in references(document):
            found = document
            for step in reference.removeprefix("#/").split("/"):
                found = found[step]  # KeyError: a reference to nowhere
        assert {"Hello", "Subscribe", "Welcome", "Focus", "Status", "Lagged", "Error"} <= set(schemas)


def test_every_answer_forbids_foreign_scripts_and_frames(service: LiveService) -> None:
    with service.http(None) as nobody:
        for path in ("/", "/healthz", "/v1/streams"):
            headers = nobody.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "server" not in headers
