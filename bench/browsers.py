"""Browsers that are registered at one switch: what they cost its host.

    python -m bench.browsers [--browsers 200]

A browser is a secure WebSocket that an extension registers by, as the page of ``web_phone`` does;
no Chromium is started. Counted are Kamailio's seconds of a processor and its memory, before, with
all of them there, and while each registers once more. Seconds are of one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import lab as lab_package
from lab.lab import find
from tests.attack.sip import Account, WebPeer
from tests.certificates import Authority
from tests.forks import Callcenter, Pyinfra
from tests.roles.conftest import SITE, Operator

HOST, DOMAIN, PORT = "bench6", "roles.callcenter.test", 7443


def used(operator: Operator) -> tuple[float, float]:
    """Return Kamailio's seconds of a processor, and megabytes of memory that are its own."""
    said = operator.ssh(
        HOST,
        "for p in $(pidof kamailio); do awk '{print $14+$15, 0}' /proc/$p/stat; "
        "awk '/^Pss:/ {print 0, $2}' /proc/$p/smaps_rollup; done | "
        "awk '{s+=$1; m+=$2} END {print s, m}'",
    )
    ticks, kilobytes = map(float, said.split())
    return ticks / os.sysconf("SC_CLK_TCK"), kilobytes / 1024


def main() -> None:
    """Print what they cost, step by step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browsers", type=int, default=200)
    count = parser.parse_args().browsers
    lab = find(f"bench-{os.getpid()}")
    pyinfra = Pyinfra()
    try:
        lab.up(())
        lab_package.enter(lab.name)
        lab.up((HOST,))
        with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
            folder = Path(place)
            operator = Operator(folder, lab, (HOST,), pyinfra, Callcenter())
            stack.callback(operator.close)
            authority = Authority.make(folder / "own")
            certificate, key = authority.certificate(DOMAIN)
            operator.secrets.touch(0o600)
            operator.secrets.write_text(json.dumps({"phones-key": key.read_text()}))
            tls = f"PhoneTls('{certificate}', secret('phones-key'), wss=Wss())"
            # The lab's gateway is an office with many phones.
            office = f'Network(tls={tls}, local_networks=["10.0.0.0/8"], '
            extensions = f"Extension.range(1000, {999 + count}"
            operator.describe(
                SITE.replace("Network(", office)
                .replace("Extension.range(1000, 1009", extensions)
                .replace("media=", "web_phone=WebPhone(), media=")
            )
            operator.succeed()
            passwords = json.loads(operator.secrets.read_text())
            accounts = [
                Account(number, DOMAIN, passwords[f"extension/{number}"])
                for number in map(str, range(1000, 1000 + count))
            ]
            server = next(one.address for one in lab.hosts if one.name == HOST)
            context = ssl.create_default_context(cafile=authority.file)
            context.check_hostname = False  # it asks by the address

            before = used(operator)
            print(f"without browsers: {before[1]:.0f} MB", flush=True)
            peers = [
                stack.enter_context(WebPeer(lab.gateway, (server, PORT), DOMAIN, context))
                for _ in accounts
            ]
            for said in ("registered for the first time", "registered once more"):
                begun = time.monotonic()
                for peer, account in zip(peers, accounts, strict=True):
                    answer = peer.login("REGISTER", f"sip:{DOMAIN}", account, timeout=60)
                    assert answer is not None, account.user
                    assert answer.status == 200, (account.user, answer.status)
                took, after = time.monotonic() - begun, used(operator)
                print(
                    f"{count} browsers {said}: {took:.1f} s, of which Kamailio's "
                    f"{(after[0] - before[0]) / count * 1000:.1f} ms of a processor each; "
                    f"{after[1]:.0f} MB, {(after[1] - before[1]) / count * 1024:.0f} kB more each",
                    flush=True,
                )
                before = (after[0], before[1])
    finally:
        pyinfra.close()
        lab.down()


if __name__ == "__main__":
    main()
