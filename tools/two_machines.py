"""Two network namespaces of this machine that stand for two machines: joined by veth at a given speed, a process of Open
MPI in each, which talk over TCP alone. Needs root, ip, tc and unshare."""
import os
import shutil
import signal
import subprocess

import compare_common as common

SLOW = ["tbf", "burst", "128k", "latency", "100ms", "rate"]  # tc's
PROGRAMS = ("ip", "tc", "unshare", "mpirun")


class TwoMachines:
    """In a `with`: the namespaces go with it. scratch: a folder for the script that starts a process in the second one."""

    def __init__(self, scratch, rate=None):
        self.names = [f"bertcl-{os.getpid()}-{i}" for i in range(2)]
        self.agent, self.rate = os.path.join(scratch, "agent"), rate

    def __enter__(self):
        missing = [name for name in PROGRAMS if not shutil.which(name)]
        if missing or os.geteuid():
            raise common.Failed(f"two namespaces need {'root' if not missing else ', '.join(missing)}")
        with open(self.agent, "w", encoding="utf-8") as f:  # as ssh: HOST COMMAND...
            f.write(f'#!/bin/sh\nshift\nexec ip netns exec {self.names[1]} unshare --uts '
                    f'sh -c \'hostname {self.names[1]}; exec sh -c "$0"\' "$*"\n')
        os.chmod(self.agent, 0o755)
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def make(self):
        for name in self.names:
            tool("ip", "netns", "add", name)
        tool("ip", "link", "add", "bcl0", "netns", self.names[0], "type", "veth", "peer", "name", "bcl0", "netns", self.names[1])
        for i, name in enumerate(self.names):
            tool("ip", "-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", "bcl0")
            for link in ("lo", "bcl0"):
                tool("ip", "-n", name, "link", "set", link, "up")
            if self.rate:
                tool("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "bcl0", "root", *SLOW, self.rate)

    def sent(self):
        """Bytes that the first machine's interface has sent."""
        return int(tool("ip", "netns", "exec", self.names[0], "cat", "/sys/class/net/bcl0/statistics/tx_bytes"))

    def run(self, ranks, environment):
        """What rank 0 printed; ranks: the command of each of two."""
        words = ["mpirun", "--bind-to", "none", "--host", "10.77.0.1,10.77.0.2", "--mca", "plm_rsh_agent", self.agent,
                 "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "10.77.0.0/24",
                 "--mca", "oob_tcp_if_include", "10.77.0.0/24", "--mca", "mpi_yield_when_idle", "1", "--allow-run-as-root"]
        for name in sorted(environment):
            words += ["-x", name]
        words += ["-n", "1", *ranks[0], ":", "-n", "1", *ranks[1]]
        script = f'hostname {self.names[0]}; exec "$@"'
        command = ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c", script, "sh", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=dict(os.environ, **environment))
        try:
            out, err = process.communicate(timeout=600)
        except BaseException:
            process.send_signal(signal.SIGTERM)  # mpirun's, which ends both ranks
            process.communicate()
            raise
        if process.returncode:
            raise common.Failed(next((line for line in err.splitlines() if "bertcl" in line), common.last_line(err, "mpirun")))
        return out


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise common.Failed(f"{' '.join(words)}: {common.last_line(done.stderr, words[0])}")
    return done.stdout
