# SPDX-License-Identifier: Apache-2.0
"""The Helm chart, the manifest that is made from it, and the projects of Docker Compose: their parts fit together, and
their configurations are right. Nothing here needs a network or a cluster."""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from support.certificates import Certificates
from support.daemon import run_cli

CONTRIB = pathlib.Path(__file__).parents[2] / "contrib"
CLUSTER = CONTRIB / "cluster"
LABELS = {"app.kubernetes.io/name": "lsmtpd", "app.kubernetes.io/instance": "lsmtpd"}
needs_helm = pytest.mark.skipif(not shutil.which("helm"), reason="no helm")


def helm(*words):
    return subprocess.run(["helm", *words], cwd=CLUSTER, capture_output=True, text=True, timeout=60)


def rendered(*values):
    done = helm("template", "lsmtpd", "chart", "--kube-version", "1.31", *(word for value in values for word in ("--set-json", value)))
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def by_kind(parts):
    """{kind: [parts]}"""
    found = {}
    for part in parts:
        found.setdefault(part["kind"], []).append(part)
    return found


def check(text, folder):
    """lsmtpd check, with the folder in place of the container's."""
    for name in ("password", "tls.crt", "tls.key"):
        (folder / name).write_text("secret")
    certificate, key = Certificates(folder).issue(names="DNS:mx.example.com")
    shutil.copy(certificate, folder / "ca.crt")
    shutil.copy(certificate, folder / "tls.crt")
    shutil.copy(key, folder / "tls.key")
    for name in ("password", "tls.key"):
        (folder / name).chmod(0o600)
    for path in ("/run/secrets/lsmtpd-tls", "/run/secrets/lsmtpd", "/run/lsmtpd", "/var/spool/lsmtpd", "/var/tmp"):
        text = text.replace(f'"{path}', f'"{folder}')
    mine = folder / "my.toml"
    mine.write_text(text)
    done = run_cli("check", "--config", mine, cwd=folder, env={"BROKER_PASSWORD": "secret", "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    return done


# In a cluster.

@pytest.fixture(scope="module")
def manifest():
    return by_kind(yaml.safe_load_all((CLUSTER / "lsmtpd.yaml").read_text()))


def test_the_manifest_is_of_this_chart():
    """After a change of the chart: contrib/cluster/render."""
    files = sorted(str(path.relative_to(CLUSTER)) for path in (CLUSTER / "chart").rglob("*") if path.is_file())
    lines = "".join(f"{hashlib.sha256((CLUSTER / name).read_bytes()).hexdigest()}  {name}\n" for name in files)
    wanted = hashlib.sha256(lines.encode()).hexdigest()
    assert f"# sha256 of the chart: {wanted}\n" in (CLUSTER / "lsmtpd.yaml").read_text()


@needs_helm
def test_the_chart_makes_the_manifest():
    made = helm("template", "lsmtpd", "chart", "--kube-version", "1.31").stdout
    assert (CLUSTER / "lsmtpd.yaml").read_text().split("\n", 3)[3] == made


@needs_helm
def test_helm_finds_no_fault_with_the_chart():
    done = helm("lint", "--strict", "chart")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
def test_the_chart_makes_other_manifests(tmp_path):
    parts = by_kind(rendered('service.type="LoadBalancer"', 'proxyProtocolFrom=["10.0.0.0/8"]', 'tlsSecret="mx"', "spill=64",
                             'broker.target="routing_key"', 'networkPolicy.adminFrom=[{"podSelector":{}}]', 'storage.className="fast"'))
    front = next(each for each in parts["Service"] if each["spec"].get("clusterIP") != "None")
    assert front["spec"]["externalTrafficPolicy"] == "Local"
    text = parts["ConfigMap"][0]["data"]["lsmtpd.toml"]
    assert 'proxy_protocol_from = ["10.0.0.0/8"]' in text and 'spill           = "64MiB"' in text and "routing_key   = " in text
    check(text, tmp_path)
    pod = parts["StatefulSet"][0]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "192Mi"
    assert "tls" in [each["name"] for each in pod["volumes"]]
    assert [rule["ports"][0]["port"] for rule in parts["NetworkPolicy"][0]["spec"]["ingress"]] == ["smtp", "admin"]
    assert "NetworkPolicy" not in by_kind(rendered("networkPolicy.enabled=false"))
    several = by_kind(rendered('broker.urls=["amqps://broker-a:5671", "amqps://broker-b:5671"]'))["ConfigMap"][0]
    check(several["data"]["lsmtpd.toml"], tmp_path)
    assert 'urls          = ["amqps://broker-a:5671","amqps://broker-b:5671"]' in several["data"]["lsmtpd.toml"]
    none = helm("template", "lsmtpd", "chart", "--kube-version", "1.31", "--set-json", "broker.urls=[]")
    assert none.returncode != 0 and "name at least one" in none.stderr
    mine = by_kind(rendered('config="[server]\\nhostname = {{ .Values.hostname | toJson }}"'))["ConfigMap"][0]
    assert mine["data"]["lsmtpd.toml"] == '[server]\nhostname = "mx.example.com"\n'


def test_the_configuration_of_the_manifest_is_right(manifest, tmp_path):
    text = manifest["ConfigMap"][0]["data"]["lsmtpd.toml"]
    assert "error" not in check(text, tmp_path).stderr
    annotations = manifest["StatefulSet"][0]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["checksum/config"] == hashlib.sha256(text.rstrip("\n").encode()).hexdigest(), \
        "pods are replaced when it changes"
    assert 'urls          = ["amqps://' in text


def test_the_parts_of_the_manifest_belong_together(manifest):
    sets = manifest["StatefulSet"][0]
    assert sets["spec"]["selector"]["matchLabels"] == LABELS
    assert sets["spec"]["template"]["metadata"]["labels"] == LABELS
    services = {each["metadata"]["name"]: each["spec"] for each in manifest["Service"]}
    assert all(each["selector"] == LABELS for each in services.values())
    assert services[sets["spec"]["serviceName"]]["clusterIP"] == "None"
    ports = {each["name"]: each["containerPort"] for each in sets["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert ports == {"smtp": 2525, "admin": 9925}
    for service in services.values():
        assert all(each["targetPort"] in ports for each in service["ports"])
    budget = manifest["PodDisruptionBudget"][0]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}}
    policy = manifest["NetworkPolicy"][0]["spec"]
    assert policy["podSelector"]["matchLabels"] == LABELS and policy["policyTypes"] == ["Ingress", "Egress"]
    assert [rule["ports"] for rule in policy["ingress"]] == [[{"protocol": "TCP", "port": "smtp"}]], "nobody but the kubelet asks"
    assert {each["port"] for rule in policy["egress"] for each in rule["ports"]} == {53, 5671}


def test_the_pods_of_the_manifest_end_as_the_configuration_says(manifest):
    pods = manifest["StatefulSet"][0]["spec"]
    pod = pods["template"]["spec"]
    seconds = dict(re.findall(r'^(drain_delay|drain) +=\s*"(\d+)s"', manifest["ConfigMap"][0]["data"]["lsmtpd.toml"], re.M))
    assert pod["terminationGracePeriodSeconds"] > int(seconds["drain_delay"]) + int(seconds["drain"])
    ready = pod["containers"][0]["readinessProbe"]
    assert int(seconds["drain_delay"]) > ready["periodSeconds"] * ready["failureThreshold"]
    assert ready["httpGet"] == {"path": "/readyz?scope=process", "port": "admin"}
    assert pod["containers"][0]["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert "lifecycle" not in pod["containers"][0]
    assert pods["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_the_pods_of_the_manifest_have_room_and_no_rights(manifest):
    pods = manifest["StatefulSet"][0]["spec"]
    pod = pods["template"]["spec"]
    container = pod["containers"][0]
    mounts = [mount["name"] for mount in container["volumeMounts"]]
    given = [each["name"] for each in pod["volumes"]] + [each["metadata"]["name"] for each in pods["volumeClaimTemplates"]]
    assert sorted(mounts) == sorted(given)
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch" and pod["securityContext"]["runAsNonRoot"]
    text = manifest["ConfigMap"][0]["data"]["lsmtpd.toml"]
    spill = int(re.search(r'^spill +=\s*"(\d+)MiB"', text, re.M)[1])
    memory = int(re.search(r'^memory +=\s*"(\d+)MiB"', text, re.M)[1])
    for resources in container["resources"].values():
        assert int(resources["ephemeral-storage"].removesuffix("Mi")) > spill
        assert int(resources["memory"].removesuffix("Mi")) >= 2 * memory
    assert {each["topologyKey"] for each in pod["topologySpreadConstraints"]} == \
        {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert all(each["labelSelector"]["matchLabels"] == LABELS for each in pod["topologySpreadConstraints"])


# Docker Compose.

def project(name):
    return yaml.safe_load((CONTRIB / "compose" / name / "compose.yaml").read_text())


@pytest.mark.parametrize("name", ["rabbitmq", "artemis"])
def test_a_compose_project_is_whole_and_its_configuration_right(name, tmp_path):
    folder = CONTRIB / "compose" / name
    given = project(name)
    assert set(given) <= {"name", "services", "volumes", "configs"} and set(given["services"]) == {"lsmtpd", "broker"}
    daemon = given["services"]["lsmtpd"]
    assert (folder / daemon["build"]).resolve() == CONTRIB.parent and (CONTRIB.parent / "Dockerfile").exists()
    for service in given["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (folder / source).exists() if source.startswith(".") else source in given["volumes"], volume
        assert all(each["source"] in given["configs"] for each in service.get("configs", []))
    text = (folder / "lsmtpd.toml").read_text()
    assert "error" not in check(text, tmp_path).stderr
    assert re.search(r'^urls +=\s*\["amqp://broker:5672"\]', text, re.M) and "${BROKER_PASSWORD}" in text
    assert re.search(r'^address = "\*:2525"', text, re.M) and daemon["ports"] == ["2525:2525"]
    assert daemon["environment"] == {"BROKER_PASSWORD": "${BROKER_PASSWORD:?put it into .env}"}
    assert int(daemon["stop_grace_period"].removesuffix("s")) > 25, "timeouts.drain"


def test_the_compose_project_of_rabbitmq_has_the_queue_that_lsmtpd_writes_to():
    given = project("rabbitmq")
    definitions = json.loads(given["configs"]["definitions"]["content"])
    text = (CONTRIB / "compose" / "rabbitmq" / "lsmtpd.toml").read_text()
    queue = definitions["queues"][0]
    assert f'routing_key = "{queue["name"]}"' in text and queue["durable"]
    assert queue["arguments"]["x-queue-type"] == "quorum"
    assert [each["name"] for each in definitions["users"]] == re.findall(r'^username +=\s*"(.*)"', text, re.M)
    assert definitions["permissions"][0]["user"] == definitions["users"][0]["name"]
    assert given["services"]["broker"]["configs"][1]["target"] in given["configs"]["rabbitmq"]["content"]


def test_rabbitmq_takes_the_definitions_and_lsmtpd_the_queue(rabbitmq4, tmp_path):
    """As the container's start does, with another user and queue, in the broker of the tests."""
    text = project("rabbitmq")["configs"]["definitions"]["content"].replace("${BROKER_PASSWORD}", "compose-secret") \
        .replace('"lsmtpd"', '"compose"').replace('"mail"', '"compose-mail"')
    rabbitmq4.resume()
    rabbitmq4.start()
    rabbitmq4.import_definitions(json.loads(text))
    mine = tmp_path / "my.toml"
    config = (CONTRIB / "compose" / "rabbitmq" / "lsmtpd.toml").read_text()
    for old, new in (("amqp://broker:5672", rabbitmq4.url), ('"lsmtpd"', '"compose"'), ('"mail"', '"compose-mail"'),
                     ("/var/spool/lsmtpd", str(tmp_path)), ("/run/lsmtpd", str(tmp_path))):
        config = config.replace(old, new)
    mine.write_text(config)
    done = run_cli("check", "--live", "--config", mine, cwd=tmp_path,
                   env={"BROKER_PASSWORD": "compose-secret", "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and "quorum" in done.stdout, done.stdout + done.stderr
