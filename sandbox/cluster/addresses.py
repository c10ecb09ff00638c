"""The address plan, all of it in 198.18.0.0/15: the range for benchmarks, routed nowhere."""

NETWORK = "198.18.0.0/15"
PODS = "198.18.0.0/17"
"""Seven nodes' pods, a /20 each; the eighth /20 is the wire between the nodes."""
SERVICES = "198.18.128.0/17"
API_SERVICE = "198.18.128.1"
DNS_SERVICE = "198.18.128.10"
FAKE_PODS = "198.19.0.0/16"
"""Pods on kwok's fake nodes."""
NODES = "198.18.112.0/24"
NODES_PREFIX = 24
MAXIMUM_NODES = 7
API_PORT = 6443


def node_names(count):
    """Names the nodes: the first is the machine itself, the others network namespaces."""
    return [f"node{number}" for number in range(1, count + 1)]


def node_number(name):
    """Returns 2 for `node2`."""
    return int(name.removeprefix("node"))


def node_address(name):
    return f"198.18.112.{node_number(name)}"


def pod_range(name):
    return f"198.18.{16 * (node_number(name) - 1)}.0/20"


API_ADDRESS = node_address("node1")
"""Where the control plane answers for pods and for nodes in namespaces."""
