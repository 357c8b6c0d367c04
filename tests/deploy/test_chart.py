"""The chart and the plain manifests: linted, rendered in the plan's three modes, of Kubernetes' schemas, with settings that there are."""

import os
import subprocess

import helm_python as helm
import kubernetes_validate
import pytest
import yaml
from support import BINARY, CHART, DEPLOY, MODES, documents, render

# Kinds of operators have no schema in Kubernetes.
OTHERS = {"ServiceMonitor", "ServingRuntime", "InferenceService"}


def plain(mode):
    head = (f"# The chart in the plan's mode `{mode}`, for who has no Helm. Made by `UPDATE=1 scripts/test-deploy` out of "
            f"values-{mode}.yaml.\n")
    return head + "".join(f"---\n{text}" for text in render(mode).values())


def of_kind(mode, kind, **values):
    found = [document for text in render(mode, **values).values() for document in documents(text) if document["kind"] == kind]
    return found[0] if found else None


def test_the_chart_has_no_fault():
    told = helm.lint(str(CHART))
    assert told["errors"] == [] and all(message["severity"] < 2 for message in told["messages"]), told


@pytest.mark.parametrize("mode", MODES)
def test_the_plain_manifests_are_the_charts(mode):
    file = DEPLOY / f"kubernetes/{mode}.yaml"
    if os.environ.get("UPDATE"):
        file.write_text(plain(mode))
    assert file.read_text() == plain(mode), f"{file.name} is not what the chart says: UPDATE=1 scripts/test-deploy"


@pytest.mark.parametrize("file", ["kubernetes/local.yaml", "kubernetes/pvc.yaml", "kubernetes/s3.yaml", "kubernetes/secret.yaml", "kubernetes/filters-job.yaml",
                                  "kserve/inference-service.yaml"])
def test_manifests_are_of_kubernetes_schemas(file):
    checked = 0
    for document in documents((DEPLOY / file).read_text()):
        if document["kind"] not in OTHERS:
            kubernetes_validate.validate(document, "1.37", strict=True)
            checked += 1
    assert checked >= 1


@pytest.mark.parametrize("mode", MODES)
def test_names_are_the_plans(mode):
    deployment = of_kind(mode, "Deployment")
    assert deployment["metadata"]["name"] == "mcp-image-server"
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "mcp-server" and container["image"] == "mcp-image-server:latest"
    replicas = deployment["spec"].get("replicas")
    scaled = of_kind(mode, "HorizontalPodAutoscaler")
    assert {"local": 1, "pvc": 3}.get(mode) == replicas
    assert (scaled is not None) == (mode == "s3") and (scaled is None or scaled["spec"]["minReplicas"] == 3)
    # By the pod's own address: none of the probes names another.
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}
    settings = of_kind(mode, "ConfigMap")["data"]
    wanted = {"local": ("file", "/tmp/mcp-images"), "pvc": ("file", "/mnt/shared-storage/images"), "s3": ("s3", None)}[mode]
    assert (settings["STORAGE_BACKEND"], settings.get("STORAGE_PATH")) == wanted
    claim = of_kind(mode, "PersistentVolumeClaim")
    assert (claim is not None) == (mode == "pvc")
    if claim:
        (volume,) = [v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "images"]
        (mount,) = [m for m in container["volumeMounts"] if m["name"] == "images"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"] and claim["spec"]["accessModes"] == ["ReadWriteMany"]
        assert settings["STORAGE_PATH"].startswith(mount["mountPath"] + "/")


@pytest.mark.parametrize("mode", MODES)
def test_nobodys_rights_in_the_pod(mode):
    pod = of_kind(mode, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0 and not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("mode", MODES)
def test_the_program_takes_every_setting(mode, tmp_path):
    settings = of_kind(mode, "ConfigMap")["data"]
    given = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **settings}
    told = subprocess.run([BINARY, "config"], env=given, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and told.stderr == "", told.stderr
    # As set, and from there: a name that nothing reads would not be among them.
    for name, value in settings.items():
        if value:
            assert name in told.stdout, f"{name} changes nothing:\n{told.stdout}"


def test_selectors_find_the_pods():
    pod = of_kind("s3", "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert of_kind("s3", "Service")["spec"]["selector"].items() <= pod.items()
    for kind, at in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert of_kind("s3", kind)["spec"][at]["matchLabels"].items() <= pod.items(), kind
    service = of_kind("s3", "Service")
    monitor = of_kind("s3", "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert of_kind("s3", "ServiceAccount")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    rule = of_kind("s3", "Ingress")["spec"]["rules"][0]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "mcp-image-server", "port": {"name": "http"}}
    # Links lead through the Ingress, and its name is let in.
    settings = of_kind("s3", "ConfigMap")["data"]
    assert settings["GIMP_BRIDGE_SERVER_PUBLIC_URL"] == "https://images.example.org"
    assert "images.example.org" in settings["GIMP_BRIDGE_SERVER_ALLOWED_HOSTS"].split(",")


def test_keys_are_in_a_secret_and_nowhere_else():
    values = {"server": {"apiKeys": ["art:generate:0123456789abcdef"], "anonymous": []},
              "storage": {"backend": "s3", "s3": {"accessKeyId": "id-of-s3", "secretAccessKey": "secret-of-s3"}}}
    files = render(**values)
    secret = yaml.safe_load(files.pop("secret.yaml"))["stringData"]
    assert secret == {"GIMP_BRIDGE_SERVER_API_KEYS": values["server"]["apiKeys"][0], "AWS_ACCESS_KEY_ID": "id-of-s3",
                      "AWS_SECRET_ACCESS_KEY": "secret-of-s3"}
    assert not any(word in text for text in files.values() for word in secret.values())
    (container,) = of_kind(None, "Deployment", **values)["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "mcp-image-server"}} in container["envFrom"]


def test_backends_are_a_file_of_the_pod():
    text = '[[backend]]\nname = "home"\nkind = "a1111"\nurl = "http://home:7860"\n'
    files = documents(render(backends=text)["configmap.yaml"])
    assert files[1]["data"]["backends.toml"] == text
    place = files[0]["data"]["GIMP_BRIDGE_GENERATE_BACKENDS"]
    pod = of_kind(None, "Deployment", backends=text)["spec"]["template"]["spec"]
    (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "files"]
    assert place == f"{mount['mountPath']}/backends.toml" and mount["readOnly"]
    assert [v["configMap"]["name"] for v in pod["volumes"] if v["name"] == "files"] == [files[1]["metadata"]["name"]]


@pytest.mark.parametrize("values, said", [
    ({"storage": {"backend": "file", "file": {"claim": {"enabled": False}}}}, "share no images"),
    ({"server": {"anonymous": []}}, "nobody could call"),
    ({"kserve": {"endpoint": ""}}, "no backend"),
    ({"ingress": {"enabled": True}}, "names no host"),
    ({"storage": {"backend": "gcs"}}, "backend"),
    ({"replicas": 3}, "replicas"),
    ({"server": {"apiKeys": ["art:generate:short"]}}, "apiKeys"),
])
def test_values_that_cannot_be_are_refused(values, said):
    with pytest.raises(helm.HelmError, match=said):
        with helm.Chart.load(str(CHART)) as chart:
            chart.validate_schema(chart.merge_values(values))
            chart.render(values, name="mcp-image-server", namespace="default")


def test_the_jobs_shares_are_as_many_as_its_pods():
    spec = yaml.safe_load((DEPLOY / "kubernetes/filters-job.yaml").read_text())["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert spec["completionMode"] == "Indexed"
    assert container["args"][container["args"].index("--shard") + 1] == f"$(JOB_COMPLETION_INDEX)/{spec['completions']}"
