"""Settings of a node's daemons: containerd, CNI and kubelet, as the files they read."""

import json

from .addresses import DNS_SERVICE, pod_range
from .images import PAUSE

CONTAINERD = """\
version = 2
root = "{node}/containerd/root"
state = "{node}/containerd/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[debug]
  level = "warn"

[grpc]
  address = "{node}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "{node}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Machines without CAP_SYS_RESOURCE cannot lower a process's score, and runc dies trying.
  restrict_oom_score_adj = true
  # So that a node's whole state is below one folder, and can be found and unmounted.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{node}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{node}/containerd/runc"
"""


def containerd(folder):
    return CONTAINERD.format(node=folder, pause=PAUSE)


def network(tag, node, folder):
    """A routed link per pod: no bridge, so Services work without bridge-netfilter, too."""
    addresses = {
        "type": "host-local",
        "dataDir": f"{folder}/addresses",
        "ranges": [[{"subnet": pod_range(node)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": f"{tag}-{node}", "plugins": plugins}, indent=1)


def kubelet(layout, node, authority, identity):
    """Nothing is left to defaults that reach outside the node's folder."""
    folder = layout.node(node)
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(authority.certificate_of(identity)),
        "tlsPrivateKeyFile": str(authority.key_of(identity)),
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.groups.name}/{node}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{folder}/resolv.conf",
        # Several kubelets on one machine delete each other's log folders in the default place.
        "podLogsDir": f"{folder}/pod-logs",
        "volumePluginDir": f"{folder}/volume-plugins",
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        "maxPods": 250,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # Images come from archives and cannot be pulled again once they are collected.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }
    return json.dumps(settings, indent=1)


def resolver():
    """Pods with the host's DNS policy find nothing: the cluster does not look outside."""
    return "nameserver 127.0.0.1\n"
