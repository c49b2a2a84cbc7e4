"""Registers by TLS, calls a number, sends digits, and hangs up: PJSIP, by its own Python module.

    pip install pjsua2-python
    SIP_DOMAIN=cc.example.net SIP_USER=1000 SIP_PASSWORD_FILE=password SIP_CALL=9196 python call.py

More of the environment: SIP_DIGITS (123), SIP_CA (the authority's certificate; default: those of
the system), SIP_PUSH (parameters of RFC 8599, such as pn-provider=fcm;pn-param=…;pn-prid=…).
Without SIP_CALL it waits for a call, and answers it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pjsua2 as pj

PATIENCE = 60


class Account(pj.Account):  # type: ignore[misc]
    """An extension, and the call that has come to it."""

    incoming: Call | None = None

    def onIncomingCall(self, told: Any) -> None:
        self.incoming = Call(self, told.callId)


class Call(pj.Call):  # type: ignore[misc]
    """A call whose voice goes where there is no sound card."""

    talks = False

    def onCallMediaState(self, told: Any) -> None:
        # By a name of its own: what is in it goes with it.
        known = self.getInfo()
        for number, media in enumerate(known.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                devices = pj.Endpoint.instance().audDevManager()
                voice = self.getAudioMedia(number)
                voice.startTransmit(devices.getPlaybackDevMedia())
                devices.getCaptureDevMedia().startTransmit(voice)
                self.talks = True


def given(name: str) -> str:
    """Return a word of the environment, which has to be there."""
    if not (value := os.environ.get(name)):
        sys.exit(f"{name} is not set")
    return value


def password() -> str:
    """Return it from a file, or from the environment: arguments are seen by whoever asks for
    processes."""
    if path := os.environ.get("SIP_PASSWORD_FILE"):
        return Path(path).read_text().rstrip("\r\n")
    return given("SIP_PASSWORD")


def run(seconds: float) -> None:
    """Let the library work, which does everything in here."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pj.Endpoint.instance().libHandleEvents(20)


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait for something, and say so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            sys.exit(f"not {what}")
        run(0.02)
    print(what, flush=True)


def registered(account: Account) -> bool:
    told = account.getInfo()
    if told.regStatus >= 300:
        sys.exit(f"{told.regStatus} {told.regStatusText}")
    return bool(told.regIsActive)


def talks(call: Call) -> bool:
    told = call.getInfo()
    if told.state == pj.PJSIP_INV_STATE_DISCONNECTED:
        sys.exit(f"{told.lastStatusCode} {told.lastReason}")
    return told.state == pj.PJSIP_INV_STATE_CONFIRMED and call.talks


def begun() -> pj.Endpoint:
    """Return the library, with TLS, which checks the server's certificate and its name."""
    library = pj.Endpoint()
    library.libCreate()
    how = pj.EpConfig()
    how.logConfig.level = how.logConfig.consoleLevel = 0
    # Calls of the library's come in this thread alone: see run().
    how.uaConfig.threadCnt = 0
    library.libInit(how)
    tls = pj.TransportConfig()
    tls.tlsConfig.verifyServer = True
    tls.tlsConfig.CaListFile = os.environ.get("SIP_CA") or "/etc/ssl/certs/ca-certificates.crt"
    tls.tlsConfig.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3
    library.transportCreate(pj.PJSIP_TRANSPORT_TLS, tls)
    library.libStart()
    library.audDevManager().setNullDev()  # No microphone and no speaker.
    return library


def account_of(domain: str) -> Account:
    """Return the extension, which registers from now on."""
    user = given("SIP_USER")
    how = pj.AccountConfig()
    how.idUri = f"sip:{user}@{domain}"
    how.regConfig.registrarUri = f"sip:{domain};transport=tls"
    how.sipConfig.proxies.append(f"sip:{domain};transport=tls;lr")
    how.sipConfig.authCreds.append(pj.AuthCredInfo("digest", domain, user, 0, password()))
    if push := os.environ.get("SIP_PUSH"):
        how.sipConfig.contactUriParams = f";{push}"
    how.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
    how.mediaConfig.srtpSecureSignaling = 1
    made = Account()
    made.create(how)
    return made


def call_of(account: Account, domain: str) -> Call:
    """Return a call: one that is made, or the first that comes, which is answered."""
    how = pj.CallOpParam(True)
    if number := os.environ.get("SIP_CALL"):
        call = Call(account)
        call.makeCall(f"sip:{number}@{domain}", how)
        return call
    until("called", lambda: account.incoming is not None)
    assert account.incoming is not None
    call, account.incoming = account.incoming, None
    how.statusCode = 200
    call.answer(how)
    return call


def converse(call: Call) -> None:
    """Send digits, and hang up."""
    until("talks", lambda: talks(call))
    # The other side's voice has to be there before a key is heard.
    run(1)
    digits = os.environ.get("SIP_DIGITS") or "123"
    call.dialDtmf(digits)
    run(1 + 0.5 * len(digits))
    if call.isActive():
        call.hangup(pj.CallOpParam())
    until("over", lambda: not call.isActive())


def serve(domain: str) -> None:
    """Be the extension for one call."""
    account = account_of(domain)
    until("registered", lambda: registered(account))
    converse(call_of(account, domain))
    account.setRegistration(False)
    until("gone", lambda: not account.getInfo().regIsActive)


def main() -> None:
    library = begun()
    # Account and call go with it: they are the library's, which has to be there.
    serve(given("SIP_DOMAIN"))
    library.libDestroy()


if __name__ == "__main__":
    main()
