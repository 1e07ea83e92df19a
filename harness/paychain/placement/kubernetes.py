"""A deployment as objects of Kubernetes: jobs of the run and its workers, links, a policy.

Own services are sidecars of the run (init containers that go on, Kubernetes 1.29 and later), so
that they have its loopback, and end with it.
"""

from __future__ import annotations

from typing import Any

from paychain.payments.errors import UserError
from paychain.placement.deployment import (
    BOARD_PORT,
    BOARD_TOKEN,
    MASTER_PORT,
    MOUNTED,
    RESULTS,
    RUN,
    WORKER,
    Deployment,
    label,
)
from paychain.placement.groups import Group
from paychain.placement.own import FOLDER, OwnContainer
from paychain.processes.tokens import TOKEN_VARIABLE

USER = 10001  # of the image
MAX_FILES_BYTES = 1_000_000  # of a ConfigMap, whose limit is 1 MiB
SECRET_KEYS = {TOKEN_VARIABLE: "token", BOARD_TOKEN: "board-token"}
_CHAIN, _PART = "paychain.dev/chain", "app.kubernetes.io/component"
_LOCKED_DOWN = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108  (in the container)
_NEEDS = {"requests": {"cpu": "500m", "memory": "256Mi"}}


class Manifests:
    """The objects of one deployment; `all` has them in the order in which they are applied.

    Raises UserError for what a cluster cannot hold, or start.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._d = deployment
        self._chain = deployment.chain.chain
        size = sum(len(text.encode()) for text in deployment.files.values())
        if size > MAX_FILES_BYTES:
            raise UserError(
                f"the files of the run are {size:,} bytes, and a ConfigMap holds one million",
                hint="replay fewer payments",
            )
        for own in deployment.services:
            if own.build:
                raise UserError(
                    f"a cluster does not build {own.link}: it has no image",
                    hint=f"push one and name it: --image {own.link}=REGISTRY/{own.link}:1.0",
                )

    def all(self) -> list[dict[str, Any]]:
        """Everything but the secret."""
        found = [self._files(), self._results(), *self._policies()]
        for name, group in self._d.groups.items():
            found += [self._service(name, name), self._links(name, group)]
        ports = []
        if self._d.workers:
            ports.append({"name": "master", "port": MASTER_PORT})
        if not self._d.has_experiment:
            ports.append({"name": "board", "port": BOARD_PORT})
        if ports:
            found.append(self._service(self._d.master, RUN, ports))
        found.append(self._run())
        if self._d.workers:
            found.append(self._workers())
        return found

    def secret(self, values: dict[str, str]) -> dict[str, Any]:
        """The object with the secrets, by their variables."""
        named = {SECRET_KEYS[variable]: value for variable, value in values.items()}
        return self._object("v1", "Secret", self._secret_name, stringData=named)

    @property
    def _secret_name(self) -> str:
        return label(self._chain, "secret")

    def _object(self, version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
        metadata = {"name": name, "labels": {_CHAIN: self._chain}}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}

    def _files(self) -> dict[str, Any]:
        data = {_key(path): text for path, text in sorted(self._d.files.items())}
        return self._object("v1", "ConfigMap", label(self._chain, "files"), data=data)

    def _results(self) -> dict[str, Any]:
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
        name = label(self._chain, "results")
        return self._object("v1", "PersistentVolumeClaim", name, spec=spec)

    def _policies(self) -> list[dict[str, Any]]:
        """Pods of the chain reach one another and the name service: no real provider."""
        chain = {"podSelector": {"matchLabels": {_CHAIN: self._chain}}}
        names = {
            "to": [
                {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
            ],
            "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
        }
        spec = {
            **chain,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [chain]}],
            "egress": [{"to": [chain]}, names],
        }
        name = label(self._chain, "only-itself")
        return [self._object("networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)]

    def _service(
        self, name: str, part: str, ports: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """A name for one pod. It has it before the pod is ready: ready is who is reached by it."""
        spec: dict[str, Any] = {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {_CHAIN: self._chain, _PART: part},
        }
        if ports:
            spec["ports"] = ports
        return self._object("v1", "Service", name, spec=spec)

    def _links(self, name: str, group: Group) -> dict[str, Any]:
        container = self._ours("links", self._d.up(group))
        probe = {"httpGet": {"path": "/hello", "port": group.port}, "periodSeconds": 2}
        container["readinessProbe"] = probe
        container["ports"] = [{"name": "control", "containerPort": group.port}]
        pod = self._pod(name, [container], hostname=name)
        spec = {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": pod["metadata"]["labels"]},
            "template": pod,
        }
        return self._object("apps/v1", "Deployment", name, spec=spec)

    def _run(self) -> dict[str, Any]:
        container = self._ours(RUN, self._d.run)
        container["volumeMounts"].append({"name": "results", "mountPath": RESULTS})
        ends = {"restartPolicy": "Never"} if self._d.has_experiment else {}
        pod = self._pod(RUN, [container], hostname=self._d.master, **ends)
        spec = pod["spec"]
        claim = {"claimName": label(self._chain, "results")}
        spec["volumes"].append({"name": "results", "persistentVolumeClaim": claim})
        spec["terminationGracePeriodSeconds"] = 60
        if self._d.services:
            spec["initContainers"] = [self._own(own) for own in self._d.services]
            spec["volumes"] += [{"name": _folder(own), "emptyDir": {}} for own in self._d.services]
        if self._d.has_experiment:
            # A run that failed has found something: another one would say nothing else.
            job = {"backoffLimit": 0, "template": pod}
            return self._object("batch/v1", "Job", self._d.master, spec=job)
        container["ports"] = [{"name": "board", "containerPort": BOARD_PORT}]
        board = {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": pod["metadata"]["labels"]},
            "template": pod,
        }
        return self._object("apps/v1", "Deployment", self._d.master, spec=board)

    def _workers(self) -> dict[str, Any]:
        container = self._ours(WORKER, self._d.worker)
        # One that comes before its master gives up, and comes again.
        pod = self._pod(WORKER, [container], restartPolicy="OnFailure")
        job = {
            "completionMode": "Indexed",
            "completions": self._d.workers,
            "parallelism": self._d.workers,
            "backoffLimit": 30,
            "template": pod,
        }
        return self._object("batch/v1", "Job", label(self._chain, WORKER), spec=job)

    def _pod(self, part: str, containers: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
        items = [{"key": _key(path), "path": path} for path in sorted(self._d.files)]
        files = {"name": label(self._chain, "files"), "items": items}
        spec = {
            **rest,
            # Variables such as PAYCHAIN_RUN_PORT, of a service, would be defaults of options.
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "securityContext": {"fsGroup": USER, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": containers,
            "volumes": [
                {"name": "files", "configMap": files},
                {"name": "tmp", "emptyDir": {}},
            ],
        }
        return {"metadata": {"labels": {_CHAIN: self._chain, _PART: part}}, "spec": spec}

    def _ours(self, name: str, arguments: list[str]) -> dict[str, Any]:
        user = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER}
        variables = [TOKEN_VARIABLE] if self._d.is_spread else []
        if name == RUN and not self._d.has_experiment:
            variables.append(BOARD_TOKEN)
        environment = [
            {
                "name": variable,
                "valueFrom": {
                    "secretKeyRef": {"name": self._secret_name, "key": SECRET_KEYS[variable]}
                },
            }
            for variable in variables
        ]
        return {
            "name": name,
            "image": self._d.image,
            "args": _literal(arguments),
            "workingDir": MOUNTED,
            **({"env": environment} if environment else {}),
            "resources": _NEEDS,
            "securityContext": {**_LOCKED_DOWN, **user},
            "volumeMounts": [
                {"name": "files", "mountPath": MOUNTED, "readOnly": True},
                dict(_TMP),
            ],
        }

    def _own(self, own: OwnContainer) -> dict[str, Any]:
        found: dict[str, Any] = {"name": _name(own), "image": own.image, "restartPolicy": "Always"}
        if own.command:
            found["command"] = _literal(own.command)
        if own.environment:
            found["env"] = [
                {"name": name, "value": _escaped(value)} for name, value in own.environment.items()
            ]
        # Not a startup probe: a service may want to reach its providers first, and they are of
        # the run, which begins when its sidecars have started.
        return {
            **found,
            "ports": [{"containerPort": own.port}],
            "readinessProbe": {**_probe(own), "periodSeconds": 2},
            "securityContext": {"allowPrivilegeEscalation": False},
            "volumeMounts": [{"name": _folder(own), "mountPath": FOLDER}],
        }


def _probe(own: OwnContainer) -> dict[str, Any]:
    if own.ready.command is not None:
        return {"exec": {"command": own.ready.command}}
    if own.ready.http is not None:
        return {"httpGet": {"path": own.ready.http, "port": own.port}}
    return {"tcpSocket": {"port": own.port}}


def _name(own: OwnContainer) -> str:
    return label("service", own.link) if own.link == RUN else own.link


def _folder(own: OwnContainer) -> str:
    return label("folder", own.link)


def _key(path: str) -> str:
    """A key of a ConfigMap, which has no slash."""
    return path.replace("/", ".")


def _literal(words: list[str]) -> list[str]:
    return [_escaped(word) for word in words]


def _escaped(text: str) -> str:
    """Text in which Kubernetes puts in no variables."""
    return text.replace("$(", "$$(")


HEADER = """\
# The chain {chain} on Kubernetes, 1.29 or later. secret.yaml beside it has the token of the run.
#   kubectl apply -f .
#   kubectl logs --follow job/{run}    # the job succeeds when the run passes
#   kubectl delete -f .
# The folder of the run stays in the volume claim {results}.
"""
BOARD_HEADER = """\
# The chain {chain} on Kubernetes, 1.29 or later, with the live board. secret.yaml has its token.
#   kubectl apply -f .
#   kubectl port-forward deployment/{run} {port}
#   kubectl delete -f .
# The folder of the run stays in the volume claim {results}.
"""


def header(deployment: Deployment) -> str:
    """How the file is used, as comments."""
    chain = deployment.chain.chain
    text = HEADER if deployment.has_experiment else BOARD_HEADER
    return text.format(
        chain=chain, run=deployment.master, results=label(chain, "results"), port=BOARD_PORT
    )
