"""The network under the cluster: a bridge between the nodes, namespaces, routes, a closed border.

The first node is the machine itself. Every other node is a network namespace whose `eth0` is
plugged into the bridge; routes lead each node's pods to it. Nothing leaves the machine: packets
from the cluster's range to anywhere else are refused.
"""

import json
from pathlib import Path

from .addresses import API_ADDRESS, NETWORK, NODES_PREFIX, SERVICES, node_address, node_names, pod_range
from .failure import SandboxError
from .host import write_sysctl
from .tools import run

BRIDGE = "sandbox-nodes"
TABLE = "wesago_sandbox"
_RULES = f"""\
table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ip saddr {NETWORK} ip daddr != {NETWORK} reject with icmp type admin-prohibited
  }}
}}
"""


def namespace(layout, node):
    """Returns the network namespace of a node, None for the machine's own."""
    return None if node == "node1" else f"{layout.tag}-{node}"


def links():
    """Returns the machine's links by name, with their details."""
    return {link["ifname"]: link for link in json.loads(run("ip", "-json", "-details", "link", "show").stdout)}


def is_ours(state):
    """Tells whether the network on this machine belongs to a state folder, or to nobody any more."""
    owner = links().get(BRIDGE, {}).get("ifalias")
    return owner in (None, str(state)) or not Path(owner).exists()


def require_free(state):
    """Refuses a machine whose network another sandbox or another program uses."""
    if not is_ours(state):
        other = links()[BRIDGE]["ifalias"]
        raise SandboxError(
            f"another sandbox runs from the state folder {other}; "
            f"end it with `WESAGO_SANDBOX_STATE={other} sandbox/sandbox down --force`"
        )
    _require_range_free()


def prepare_host(state):
    """Makes the bridge, the border and forwarding."""
    if BRIDGE not in links():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "link", "set", BRIDGE, "alias", state)
    run("ip", "address", "replace", f"{API_ADDRESS}/{NODES_PREFIX}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    # A Service's address needs a route before it is translated; a machine may have no default one.
    run("ip", "route", "replace", SERVICES, "dev", BRIDGE)
    write_sysctl("net/ipv4/ip_forward", "1")
    run("nft", "-f", "-", text_input=_RULES)


def prepare_node(layout, node, count):
    """Makes the namespace of a node, its link and the routes between it and the others."""
    name = namespace(layout, node)
    if not name:
        return
    inside = ("ip", "-n", name)
    link = f"sandbox-{node}"
    if not Path(f"/run/netns/{name}").exists() or run(*inside, "link", check=False).returncode != 0:
        run("ip", "netns", "delete", name, check=False)  # a name without a namespace, after a crash
        run("ip", "netns", "add", name)
    if run(*inside, "link", "show", "eth0", check=False).returncode != 0:
        run("ip", "link", "delete", link, check=False)  # the outer half of a lost pair
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
    run("ip", "link", "set", link, "master", BRIDGE, "up")
    run(*inside, "address", "replace", f"{node_address(node)}/{NODES_PREFIX}", "dev", "eth0")
    run(*inside, "link", "set", "eth0", "up")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "route", "replace", "default", "via", API_ADDRESS)
    run("nsenter", f"--net=/run/netns/{name}", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    run("ip", "route", "replace", pod_range(node), "via", node_address(node))
    for other in node_names(count):
        if other != node:
            run(*inside, "route", "replace", pod_range(other), "via", node_address(other))


def _require_range_free():
    """Another program with addresses in the range would get the cluster's packets."""
    for link in json.loads(run("ip", "-json", "address", "show").stdout):
        ours = link["ifname"].startswith(("sandbox-", "veth"))
        for address in link.get("addr_info", []):
            if not ours and address["local"].startswith(("198.18.", "198.19.")):
                raise SandboxError(
                    f"{link['ifname']} has the address {address['local']} in {NETWORK}, "
                    "which the sandbox needs; remove it and try again"
                )
