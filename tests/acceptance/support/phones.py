"""Real SIP phones for tests: they register, call, play tones and hear what the other side plays.

Tests are plain functions. The phones live on an event loop in a thread of their own, so sound
goes on while a test runs a command on a host; every call below waits for an event and gives up
after its timeout. `exchange` is a fixture that enters `Exchange(address of this machine)`:

    def test_two_extensions_hear_each_other(exchange):
        alice = exchange.phone("1001", password, domain="cc.example.net", server="203.0.113.10")
        bob = exchange.phone("1002", password, domain="cc.example.net", server="203.0.113.10")
        alice.register(), bob.register()
        call, answered = alice.call("1002"), bob.incoming().answer()
        call.play(440), answered.play(1000), assert_heard(call, 1000, seconds=2)

One exchange at a time in a process: the library keeps global state. Its phones share one port and
are told apart by their user, so two phones of one user need two processes. Never import
`pyinfra_cli.main` here: it patches threads and sockets for gevent, and the library hangs.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import numpy as np
from baresip import call as vendor_call
from baresip.config import Account, Config
from baresip.errors import (
    AudioNotActive,
    AudioRestarted,
    BaresipError,
    RegistrationError,
    StaleHandleError,
    TransferFailed,
    split_status,
)
from baresip.events import Event, StackEvent
from baresip.runtime import Runtime
from baresip.ua import UserAgent

from tests.acceptance.support.audio import Pcm, Samples, Tone
from tests.acceptance.support.ladder import Ladder, Message, Sdp, Trace
from tests.acceptance.support.waiting import PATIENCE, announce, hurry

Transport = Literal["udp", "tcp", "tls"]
Codec = Literal["PCMU", "PCMA", "G722", "OPUS"]
DtmfMode = Literal["rfc2833", "info"]
Srtp = Literal["sdes", "offered", "dtls"]
T = TypeVar("T")

_CODECS = {"PCMU": "pcmu", "PCMA": "pcma", "G722": "g722/16000/1", "OPUS": "opus/48000/2"}
_SRTP = {"sdes": "srtp-mand", "offered": "srtp", "dtls": "dtls_srtp"}
_HUNG_UP = ("Rejected by user", "Connection reset by peer")
_INTERCOM = ("Call-Info", "Alert-Info")
_COMMAND_SECONDS = PATIENCE
_CLOSE_SECONDS = 10.0
_TICK_SECONDS = 0.02
# Written ahead of the transmit clock, so that a busy machine leaves no gap in a tone.
_LEAD_SECONDS = 0.1


class PhoneError(Exception):
    """Something a phone was asked to do did not happen."""


class PhoneTimeout(PhoneError, TimeoutError):
    """What was waited for did not happen in time."""


class RegistrationRefused(PhoneError):
    """The registrar answered REGISTER with a final refusal."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"registration refused: {code} {reason}")
        self.code, self.reason = code, reason


class Unreachable(PhoneError):
    """No answer to REGISTER: nobody listens, a certificate is not trusted, or packets are lost."""


class CallFailed(PhoneError):
    """A call or transfer ended before it was answered; `code` is None where no answer came."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"call failed: {code} {reason}" if code else f"call failed: {reason}")
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class EndReason:
    """How a call ended: the final status if it was refused, and who ended it."""

    code: int | None
    phrase: str
    by: Literal["us", "them"]


@dataclass(frozen=True)
class Stats:
    """A finished call's media. Loss and jitter are RTCP's: zero until a report came."""

    seconds: int
    sent: int
    received: int
    lost: int
    jitter_ms: float


class Exchange:
    """All phones of a test, at one address of this machine.

    `address` is an address or the name of an interface; `port` is only needed where something
    calls the phones without their registration; with `certificate` (PEM, with its key) that may be
    by TLS, at the port after it. TLS servers are checked against `ca_file`, by default the system's
    authorities; a name is not checked where the server is an address.
    `enter` is called in the phones' thread first, to take it into another network.
    """

    def __init__(
        self,
        address: str,
        *,
        port: int | None = None,
        ca_file: Path | None = None,
        certificate: Path | None = None,
        enter: Callable[[], None] | None = None,
    ) -> None:
        authorities = ca_file or ssl.get_default_verify_paths().cafile
        # Clear of 16384-32768, which a FreeSWITCH on this machine takes its ports from.
        extra = "rtp_ports 40000-59999\nsip_verify_server yes\n"
        # A phone on a desk throws away what comes a tenth of a second late. Here that would be this
        # machine's lateness, and sound is judged by what was sent.
        extra += "audio_jitter_buffer_type off\n"
        extra += f"sip_cafile {authorities}\n" if authorities else ""
        extra += f"sip_certificate {certificate}\n" if certificate else ""
        extra += f"sip_listen {_host(address)}:{port}\n" if port else ""
        self._config = Config(
            net_interface=address,
            sip_trace=True,
            max_concurrent_calls=None,
            expose_headers=_INTERCOM,
            extra_config_text=extra,
        )
        self.address, self.port, self._enter = address, port, enter
        self.trace = Trace()
        self._phones: dict[str, Phone] = {}
        self._calls: dict[int, Call] = {}
        self._unclaimed: dict[int, list[StackEvent]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="phones", daemon=True)
        self._changed = threading.Condition()
        self._recorder = _Recorder(self._on_traced)
        self._runtime = Runtime(command_timeout=PATIENCE)
        self._pump: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        monkey = sys.modules.get("gevent.monkey")
        if monkey and monkey.is_module_patched("threading"):
            raise PhoneError("gevent has patched this process, in which the phones would hang")
        self._thread.start()
        self._recorder.attach()
        try:
            self._do(self._start(), _COMMAND_SECONDS)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._do(self._close(), _CLOSE_SECONDS + _COMMAND_SECONDS)
        finally:
            self._stop()

    def phone(
        self,
        user: str,
        password: str = "",
        *,
        domain: str | None = None,
        server: str | None = None,
        port: int | None = None,
        transport: Transport = "udp",
        codecs: tuple[Codec, ...] = ("PCMU", "PCMA"),
        dtmf: DtmfMode = "rfc2833",
        srtp: Srtp | None = None,
        answers_itself: bool = False,
        before_dialling: Callable[[str], None] | None = None,
    ) -> Phone:
        """Return a phone for `user` of `domain`, whose requests all go to the server's address and
        port.

        Without a server it cannot register: it calls, and is called at, `user@address:port`.
        `answers_itself`: where a caller asks for it (Call-Info, Alert-Info), as of an intercom.
        `before_dialling` is given each number that the phone calls, or transfers a call to.
        """
        if user in self._phones:
            raise ValueError(f"this exchange has a phone of {user} already")
        registrar = None
        if server:
            port = port or (5061 if transport == "tls" else 5060)
            registrar = f"sip:{_host(server)}:{port};transport={transport}"
        account = Account(
            user,
            domain or f"{_host(self.address)}:{self.port or 5060}",
            password,
            registrar=registrar,
            reg_interval=600 if server else 0,
            transport=transport,
            audio_codecs=tuple(_CODECS[codec] for codec in codecs),
            dtmf_mode="info" if dtmf == "info" else "rtpevent",
            extra_params=(f"mediaenc={_SRTP[srtp]}",) if srtp else (),
        )
        agent = self._do(UserAgent.create(self._runtime, account), _COMMAND_SECONDS)
        phone = self._phones[user] = Phone(
            self, agent, user, account.domain, transport, answers_itself, before_dialling
        )
        return phone

    def first_incoming(self, phones: Iterable[Phone], timeout: float = PATIENCE) -> Call:
        """Wait for a call to any of these phones: the one that rings first."""
        watched = list(phones)
        self._wait(lambda: any(one._ringing for one in watched), timeout, "a call to any phone")
        return next(one for one in watched if one._ringing)._ringing.popleft()

    @property
    def users(self) -> list[str]:
        """The users of all phones so far."""
        return list(self._phones)

    def ladder(self) -> Ladder:
        """Return the ladder of all SIP messages so far, secrets masked."""
        with self._changed:
            return Ladder.of(list(self.trace.messages))

    async def _start(self) -> None:
        if self._enter is not None:
            self._enter()
        hurry()
        await self._runtime.start(self._config)
        self._runtime.subscribe(self._on_event)
        self._pump = self._loop.create_task(self._pump_audio())

    async def _close(self) -> None:
        # The switch should not go on ringing phones that are gone.
        live = [call._line.hangup() for call in self._calls.values() if not call.ended]
        await asyncio.gather(*live, return_exceptions=True)
        bound = [phone._agent.unregister(timeout=_CLOSE_SECONDS) for phone in self._phones.values()]
        await asyncio.gather(*bound, return_exceptions=True)
        if self._pump:
            self._pump.cancel()
        await self._runtime.close()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_COMMAND_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()
        self._recorder.detach()

    async def _pump_audio(self) -> None:
        # The library has no event for "sound arrived": this is the sound card's clock.
        while True:
            with self._changed:
                if any([call._exchange_audio() for call in self._calls.values()]):
                    self._changed.notify_all()
            await asyncio.sleep(_TICK_SECONDS)

    def _on_event(self, event: StackEvent) -> None:
        if not event.call:
            return
        with self._changed:
            call = self._calls.get(event.call)
            if call:
                call._on_event(event)
                self._changed.notify_all()
            else:
                # Events may come before the library hands out the call that they are about.
                self._unclaimed.setdefault(event.call, []).append(event)

    def _on_traced(self, text: str) -> None:
        with self._changed:
            self.trace.add(time.monotonic(), text)
            self._changed.notify_all()

    def _adopt(self, line: vendor_call.Call, phone: Phone, number: str, outgoing: bool) -> Call:
        with self._changed:
            call = self._calls[line.handle] = Call(self, line, phone, number, outgoing)
            for event in self._unclaimed.pop(line.handle, []):
                call._on_event(event)
            self._changed.notify_all()
        return call

    def _do(self, action: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run one of the library's coroutines on its loop; its errors become ours."""
        future = asyncio.run_coroutine_threadsafe(action, self._loop)
        # "from None": the library's frames hold accounts, and with them passwords.
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise PhoneTimeout(f"the phone library did not finish in {seconds:g} s") from None
        except RegistrationError as error:
            if error.status is None:
                raise Unreachable(error.reason or str(error)) from None
            raise RegistrationRefused(error.status, error.reason) from None
        except TransferFailed as error:
            raise CallFailed(error.status, error.reason or str(error)) from None
        except BaresipError as error:
            raise PhoneError(str(error)) from None

    def _wait(
        self,
        done: Callable[[], bool],
        timeout: float,
        what: str,
        seen: Callable[[], str] | None = None,
    ) -> None:
        announce(what)
        with self._changed:
            if not self._changed.wait_for(done, timeout):
                instead = (seen or self._seen)()
                raise PhoneTimeout(f"{what}: not within {timeout:g} s; {instead}")

    def _seen(self) -> str:
        """Describe the latest SIP message, which came instead of what was waited for."""
        if not self.trace.messages:
            return "no SIP message came or went"
        last = self.trace.messages[-1]
        way = "from" if last.sent else "to"
        ago = time.monotonic() - last.at
        return f"the last of SIP, {ago:.1f} s ago, was {last.label} {way} {last.phone}"


class Phone:
    """One extension's phone, made by `Exchange.phone`. It does not keep its password."""

    def __init__(
        self,
        exchange: Exchange,
        agent: UserAgent,
        user: str,
        domain: str,
        transport: str,
        answers_itself: bool = False,
        before_dialling: Callable[[str], None] | None = None,
    ) -> None:
        self._answers_itself = answers_itself
        self._before_dialling = before_dialling
        self.user, self.domain, self.transport = user, domain, transport
        self._exchange, self._agent = exchange, agent
        self._ringing: deque[Call] = deque()
        agent.on_incoming(self._on_incoming)

    def __repr__(self) -> str:
        return f"<Phone {self.user}@{self.domain} {self.transport}>"

    def register(self, timeout: float = PATIENCE) -> None:
        """Register and wait for the answer. Raises RegistrationRefused or Unreachable.

        A refused phone tries again by itself after half a minute: leave the exchange before,
        where attempts are counted.
        """
        self._exchange._do(self._agent.register(timeout=timeout), timeout + 1)

    def unregister(self, timeout: float = PATIENCE) -> None:
        """Unregister and wait for the answer; nothing happens to a phone not registered."""
        self._exchange._do(self._agent.unregister(timeout=timeout), timeout + 1)

    def call(self, number: str) -> Call:
        """Dial a number of the phone's domain, or a whole `user@host:port`, and do not wait."""
        uri = self._uri(number)
        line = self._exchange._do(self._agent.dial(uri), _COMMAND_SECONDS)
        return self._exchange._adopt(line, self, number, outgoing=True)

    def incoming(self, timeout: float = PATIENCE) -> Call:
        """Wait for a call to this phone. It is ringing (180) until answered or rejected."""
        self._exchange._wait(lambda: bool(self._ringing), timeout, f"a call to {self.user}")
        return self._ringing.popleft()

    @property
    def messages(self) -> list[Message]:
        """The SIP messages that this phone sent and received; for the very last, wait_message."""
        with self._exchange._changed:
            return [m for m in self._exchange.trace.messages if m.phone == self.user]

    def wait_message(self, wanted: Callable[[Message], bool], timeout: float = PATIENCE) -> Message:
        """Wait for such a message of this phone, and return the latest.

        The trace comes through a thread of its own, a moment behind the events.
        """
        what = f"a SIP message of {self.user}"
        self._exchange._wait(lambda: any(wanted(m) for m in self.messages), timeout, what)
        return next(m for m in reversed(self.messages) if wanted(m))

    def _uri(self, number: str) -> str:
        if self._before_dialling:
            self._before_dialling(number)
        target = number if "@" in number else f"{number}@{self.domain}"
        return f"sip:{target};transport={self.transport}"

    def _on_incoming(self, line: vendor_call.Call) -> None:
        caller = (line.peer or "").removeprefix("sip:").removesuffix(f"@{self.domain}")
        self._ringing.append(self._exchange._adopt(line, self, caller, outgoing=False))
        asked = " ".join(line.headers.get(name, "") for name in _INTERCOM)
        if self._answers_itself and ("answer-after=0" in asked or "alert-autoanswer" in asked):
            # What the library leaves to the phone's own program.
            self._answering = asyncio.ensure_future(_accept(line))


class Call:
    """One phone's side of a call, made by `Phone.call` and `Phone.incoming`."""

    def __init__(
        self, exchange: Exchange, line: vendor_call.Call, phone: Phone, number: str, outgoing: bool
    ) -> None:
        self.phone, self.number, self.outgoing = phone, number, outgoing
        self.ringing, self.established, self.ended = False, False, False
        self.held_by_peer = False
        self.digits = ""
        self._exchange, self._line = exchange, line
        self._call_id = line.call_id or ""
        self._end: EndReason | None = None
        self._we_ended = False
        self._tone_hz: float | None = None
        self._tone: Tone | None = None
        self._played_seconds = 0.0
        self._rate = 0
        self._heard: list[bytes] = []

    def __repr__(self) -> str:
        way = "to" if self.outgoing else "from"
        return f"<Call of {self.phone.user} {way} {self.number}>"

    def answer(self, timeout: float = PATIENCE) -> Call:
        """Answer an incoming call and wait until it is established."""
        self._exchange._do(_accept(self._line), _COMMAND_SECONDS)
        self.wait_established(timeout)
        return self

    def reject(self) -> None:
        """Refuse an incoming call with 486 Busy Here, the only refusal the library has."""
        self._finish(self._line.reject())

    def hangup(self) -> None:
        """End the call, whatever its state, and wait for its end. A call already gone is fine."""
        self._finish(self._line.hangup())

    def wait_ringing(self, timeout: float = PATIENCE) -> None:
        """Wait until the other side rings (180), or sends early media or another 18x."""
        self._wait(lambda: self.ringing or self.established, timeout, "ringing")

    def wait_established(self, timeout: float = PATIENCE) -> None:
        """Wait until the call is answered; hangs up when it is not."""
        try:
            self._wait(lambda: self.established, timeout, "an answer")
        except PhoneTimeout:
            self.hangup()
            raise

    def wait_ended(self, timeout: float = PATIENCE) -> EndReason:
        """Wait until the call is over, and say how it ended."""
        self._exchange._wait(lambda: self.ended, timeout, f"the end of {self}")
        assert self._end
        return self._end

    def send_dtmf(self, digits: str) -> None:
        """Press the keys, 100 ms each, in the way the phone was made for."""
        self._exchange._do(self._line.send_dtmf(digits), len(digits) + _COMMAND_SECONDS)

    def wait_digits(self, digits: str, timeout: float = PATIENCE) -> None:
        """Wait until the keys received so far end with `digits`."""
        self._exchange._wait(
            lambda: self.digits.endswith(digits),
            timeout,
            f"{self}: digits {digits}",
            lambda: f"received {self.digits or 'none'}",
        )

    def play(self, tone_hz: float | None) -> None:
        """Send a continuous tone from now on, None for silence."""
        with self._exchange._changed:
            self._tone_hz, self._tone, self._played_seconds = tone_hz, None, 0.0
            with suppress(AudioNotActive, AudioRestarted):
                self._line.audio.flush_tx()

    def wait_played(self, seconds: float) -> None:
        """Wait until the tone was sent for so long, however long that takes a busy machine."""
        enough = seconds + _LEAD_SECONDS
        what = f"{seconds:g} s of {self._tone_hz:g} Hz to be sent"
        self._wait(lambda: self._played_seconds >= enough, seconds + PATIENCE, what)

    @property
    def heard(self) -> Pcm:
        """The sound so far: since the start, the last `forget`, or the last change of rate."""
        with self._exchange._changed:
            data, rate = b"".join(self._heard), self._rate or 8000
        return Pcm(np.frombuffer(data, dtype=np.int16), rate)

    def forget(self) -> None:
        """Start `heard` and `digits` anew, for example once an announcement is over."""
        with self._exchange._changed:
            self._heard, self.digits = [], ""

    def listen(self, enough: Callable[[Pcm], bool], timeout: float) -> Pcm:
        """Wait until `enough` is true of the sound heard, and return it.

        When the time is over or the call ends, what was heard is returned all the same.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended, pieces, heard = self.ended, len(self._heard), self.heard
            left = deadline - time.monotonic()
            if ended or left <= 0 or enough(heard):
                return heard
            with self._exchange._changed:
                # Judged five times a second, and less often the more there is to judge.
                wanted = pieces + max(10, pieces // 25)
                self._exchange._changed.wait_for(
                    lambda: self.ended or len(self._heard) >= wanted,  # noqa: B023
                    left,
                )

    @property
    def codec(self) -> str:
        """The codec agreed on, such as PCMU/8000."""
        return self._sdp(lambda m: m.status is not None).codec

    @property
    def remote_address(self) -> tuple[str, int]:
        """The address and port where the other side wants its sound, as its SDP says."""
        theirs = self._sdp(lambda m: not m.sent)
        return theirs.address, theirs.port

    @property
    def messages(self) -> list[Message]:
        """The SIP messages of this phone's side of the call so far; for the very last,
        wait_message."""
        return [m for m in self.phone.messages if m.call_id == self._call_id]

    def wait_message(self, wanted: Callable[[Message], bool], timeout: float = PATIENCE) -> Message:
        """Wait for such a message of this side of the call, and return the latest."""
        return self.phone.wait_message(lambda m: m.call_id == self._call_id and wanted(m), timeout)

    @property
    def final_stats(self) -> Stats:
        """What the media was like; there once the call has ended."""
        stats = self._line.final_stats
        if stats is None:
            raise PhoneError(f"{self} has no statistics yet")
        return Stats(
            stats.duration_s, stats.tx_packets, stats.rx_packets, stats.rx_lost, stats.rx_jitter_ms
        )

    def hold(self) -> None:
        """Put the other side on hold."""
        self._settle()
        self._exchange._do(self._line.hold(), _COMMAND_SECONDS)

    def resume(self) -> None:
        """Take the other side off hold."""
        self._settle()
        self._exchange._do(self._line.resume(), _COMMAND_SECONDS)

    def wait_held(self, held: bool = True, timeout: float = PATIENCE) -> None:
        """Wait until the other side holds this call, or with False resumes it."""
        self._wait(lambda: self.held_by_peer == held, timeout, "hold" if held else "resume")

    def transfer(self, number: str, timeout: float = PATIENCE) -> None:
        """Blind transfer: send the other side to `number`. Done, this call is over.

        Raises CallFailed, and the call goes on, where the transfer did not succeed.
        """
        self._settle()
        uri = self.phone._uri(number)
        self._we_ended = True
        try:
            self._exchange._do(self._line.transfer(uri, timeout=timeout), timeout + 1)
        except PhoneError:
            self._we_ended = False
            raise

    def transfer_to(self, other: Call, timeout: float = PATIENCE) -> None:
        """Attended transfer: connect the other sides of both calls. Done, both are over here."""
        # Held before, not at once with the transfer, as a person's phone does.
        for call in (self, other):
            call.hold()
            call._settle()
        self._we_ended = other._we_ended = True
        try:
            action = self._line.attended_transfer(other._line, timeout=timeout)
            self._exchange._do(action, timeout + 10)
        except PhoneError:
            self._we_ended = other._we_ended = False
            raise

    def follow_transfer(self, timeout: float = PATIENCE) -> Call:
        """Wait for the other side's REFER and dial where it points."""
        wanted = lambda: self._line.transfer_request is not None  # noqa: E731
        self._wait(wanted, timeout, "a transfer request")
        request = self._line.transfer_request
        line = self._exchange._do(self._line.accept_transfer(), _COMMAND_SECONDS)
        target = request.target.removeprefix("sip:").partition(";")[0] if request else ""
        return self._exchange._adopt(line, self.phone, target, outgoing=True)

    def _finish(self, action: Coroutine[Any, Any, None]) -> None:
        async def end() -> None:
            with suppress(StaleHandleError):
                await action

        self._we_ended = self._we_ended or not self.ended
        self._exchange._do(end(), _COMMAND_SECONDS)
        self.wait_ended()

    def _wait(self, done: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait for something that cannot come any more once the call has ended."""
        self._exchange._wait(lambda: done() or self.ended, timeout, f"{self}: {what}")
        if not done():
            assert self._end
            raise CallFailed(self._end.code, self._end.phrase)

    def _settle(self) -> None:
        # The library refuses to send a re-INVITE while another is open.
        def settled() -> bool:
            opened = {(m.sent, m.header("cseq").split()[0]) for m in self._requests("INVITE")}
            closed = {(m.sent, m.header("cseq").split()[0]) for m in self._requests("ACK")}
            return opened <= closed

        self._wait(settled, PATIENCE, "the end of a re-INVITE")

    def _sdp(self, wanted: Callable[[Message], bool]) -> Sdp:
        sdp = self.wait_message(lambda m: bool(m.sdp) and wanted(m)).sdp
        assert sdp
        return sdp

    def _requests(self, method: str) -> list[Message]:
        return [m for m in self.messages if m.status is None and m.method == method]

    def _on_event(self, event: StackEvent) -> None:
        self._call_id = self._call_id or event.call_id or ""
        match event.event:
            case Event.CALL_RINGING | Event.CALL_PROGRESS:
                self.ringing = True
            case Event.CALL_ESTABLISHED:
                self.established = True
            case Event.CALL_HOLD:
                self.held_by_peer = True
            case Event.CALL_RESUME:
                self.held_by_peer = False
            case Event.CALL_DTMF_START:
                self.digits += event.text or ""
            case Event.CALL_CLOSED:
                code, phrase = split_status(event.text or "no reason given")
                # A BYE or CANCEL, which the library reports as an error of its own.
                if phrase.startswith(_HUNG_UP) and (self.established or not self.outgoing):
                    phrase = "hung up"
                self._end = EndReason(code, phrase, "us" if self._we_ended else "them")
                self.ended = True

    def _exchange_audio(self) -> bool:
        """One tick of the sound card; True if something was heard or played."""
        played = False
        audio = self._line.audio
        try:
            info = audio.info()
            if self._tone_hz and info.tx_ready:
                rate, channels = info.tx_sample_rate, info.tx_channels
                if not self._tone or self._tone.rate != rate:
                    self._tone = Tone(self._tone_hz, rate)
                wanted = round(rate * _LEAD_SECONDS) - info.tx_buffered // (2 * channels)
                if wanted > 0:
                    audio.write(np.repeat(self._tone.read(wanted), channels).tobytes())
                    self._played_seconds += wanted / rate
                    played = True
            if not info.rx_ready or not info.rx_buffered:
                return played
            if info.rx_sample_rate != self._rate:
                self._rate, self._heard = info.rx_sample_rate, []
            samples: Samples = np.frombuffer(audio.read(info.rx_buffered), dtype=np.int16)
            self._heard.append(samples[:: info.rx_channels].tobytes())
        except (AudioNotActive, AudioRestarted):
            # Before the first SDP, after the end, and in the middle of a re-INVITE.
            return False
        return True


class _Recorder(logging.Filter):
    """Takes the library's SIP trace, and lets it reach no log: it is not masked yet.

    A filter, because pytest's log capture listens even to loggers that do not propagate.
    """

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__()
        self._take = take
        self._logger = logging.getLogger("baresip.native.sip")

    def attach(self) -> None:
        self._before = self._logger.level
        self._logger.addFilter(self)
        self._logger.setLevel(logging.DEBUG)

    def detach(self) -> None:
        self._logger.removeFilter(self)
        self._logger.setLevel(self._before)

    def filter(self, record: logging.LogRecord) -> bool:
        self._take(record.getMessage())
        return False


async def _accept(line: vendor_call.Call) -> None:
    # Willing to see, though nobody shows anything: without it the library sends an INVITE of its
    # own behind each answer, as phones do not. FreeSWITCH 1.10.12 may hold such a call for ever
    # (signalwire/freeswitch 2290).
    await line.answer(video=True)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
