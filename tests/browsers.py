"""Chromium for tests, as a person at a desk has it: a microphone, an ear, and two hands."""

from __future__ import annotations

import os
import shutil
import subprocess
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from urllib3.exceptions import HTTPError

from callcenter.client import npm
from tests.acceptance.support.audio import Tone
from tests.acceptance.support.waiting import eventually
from tests.labs import TELLING

__all__ = ["Page", "browser", "lacking"]

_RATE = 48_000

# Loudest tone of what the page's newest call plays, in hertz; null where nothing is loud.
_HEAR = """
const sounds = [...document.querySelectorAll("audio")].filter((one) => one.srcObject);
const given = sounds.length && sounds[sounds.length - 1].srcObject;
if (!given) return null;
if (!window.ear || window.ear.of !== given) {
  // Chromium plays no more than fifty at once.
  if (window.ear) window.ear.context.close();
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 16384;
  context.createMediaStreamSource(given).connect(analyser);
  window.ear = { of: given, context, analyser };
}
const { context, analyser } = window.ear;
const bins = new Float32Array(analyser.frequencyBinCount);
analyser.getFloatFrequencyData(bins);
let best = 0;
for (let n = 1; n < bins.length; n++) if (bins[n] > bins[best]) best = n;
return bins[best] > -60 ? best * context.sampleRate / analyser.fftSize : null;
"""


class Page:
    """A page that is a phone, in a browser of its own."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def log_in(self, number: str, password: str) -> None:
        """Type extension and password, and send them."""
        for name, text in (("user", number), ("password", password)):
            field = self.driver.find_element(By.ID, name)
            field.clear()
            field.send_keys(text)
        self.driver.find_element(By.CSS_SELECTOR, "#login button").click()

    def relays_only(self) -> None:
        """Have its voice go by TURN alone, as from a network that lets no UDP out."""
        self.driver.execute_script("VOICE.pcConfig.iceTransportPolicy = 'relay'")

    def loses_connection(self) -> None:
        """End its WebSocket, and wait until it has registered by another one."""
        before = "window.before = agent._transport.socket._ws"
        self.driver.execute_script(f"({before}).close()")
        back = "agent.isRegistered() && agent._transport.socket._ws !== window.before"
        eventually(lambda: self.driver.execute_script(f"return {back}"), bool, "another WebSocket")

    def fills(self, **fields: str) -> None:
        """Fill in a form of an example's, and send it."""
        for name, text in fields.items():
            field = self.driver.find_element(By.ID, name)
            field.clear()
            field.send_keys(text)
        self.driver.find_element(By.CSS_SELECTOR, "form button").click()

    def ready(self) -> None:
        """Wait until it is registered."""
        self.says("Ready")

    def says(self, text: str) -> None:
        """Wait until its line of state holds a text."""
        eventually(lambda: self.state, lambda said: text in said, text)

    @property
    def state(self) -> str:
        """Line of state."""
        return self.driver.find_element(By.ID, "state").text

    @property
    def mailbox(self) -> str:
        """Words of the button for voicemail."""
        return self.driver.find_element(By.ID, "mailbox").text

    @property
    def messages(self) -> list[str]:
        """Lines of its voice messages, as they are read: who, when and how long, new or heard."""
        found: list[str] = self.driver.execute_script(
            "return [...document.querySelectorAll('#message-list li')].map("
            "(one) => [...one.querySelectorAll('span')].map((part) => part.textContent).join(': '))"
        )
        return found

    def press_on_message(self, name: str) -> None:
        """Press a button of the newest voice message."""
        self.driver.find_element(By.CSS_SELECTOR, f"#message-list .{name}").click()

    @property
    def played(self) -> float | None:
        """Seconds of the newest voice message that is played; None where there is none."""
        found: float | None = self.driver.execute_script(
            "const sound = document.querySelector('#message-list audio');"
            "return sound && sound.played.length && !sound.error ? sound.duration : null"
        )
        return found

    @property
    def is_logged_in(self) -> bool:
        """True where more than the login is shown."""
        return self.driver.find_element(By.ID, "phone").is_displayed()

    @property
    def calls(self) -> list[str]:
        """Calls as they are shown: who, and how it is."""
        # At once, since a line may go meanwhile.
        found: list[str] = self.driver.execute_script(
            "return [...document.querySelectorAll('#calls li')].map("
            "(one) => one.querySelector('.who').textContent + ': ' + one.dataset.state)"
        )
        return found

    def shows(self, *calls: str) -> None:
        """Wait until just these calls are shown."""
        eventually(lambda: self.calls, lambda said: said == [*calls], str(calls))

    def dial(self, number: str) -> None:
        """Type a number and call it."""
        field = self.driver.find_element(By.ID, "number")
        field.clear()
        field.send_keys(number)
        self.driver.find_element(By.ID, "call").click()

    def type(self, number: str) -> None:
        """Type a number, and no more."""
        self.driver.find_element(By.ID, "number").send_keys(number)

    def press(self, key: str) -> None:
        """Press a key of the keypad."""
        for one in self.driver.find_elements(By.CSS_SELECTOR, "#keys button"):
            if one.text == key:
                one.click()

    def click(self, name: str, call: int = 0) -> None:
        """Press a button of a call, once it is there."""

        def found() -> list[WebElement]:
            lines = self.driver.find_elements(By.CSS_SELECTOR, "#calls li")[call : call + 1]
            return [one for line in lines for one in line.find_elements(By.CLASS_NAME, name)]

        eventually(found, bool, f"the button {name}")[0].click()

    def pictures(self, name: str) -> None:
        """Draw the page for docs/, light and dark, where CALLCENTER_PICTURES names a folder."""
        if folder := os.environ.get("CALLCENTER_PICTURES"):
            self.driver.set_window_size(420, 960)
            for scheme in ("light", "dark"):
                shown = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
                self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", shown)
                self.driver.save_screenshot(str(Path(folder, f"{name}-{scheme}.png")))

    def hears(self, hz: float) -> None:
        """Wait until it plays a tone."""
        eventually(
            lambda: self.driver.execute_script(_HEAR),
            lambda said: said is not None and abs(said - hz) < 15,
            f"{hz} Hz",
        )

    def hears_no(self, hz: float) -> None:
        """Wait until it plays a tone no more."""
        eventually(
            lambda: self.driver.execute_script(_HEAR),
            lambda said: said is None or abs(said - hz) > 15,
            f"no {hz} Hz",
        )


def lacking() -> str:
    """Return why no browser can be given at the page that a switch serves, or nothing."""
    if not (shutil.which("chromedriver") and shutil.which("certutil")):
        return (
            "Chromium is not on this machine (apt install chromium chromium-driver libnss3-tools)"
        )
    return "; ".join(npm.lacking())


@contextmanager
def browser(
    folder: Path,
    url: str,
    address: str,
    authority: Path,
    hz: int,
    others: Mapping[str, str] | None = None,
) -> Iterator[Page]:
    """Give a browser that trusts an authority, finds a name at an address, ``others`` at theirs,
    and whose microphone hears a tone; at ``url``. ``folder`` is its home."""
    folder.mkdir()
    microphone = folder / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(Tone(hz, _RATE).read(_RATE * 10).tobytes())
    store = folder / ".pki/nssdb"
    store.mkdir(parents=True)
    for words in (("-N", "--empty-password"), ("-A", "-n", "own", "-t", "C,,", "-i", authority)):
        subprocess.run(["certutil", "-d", f"sql:{store}", *words], check=True)
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    name = url.partition("://")[2].partition("/")[0].partition(":")[0]
    known = {**(others or {}), name: address}
    rules = ",".join(f"MAP {one} {where}" for one, where in known.items())
    for word in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--lang=en"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", f"--user-data-dir={folder}/profile", "--disable-dev-shm-usage"),
        *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
        f"--use-file-for-fake-audio-capture={microphone}",
        # The ear of the tests; the page itself plays after a click.
        "--autoplay-policy=no-user-gesture-required",
        f"--host-resolver-rules={rules}",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(
        "/usr/bin/chromedriver", env={**os.environ, "HOME": str(folder)}
    )
    driver = webdriver.Chrome(options=options, service=service)

    def told() -> tuple[str, str]:
        # The second: of a driver that is gone itself.
        with suppress(WebDriverException, HTTPError):
            shown = driver.find_element(By.TAG_NAME, "body").text
            lines: list[dict[str, str]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
            return f"browser at {url}", "\n".join((shown, *(line["message"] for line in lines)))
        return f"browser at {url}", "it does not answer"

    TELLING.append(told)
    try:
        driver.get(url)
        # What it has sent and heard is told where its test fails.
        driver.execute_script("if (window.JsSIP) JsSIP.debug.enable('JsSIP:*')")
        yield Page(driver)
    except BaseException:
        # It is gone when the report of its test is made.
        print(*told(), sep="\n")
        raise
    finally:
        TELLING.remove(told)
        driver.quit()
