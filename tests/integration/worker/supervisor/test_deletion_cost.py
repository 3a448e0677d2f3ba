"""The deletion cost of a pod, at an API of Kubernetes that a test plays, over TLS."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from jobs.model.job import Job
from tests.job_store import JobStore
from worker.supervisor.deletion_cost import ANNOTATION, SEND_EVERY_S, DeletionCost, OwnPod, cost_of, own_deletion_cost


class Cluster:
    """An API server: it keeps the requests and answers with `status`."""

    def __init__(self, authority: trustme.CA) -> None:
        self.status, self.requests = 200, []
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                cluster.requests.append((self.path, dict(self.headers.items()), body))
                self.send_response(cluster.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    requests: list[tuple[str, dict[str, str], Any]]

    @property
    def costs(self) -> list[str]:
        return [body["metadata"]["annotations"][ANNOTATION] for _, _, body in self.requests]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def cluster(authority: trustme.CA) -> Iterator[Cluster]:
    cluster = Cluster(authority)
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()


@pytest.fixture
def pod(cluster: Cluster, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnPod:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("a-token\n")
    (account / "namespace").write_text("studio")
    authority.cert_pem.write_to_path(account / "ca.crt")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT_HTTPS", str(cluster.server.server_port))
    found = OwnPod.find(account)
    assert found
    return found


def test_a_busy_worker_has_the_minute_of_its_end_and_an_idle_one_zero(
    worker: Any, pod: OwnPod, cluster: Cluster, submit: Callable[..., Job], store: JobStore
) -> None:
    cost = DeletionCost(worker.supervisor, pod)
    cost.update(0.0)
    job = store.lease(submit("a fox").id, "worker")
    assert job
    assert job.started_at
    worker.supervisor.running_job = job
    cost.update(SEND_EVERY_S)
    assert cluster.costs == ["0", str(int(job.started_at // 60))]
    path, headers, _ = cluster.requests[0]
    assert path == f"/api/v1/namespaces/studio/pods/{socket.gethostname()}"
    assert (headers["authorization"], headers["content-type"]) == ("Bearer a-token", "application/merge-patch+json")


def test_the_same_cost_is_sent_once_and_changes_not_more_often_than_allowed(
    worker: Any, pod: OwnPod, cluster: Cluster, submit: Callable[..., Job], store: JobStore
) -> None:
    cost = DeletionCost(worker.supervisor, pod)
    for now in (0.0, 1.0, SEND_EVERY_S, 2 * SEND_EVERY_S):
        cost.update(now)
    worker.supervisor.running_job = store.lease(submit("a fox").id, "worker")
    cost.update(2 * SEND_EVERY_S)
    worker.supervisor.running_job = None
    cost.update(2 * SEND_EVERY_S + 1)
    assert len(cluster.costs) == 2


def test_a_refusal_is_logged_and_sent_again_later(worker: Any, pod: OwnPod, cluster: Cluster) -> None:
    cluster.status = 403
    cost = DeletionCost(worker.supervisor, pod)
    with capture_logs() as logs:
        cost.update(0.0)
    assert [line["event"] for line in logs] == ["deletion_cost.not_sent"]
    cluster.status = 200
    cost.update(1.0)
    cost.update(SEND_EVERY_S)
    assert cluster.costs == ["0", "0"]


def test_an_api_with_a_certificate_of_another_authority_gets_no_token(
    worker: Any, pod: OwnPod, cluster: Cluster
) -> None:
    trustme.CA().cert_pem.write_to_path(pod.account / "ca.crt")
    DeletionCost(worker.supervisor, pod).update(0.0)
    assert cluster.requests == []


def test_the_pod_with_less_work_left_is_cheaper(submit: Callable[..., Job], store: JobStore) -> None:
    job = store.lease(submit("a fox").id, "worker")
    assert job
    assert cost_of(job, lambda _: 60.0) < cost_of(job, lambda _: 600.0)
    assert cost_of(job, lambda _: None) >= 1


def test_outside_of_a_cluster_there_is_no_thread(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert own_deletion_cost(worker.supervisor) == []
    settings = worker.context.settings.model_copy(update={"pod_deletion_cost": "on"})
    worker.use(settings=settings)
    with capture_logs() as logs:
        assert own_deletion_cost(worker.supervisor) == []
    assert [line["event"] for line in logs] == ["deletion_cost.off"]
