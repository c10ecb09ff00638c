"""What is deployed: the objects of each scenario, as a plan, as folders of manifests and as a chart."""

import json
from dataclasses import dataclass
from pathlib import Path

IMAGE = "example.org/app:1"


@dataclass(frozen=True)
class Content:
    """Stages in a row, each with its objects; every stage needs the one before it."""

    name: str
    stages: tuple

    @property
    def objects(self):
        return [thing for stage in self.stages for thing in stage]

    def write(self, folder):
        """Writes a plan, a folder of manifests a stage, and a chart with all of them."""
        folder = Path(folder)
        lines = [f"name: {self.name}", f"namespace: {self.name}", "stages:"]
        for index, objects in enumerate(self.stages):
            stage = folder / f"stage-{index}"
            stage.mkdir(parents=True)
            # One list: kubectl takes a file that begins with a brace for one JSON document.
            items = {"apiVersion": "v1", "kind": "List", "items": objects}
            (stage / "objects.yaml").write_text(json.dumps(items, indent=1) + "\n")
            needs = f"needs: [stage-{index - 1}], " if index else ""
            lines.append(f"  stage-{index}: {{ {needs}apply: [stage-{index}] }}")
        (folder / "plan.yaml").write_text("\n".join(lines) + "\n")
        self._write_chart(folder / "chart")
        return folder

    def _write_chart(self, folder):
        templates = folder / "templates"
        templates.mkdir(parents=True)
        (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {self.name}\nversion: 1.0.0\n")
        text = "\n---\n".join(json.dumps(thing, indent=1) for thing in self.objects)
        (templates / "objects.yaml").write_text(text + "\n")


def chain(length):
    """Returns stages of a ConfigMap, a Service and a Deployment."""
    return Content("bench-chain", tuple(_web(index) for index in range(length)))


def config_maps(count):
    """Returns one stage of ConfigMaps."""
    name = f"bench-maps-{count}"
    return Content(name, (tuple(_config_map(name, f"map-{index}") for index in range(count)),))


def _config_map(namespace, name):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"name": name, "colour": "blue", "settings": "a=1\nb=2\nc=3\n"},
    }


def _web(index):
    name, namespace = f"web-{index}", "bench-chain"
    labels = {"app": name}
    pods = {
        "metadata": {"labels": labels},
        "spec": {
            "nodeSelector": {"type": "kwok"},
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
            "containers": [{"name": "app", "image": IMAGE}],
        },
    }
    return (
        _config_map(namespace, name),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods},
        },
    )
