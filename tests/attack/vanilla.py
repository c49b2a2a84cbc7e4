"""A switch of FreeSWITCH's own packages and its vanilla configuration, to compare ours with.

Vanilla is a telephone system that is whole but for what no package can know. Of that alone it is
told: a domain, a password that is not its 1234, a carrier, a route and a DID to it, who may call
outside, a conference's and a mailbox's PIN. There is no packet filter, since it brings none.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import subprocess
import tarfile
from pathlib import Path

from callcenter.render import paths
from callcenter.site import LocalPackages
from lab.lab import Lab
from tests.roles.conftest import Operator
from tests.roles.support import until

__all__ = ["configure"]

_INTO = "/etc/freeswitch"
_CONFIGURATION = "/usr/share/freeswitch/conf/vanilla"
# A line with the tag of an include is dropped whole.
_GATEWAY = """<include>
<gateway name="carrier">
<param name="username" value="x"/><param name="password" value="x"/>
<param name="proxy" value="{carrier}"/><param name="realm" value="{carrier}"/>
<param name="register" value="false"/><param name="caller-id-in-from" value="true"/>
</gateway>
</include>
"""
_ROUTE = """<include>
<extension name="out">
<condition field="${toll_allow}" expression="domestic"/>
<condition field="destination_number" expression="^0([1-9]\\d{5,10})$">
<action application="set" data="effective_caller_id_number=${outbound_caller_id_number}"/>
<action application="bridge" data="sofia/gateway/carrier/+49$1"/>
</condition></extension>
<extension name="emergency"><condition field="destination_number" expression="^112$">
<action application="bridge" data="sofia/gateway/carrier/112"/>
</condition></extension>
</include>
"""
_DID = """<include>
<extension name="did">
<condition field="destination_number" expression="^\\+4930123400$">
<action application="set" data="domain_name=$${domain}"/>
<action application="transfer" data="1002 XML default"/>
</condition></extension>
</include>
"""
_OWN = '"set" data="external_{}_ip=$${{local_ip_v4}}"'
_MEETING = """<extension name="weekly">
<condition field="destination_number" expression="^3000$">
<action application="answer"/><action application="conference" data="weekly@default+{pin}"/>
</condition></extension>
"""


def configure(
    operator: Operator, lab: Lab, host: str, domain: str, carrier: str, pin: str, box_pin: str
) -> None:
    """Install FreeSWITCH's vanilla on a host that has its packages, and start it. ``carrier``: the
    address and port of one that asks for no login."""
    password = secrets.token_hex(8)
    numbers = [str(number) for number in range(1000, 1020)]
    operator.secrets.touch(0o600)
    operator.secrets.write_text(json.dumps({f"extension/{one}": password for one in numbers}))
    _send(lab, host, _packages(), "/var/tmp/vanilla")
    said = operator.ssh(
        host,
        "set -e; export DEBIAN_FRONTEND=noninteractive; systemctl stop freeswitch; "
        "apt-get -qq update >/dev/null 2>&1 || true; "
        "apt-get -qq install -y --no-install-recommends --allow-downgrades "
        "/var/tmp/vanilla/*.deb >/var/tmp/vanilla/log 2>&1 || tail -n 20 /var/tmp/vanilla/log; "
        f"rm -rf {_INTO} /etc/systemd/system/freeswitch.service.d; "
        f"cp -a {_CONFIGURATION} {_INTO}; systemctl daemon-reload",
    )
    assert said == "", said
    read = operator.ssh(host, f"cat {_INTO}/vars.xml")
    for wanted, told in (
        ("default_password=1234", f"default_password={password}"),
        ("domain=$${local_ip_v4}", f"domain={domain}"),
        # No STUN server answers in the lab.
        ('"stun-set" data="external_rtp_ip=stun:stun.freeswitch.org"', _OWN.format("rtp")),
        ('"stun-set" data="external_sip_ip=stun:stun.freeswitch.org"', _OWN.format("sip")),
    ):
        assert wanted in read, wanted
        read = read.replace(wanted, told, 1)
    dialplan = operator.ssh(host, f"cat {_INTO}/dialplan/default.xml")
    begin = '<context name="default">'
    assert begin in dialplan
    files = {
        "vars.xml": read,
        "dialplan/default.xml": dialplan.replace(begin, begin + _MEETING.format(pin=pin), 1),
        "dialplan/default/00_out.xml": _ROUTE,
        "dialplan/public/00_did.xml": _DID,
        "sip_profiles/external/carrier.xml": _GATEWAY.format(carrier=carrier),
    }
    for number in numbers:
        user = operator.ssh(host, f"cat {_INTO}/directory/default/{number}.xml")
        if number not in ("1000", "1001"):
            user = re.sub(r'(toll_allow" value=")[^"]*', r"\1", user)
        if number == "1006":
            user = re.sub(r'(vm-password" value=")[^"]*', rf"\g<1>{box_pin}", user)
        files[f"directory/default/{number}.xml"] = user
    _send(lab, host, {name: text.encode() for name, text in files.items()}, _INTO)
    operator.ssh(host, f"chown -R freeswitch: {_INTO}; systemctl restart {paths.UNIT}")
    until(
        lambda: operator.ssh(host, "fs_cli -x 'sofia status' 2>&1; true"),
        lambda text: "internal" in text and "RUNNING" in text and "carrier" in text,
    )


def _packages() -> dict[str, bytes]:
    """Return the .deb files of vanilla's configuration and of what its packages bring with it."""
    folder = Path(LocalPackages().path)
    meta = next(folder.glob("freeswitch-meta-vanilla_*.deb"))
    shown = subprocess.run(
        ["dpkg-deb", "-f", str(meta), "Depends"], capture_output=True, text=True, check=True
    ).stdout
    wanted = {name for name in re.findall(r"freeswitch-mod-[a-z0-9-]+", shown)}
    wanted |= {"freeswitch-conf-vanilla", "freeswitch-mod-opus"}
    found = {name: next(folder.glob(f"{name}_*.deb"), None) for name in sorted(wanted)}
    return {file.name: file.read_bytes() for file in found.values() if file is not None}


def _send(lab: Lab, host: str, files: dict[str, bytes], folder: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o640
            tar.addfile(entry, io.BytesIO(data))
    command = f"mkdir -p {folder} && tar -C {folder} --no-same-owner -x"
    subprocess.run(lab.ssh(host, [command]), input=packed.getvalue(), check=True)
