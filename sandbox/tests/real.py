"""The real thing on this machine: starts clusters, breaks them, heals them, and looks for leftovers.

Needs root and a built cache. It refuses to run while a cluster is up, or runs beside it in
namespaces and a state folder of its own (`--beside`).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from cluster.layout import Layout

from .machine import differences, picture

SANDBOX = Path(__file__).resolve().parent.parent / "sandbox"
SCENARIOS = {}
_INSIDE = "SANDBOX_TEST_BESIDE"


def run(arguments):
    """Runs the named scenarios, or all; returns (passed, failed), and names at the end what failed."""
    names = [argument for argument in arguments if argument != "--beside"]
    if "--beside" in arguments and not os.environ.get(_INSIDE):
        _enter_namespaces(arguments)
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        print(f"no scenario {unknown[0]}; there are {', '.join(SCENARIOS)}", file=sys.stderr)
        return 0, 1
    if json.loads(sandbox("status", "--json", check=False).stdout)["up"]:
        print("a cluster is up; run `sandbox/sandbox down` first, or test beside it with --beside", file=sys.stderr)
        return 0, 1
    test = Test()
    for name in names or SCENARIOS:
        test.scenario(name, SCENARIOS[name])
    for what in test.failures:
        print(f"FAILED: {what}")  # once more at the end: the tail of a log is what one gets to see
    return test.passed, len(test.failures)


def _enter_namespaces(arguments):
    """Starts this program anew with a network of nothing but a loopback and empty shared folders."""
    cache = Layout.from_environment().cache
    environment = {
        **os.environ,
        _INSIDE: "1",
        "WESAGO_SANDBOX_CACHE": str(cache),
        # On the cache's file system, as in real life, so that images are linked and not copied.
        "WESAGO_SANDBOX_STATE": f"{cache}-test-state",
        "KUBECONFIG": f"{cache}-test-kubeconfig/config",
    }
    program = [sys.executable, str(Path(__file__).parent / "run"), "real", *arguments]
    os.execvpe("unshare", ["unshare", "--net", "--mount", "sh", "-c", _NAMESPACES, "sh", *program], environment)


_NAMESPACES = """
set -e
ip link set lo up
mount --make-rprivate /
for folder in /run /var/lib /var/log /usr/libexec; do mount -t tmpfs tmpfs "$folder"; done
mount --make-rshared /
exec "$@"
"""


def sandbox(*arguments, check=True, seconds=300):
    """Runs the command under test."""
    done = subprocess.run([str(SANDBOX), *arguments], capture_output=True, text=True, timeout=seconds, check=False)
    if check and done.returncode != 0:
        raise AssertionError(
            f"`sandbox {' '.join(arguments)}` failed with {done.returncode}: {done.stderr.strip()[-500:]}"
        )
    return done


def status():
    return json.loads(sandbox("status", "--json", check=False).stdout)


def kubectl(*arguments, check=True):
    return sandbox("kubectl", *arguments, check=check).stdout


def pids():
    return {daemon["name"]: daemon["pid"] for daemon in status()["daemons"]}


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.2)


class Test:
    """Counts the checks; a scenario that breaks off counts as one failed check."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.running = ""

    def check(self, holds, what):
        if holds:
            self.passed += 1
            print(f"  ok      {what}", flush=True)
        else:
            self.failures.append(f"{self.running}: {what}")
            print(f"  FAILED  {what}", flush=True)

    def check_same(self, found, wanted, what):
        """Checks that two things are equal, and prints them when they are not."""
        if found != wanted:
            print(f"          {found}, wanted {wanted}")
        self.check(found == wanted, what)

    def check_health(self, what):
        """Checks that all of the cluster works, and prints what does not."""
        now = status()
        if not now["healthy"]:
            dead = [daemon["name"] for daemon in now["daemons"] if not daemon["pid"]]
            unready = [node["name"] for node in now["nodes"] if not node["ready"]]
            print(f"          dead: {dead}, not ready: {unready}, answers: {now['answers']}")
        self.check(now["healthy"], what)

    def scenario(self, name, act):
        """Runs one scenario between two pictures of the machine, which must be equal."""
        print(f"{name}: {act.__doc__.splitlines()[0]}", flush=True)
        self.running = name
        begin = time.monotonic()
        before = picture(isolated=bool(os.environ.get(_INSIDE)))
        try:
            act(self)
        except (AssertionError, subprocess.TimeoutExpired, OSError, ValueError, KeyError):
            traceback.print_exc()
            self.check(False, f"{name} went to its end")
        sandbox("down", "--force", check=False)
        left = differences(before, picture(isolated=bool(os.environ.get(_INSIDE))))
        for line in left:
            print(f"          {line}")
        self.check(not left, f"down left the machine as it was ({time.monotonic() - begin:.0f} s)")


def scenario(act):
    SCENARIOS[act.__name__] = act
    return act


@scenario
def control_plane(test):
    """The control plane alone: quick, idempotent, healed after kill -9 of each part."""
    begin = time.monotonic()
    sandbox("up", "--control-plane-only")
    print(f"          up took {time.monotonic() - begin:.1f} s")
    test.check_health("the control plane answers")
    first = pids()
    sandbox("up")
    test.check_same(pids(), first, "a second up starts nothing")
    kubectl("create", "configmap", "kept")
    audit = Path(status()["audit_log"])
    length = len(audit.read_bytes())
    for name in first:
        sandbox("kill", name)
        test.check(not status()["healthy"], f"status tells that {name} is dead")
    sandbox("up")
    now = pids()
    test.check_health("up heals the control plane")
    test.check(not set(first.values()) & set(now.values()), "every process is a new one")
    test.check("kept" in kubectl("get", "configmaps", "--output=name"), "objects outlive kill -9 of etcd")
    test.check(len(audit.read_bytes()) > length, "the audit log goes on where it was")
    sandbox("restart", "apiserver")
    test.check(pids()["apiserver"] != now["apiserver"], "restart gives a new API server")
    test.check_health("the controllers outlive it")
    test.check("I" in sandbox("logs", "apiserver").stdout, "logs shows the API server's log")
    sandbox("up", "--kwok", "3")
    until(lambda: kubectl("get", "nodes").count(" Ready ") == 3, 30, "readiness of the fake nodes")
    kubectl("create", "deployment", "pretended", "--image=none", "--replicas=3")
    until(lambda: "3/3" in kubectl("get", "deployment", "pretended"), 60, "readiness of pods on fake nodes")
    test.check(True, "pods on fake nodes become ready")


@scenario
def one_node(test):
    """One node: answers, heals after kill -9 of every daemon, takes changed images, keeps the kubeconfig."""
    kubeconfig = Path(os.environ.get("KUBECONFIG", "").split(":")[0] or Path.home() / ".kube" / "config")
    before = kubeconfig.read_text() if kubeconfig.exists() else None
    begin = time.monotonic()
    sandbox("up")
    print(f"          up took {time.monotonic() - begin:.1f} s")
    test.check_health("API, node, DNS and ingress answer")
    first = pids()
    sandbox("up")
    test.check_same(pids(), first, "a second up starts nothing")
    _web("shown", "node1", "first")
    test.check(_answers("shown", "first"), "a Service leads to a pod")
    _heals(test, first)
    _replaces_image(test)
    # Where a node dies in the middle of a removal, local-path-provisioner gives the pod that does it two minutes
    # before it makes another one.
    until(_no_volume, 240, "the removal of the checks' volumes")
    test.check(True, "the checks of up leave no volume")
    sandbox("down")
    after = kubeconfig.read_text() if kubeconfig.exists() else None
    test.check(before == after, "the kubeconfig is as it was")


def _heals(test, first):
    containers = kubectl("get", "pods", "--output=jsonpath={.items[*].status.containerStatuses[*].containerID}")
    for name in first:
        component, _, node = name.partition(" of ")
        sandbox("kill", f"{component}@{node}" if node else component)
    test.check(not any(pids().values()), "every daemon is dead")
    begin = time.monotonic()
    sandbox("up")
    print(f"          healing took {time.monotonic() - begin:.1f} s")
    test.check_health("up heals every daemon killed with -9")
    now = kubectl("get", "pods", "--output=jsonpath={.items[*].status.containerStatuses[*].containerID}")
    test.check(containers == now and containers != "", "containers run on through it")
    until(_no_volume, 60, "the removal of the volume that up has tried")
    sandbox("kill", "node", "node1")
    sandbox("restart", "node", "node1")
    until(lambda: status()["healthy"] and _answer("shown") == "first", 120, "the node's recovery")
    test.check(True, "a node killed with everything on it comes back")


def _no_volume():
    return kubectl("get", "persistentvolumes", "--output=name") == ""


def _replaces_image(test):
    """Loads an image twice under one name with other content; new pods must show the new one."""
    with tempfile.TemporaryDirectory() as scratch:
        for text in ("one", "two"):
            archive = _image(Path(scratch), "localhost/test/shown:1", text)
            sandbox("load", str(archive))
            kubectl(
                "run",
                f"image-{text}",
                "--image=localhost/test/shown:1",
                "--image-pull-policy=IfNotPresent",
                "--restart=Never",
            )
            until(lambda name=f"image-{text}": "Completed" in kubectl("get", "pod", name), 60, "the end of the pod")
            test.check(
                kubectl("logs", f"image-{text}").strip() == text,
                f"an image loaded under the same name is the new one ({text})",
            )


def _image(scratch, name, text):
    """Makes an image that prints a text, from the base image in the cache."""
    archive = scratch / f"{text}.tar"
    absent = [path for path in ("/var/lib/containers", "/run/containers") if not os.path.exists(path)]
    (scratch / "Containerfile").write_text(f'FROM localhost/sandbox/debian:bookworm\nCMD ["echo", "{text}"]\n')
    base = ["buildah", "--root", f"{scratch}/storage", "--runroot", f"{scratch}/run"]
    environment = {**os.environ, "STORAGE_DRIVER": "overlay"}
    cache = Path(status()["cache"])
    debian = max((cache / "images").glob("debian-bookworm-*.tar"), key=lambda path: path.stat().st_mtime)
    for arguments in (
        ["pull", "--quiet", f"docker-archive:{debian}"],
        ["bud", "--quiet", "--isolation", "chroot", "--tag", name, str(scratch)],
        ["push", "--quiet", name, f"docker-archive:{archive}:{name}"],
    ):
        subprocess.run([*base, *arguments], check=True, capture_output=True, env=environment)
    subprocess.run(["umount", f"{scratch}/storage/overlay"], check=False, capture_output=True)
    for path in absent:
        shutil.rmtree(path, ignore_errors=True)  # buildah makes them also with a storage elsewhere
    return archive


@scenario
def three_nodes(test):
    """Three nodes: traffic between them, one killed and restarted, storage on each."""
    begin = time.monotonic()
    sandbox("up", "--nodes", "3")
    print(f"          up took {time.monotonic() - begin:.1f} s")
    test.check(kubectl("get", "nodes").count(" Ready ") == 3, "three nodes are ready")
    for node in ("node1", "node2", "node3"):
        _web(f"web-{node}", node, f"from {node}")
    for node in ("node1", "node2", "node3"):
        test.check(_answers(f"web-{node}", f"from {node}"), f"the machine reaches a pod on {node} through its Service")
        for other in ("node1", "node2", "node3"):
            test.check(
                _comes_to(lambda: _asked_from(node, f"web-{other}") == f"from {other}"),
                f"a pod on {node} reaches one on {other}",
            )
    sandbox("kill", "kubelet@node2")
    test.check(not status()["healthy"], "status tells that a kubelet is dead")
    sandbox("restart", "kubelet@node2")
    sandbox("kill", "node", "node3")
    sandbox("up")
    until(lambda: status()["healthy"] and _answer("web-node3") == "from node3", 120, "the recovery of node3")
    test.check(True, "a killed node comes back with its pods")


@scenario
def crashes(test):
    """Commands killed half-way, and everything killed at once: up heals, down cleans."""
    for seconds in (1.0, 3.0, 5.0):
        process = subprocess.Popen([str(SANDBOX), "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    sandbox("up")
    test.check_health("up after three up killed half-way")
    _web("kept", "node1", "still")
    _as_after_reboot()
    sandbox("up")
    until(
        lambda: status()["healthy"] and _answer("kept") == "still",
        120,
        "the cluster after the loss of all processes and mounts",
    )
    test.check(True, "up heals what a reboot leaves: no process, mount, link, rule")
    with tempfile.TemporaryDirectory() as other:
        shutil.copytree(SANDBOX.parent, f"{other}/sandbox", ignore=shutil.ignore_patterns("__pycache__"))
        for command in ("up", "down"):
            done = subprocess.run([f"{other}/sandbox/sandbox", command], capture_output=True, text=True, check=False)
            test.check(
                done.returncode == 1 and "belongs to the checkout" in done.stderr,
                f"another checkout's {command} is refused",
            )
        for pid in _all_pids():
            os.kill(pid, signal.SIGKILL)
        subprocess.run([f"{other}/sandbox/sandbox", "down", "--force"], check=True, capture_output=True)
    test.check(not status()["up"], "down after kill -9 of everything, by another checkout with --force")


@scenario
def refusals(test):
    """What cannot work is refused in one line that names it."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run([*nobody, str(SANDBOX), "up"], capture_output=True, text=True, check=False)
    test.check(done.returncode == 1 and "needs root" in done.stderr and done.stderr.count("\n") == 1, "not root")
    done = sandbox("kill", "etcd", check=False)
    test.check(done.returncode == 1 and "no cluster" in done.stderr, "kill without a cluster")
    done = sandbox("load", "nothing:1", check=False)
    test.check(done.returncode == 1 and "no cluster" in done.stderr, "load without a cluster")
    done = sandbox("build", "nothing", check=False)
    test.check(done.returncode == 1 and "no image `nothing`" in done.stderr, "an unknown image")
    with tempfile.TemporaryDirectory() as bare:
        os.symlink(shutil.which("rm"), Path(bare, "rm"))
        done = subprocess.run([str(SANDBOX), "down"], env={"PATH": bare}, capture_output=True, text=True, check=False)
    test.check(done.returncode == 0 and "no cluster" in done.stderr, "down where none of its programs is installed")


def _web(name, node, text):
    """Runs nginx on a node that answers a text, behind a Service."""
    config = f"events {{}} pid /tmp/pid; http {{ access_log off; server {{ listen 8080; return 200 '{text}'; }} }}"
    command = ["sh", "-c", f"echo \"{config}\" > /tmp/c && exec nginx -e stderr -c /tmp/c -g 'daemon off;'"]
    container = {
        "name": "web",
        "image": "localhost/sandbox/nginx:1",
        "command": command,
        "imagePullPolicy": "IfNotPresent",
    }
    container["readinessProbe"] = {"httpGet": {"port": 8080}, "periodSeconds": 1}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": node}},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    items = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": items}, file)
        file.flush()
        kubectl("apply", "--server-side", "-f", file.name)
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")


def _answers(service, text):
    """Tells whether a Service comes to answer a text on the machine."""
    return _comes_to(lambda: _answer(service) == text)


def _comes_to(condition):
    """Tells whether something soon holds: kube-proxy writes its rules once a second."""
    try:
        until(condition, 10, "the expected answer")
    except AssertionError:
        return False
    return True


def _answer(service):
    """Asks a Service from the machine."""
    address = kubectl("get", "service", service, "--output=jsonpath={.spec.clusterIP}")
    return _fetch(["python3", "-c", _ASK, address])


def _asked_from(node, service):
    """Asks a Service by its name from a pod on a node."""
    script = f"exec 3<>/dev/tcp/{service}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3"
    return kubectl("exec", f"deployment/web-{node}", "--", "bash", "-c", script, check=False).strip()


_ASK = "import sys, urllib.request; print(urllib.request.urlopen(f'http://{sys.argv[1]}/', timeout=2).read().decode())"


def _fetch(command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _all_pids():
    return Layout.from_environment().groups.members()


def _as_after_reboot():
    """Takes away what a reboot takes away, and makes the record one of an earlier boot."""
    from cluster import network
    from cluster.leftovers import unmount_below

    layout = Layout.from_environment()
    layout.groups.kill()
    unmount_below(layout.state)
    for name in network.links():
        if name.startswith(("sandbox-", "veth")):
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)
    for table in ("ip wesago_sandbox", "ip kube-proxy", "ip6 kube-proxy"):
        subprocess.run(["nft", "delete", "table", *table.split()], check=True)
    layout.groups.remove()
    record = layout.state / "cluster.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "boot": "an earlier one"}))
