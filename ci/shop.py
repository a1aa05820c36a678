"""The example shop as a process, and the requests that the checks send to it."""

import ast
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = Path(os.environ.get("SHOP", TARGET / "debug" / "examples" / "shop"))
SCRATCH = TARGET / "ci"

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fresh_sqlite(name):
    """The URL of a file; in memory there is one connection only, and an abandoned transaction holds it."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for file in SCRATCH.glob(f"{name}.sqlite*"):
        file.unlink()
    return f"sqlite://{SCRATCH / name}.sqlite?mode=rwc"


def wait_for(what, seconds, found):
    """Polls until `found()` is truthy, and gives that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Shop:
    """A running shop; leaving the block stops it as an orchestrator would, by SIGTERM."""

    def __init__(self, name, protocol=None, endpoint=None, **environment):
        SCRATCH.mkdir(parents=True, exist_ok=True)
        self.stdout, self.stderr = SCRATCH / f"{name}.stdout", SCRATCH / f"{name}.stderr"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        clean.pop("DATABASE_URL", None)
        self.environment = clean | {"PORT": "0", "RUST_LOG": "info"} | environment
        if endpoint:
            self.environment |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            }

    def __enter__(self):
        with open(self.stdout, "wb") as out, open(self.stderr, "wb") as err:
            self.process = subprocess.Popen([BINARY], env=self.environment, stdout=out, stderr=err)
        try:
            listening = wait_for("the shop listens", 20, self._listening)
        except AssertionError:
            self.process.kill()
            raise AssertionError(f"the shop did not start:\n{self.stderr.read_text()}") from None
        self.address = ("127.0.0.1", int(listening.group(1)))
        return self

    def _listening(self):
        if self.process.poll() is not None:
            raise AssertionError("it ended")
        return re.search(r"listening on 127\.0\.0\.1:(\d+)", self.stderr.read_text())

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def stop(self, seconds=40):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the shop did not stop within {seconds} s") from None
        assert code == 0, f"the shop ended with {code}:\n{self.stderr.read_text()}"

    def request(self, method, path, body=None, **headers):
        """Status, text and seconds of a request."""
        url = "http://{}:{}{}".format(*self.address, path)
        data = None if body is None else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data, {"content-type": "application/json"} | headers, method=method)
        started = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, text, time.monotonic() - started

    def login(self, user="ann", password="tea"):
        status, token, _ = self.request("POST", "/login", {"user": user, "password": password})
        assert status == 200, (status, token)
        return {"authorization": f"Bearer {token}"}

    def hang_up(self, path, body, after, **headers):
        """Sends a PATCH and closes the connection before the answer."""
        payload = json.dumps(body)
        lines = [f"PATCH {path} HTTP/1.1", "host: shop", "content-type: application/json"]
        lines += [f"content-length: {len(payload)}"] + [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection(self.address, timeout=5) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + payload).encode())
            time.sleep(after)

    def fallback(self):
        """The records that the structured log was given."""
        records = []
        for line in self.stderr.read_text().splitlines():
            if "ftn_audit::fallback" in line:
                text = line[line.index(" record=") + len(" record=") :]
                records.append(json.JSONDecoder().raw_decode(text)[0])
        return records

    def stats(self):
        """The counters that the shop prints at its end."""
        text = re.search(r"^Stats \{(.*)\}$", self.stderr.read_text(), re.M).group(1)
        numbers, failures = re.search(r"(.*)\bfailures: (\{.*\})", text).groups()
        counters = {name: int(value) for name, value in re.findall(r"(\w+): (\d+)", numbers)}
        return counters | {"failures": ast.literal_eval(failures)}


def happy_path(shop):
    """Changes that must arrive, and changes that must not; gives how many records there have to be."""
    ann = shop.login()
    trace = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "x_request_id": "check-1"}
    answers = [
        (201, shop.request("POST", "/items", {"title": "Tea", "price": "4.20", "supplier_note": "hush"}, **ann)),
        (200, shop.request("PATCH", "/items/1", {"price": "4.50", "supplier_note": "psst"}, **ann, **trace)),
        (200, shop.request("PUT", "/items/1/tags", ["green", "hot"], **ann)),
        (500, shop.request("PATCH", "/items/1/fail", {"price": "0"}, **ann)),
    ]
    for expected, (status, text, _) in answers:
        assert status == expected, (expected, status, text)
    shop.hang_up("/items/1/slow?millis=3000", {"price": "1.00"}, 0.7, **ann)
    # The next writer may have to wait for the lock that the abandoned transaction held.
    wait_for("the abandoned change is rolled back", 10, lambda: price(shop) == 4.5)
    shop.hang_up("/items/1/slow?millis=3000&after=1", {"price": "5.00"}, 0.7, **ann)
    assert wait_for("the committed change is there", 10, lambda: price(shop) == 5.0)
    assert shop.request("PATCH", "/items/1", {"price": "9"}, authorization="Bearer forged")[0] == 401
    # A creation, two updates, two new tags, and one event for both links.
    return 6


def price(shop):
    return float(json.loads(shop.request("GET", "/items/1")[1])["price"])
