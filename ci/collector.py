#!/usr/bin/env python3
"""The shop's records in a real collector, rotel, over gRPC and HTTP: its debug log says what it took.

`pip install rotel==0.0.1a15` into the interpreter that runs this, and `cargo build --example shop`.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from shop import SCRATCH, SPAN_ID, TRACE_ID, Shop, free_port, fresh_sqlite, happy_path, wait_for


class Collector:
    def __init__(self, binary, name):
        self.grpc, self.http = free_port(), free_port()
        self.log = SCRATCH / f"{name}.log"
        self.command = [
            binary, "start",
            "--otlp-grpc-endpoint", f"127.0.0.1:{self.grpc}",
            "--otlp-http-endpoint", f"127.0.0.1:{self.http}",
            "--exporter", "blackhole",
            "--debug-log", "logs",
            "--debug-log-verbosity", "detailed",
            "--pid-file", SCRATCH / f"{name}.pid",
            "--log-file", SCRATCH / f"{name}.daemon.log",
        ]  # fmt: skip

    def __enter__(self):
        SCRATCH.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        wait_for("the collector starts", 20, lambda: "Starting Rotel" in self.text())
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def text(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))

    def records(self):
        """Each record's lines, as `name: value`; attributes as the collector types them, `Str(..)` or `Int(..)`."""
        found = []
        for block in self.text().split("LogRecord #")[1:]:
            pairs = (re.match(r"\s*(?:-> )?([^:]+?)\s*: ?(.*)$", line) for line in block.splitlines())
            found.append({pair.group(1): pair.group(2) for pair in pairs if pair})
        return found


def check(binary, protocol):
    name = f"collector-{protocol.partition('/')[0]}"
    with Collector(binary, name) as collector:
        endpoint = f"http://127.0.0.1:{collector.grpc if protocol == 'grpc' else collector.http}"
        with Shop(name, protocol, endpoint, DATABASE_URL=fresh_sqlite(name)) as shop:
            expected = happy_path(shop)
            shop.stop()
            stats = shop.stats()
        assert stats["delivered"] == expected and not shop.fallback(), stats
        # The last line of a record is its flags.
        wait_for("the collector logs", 15, lambda: sum("Flags" in record for record in collector.records()) >= expected)
        records, text = collector.records(), collector.text()

    assert len(records) == expected, [record.get("EventName") for record in records]
    assert "service.name: Str(shop)" in text and "InstrumentationScope ftn_audit" in text
    assert "hush" not in text and "psst" not in text, "a masked value left"
    [patched] = [record for record in records if record["audit.raw_route"] == "Str(PATCH|/items/:id)"]
    for key, value in {
        "EventName": "audit.shop_item.update",
        "Body": "Str(Item #1 repriced)",
        "SeverityText": "INFO",
        "Trace ID": TRACE_ID,
        "Span ID": SPAN_ID,
        "http.route": "Str(/items/{id})",
        "user.id": "Str(1)",
        "audit.actor.type": "Str(user)",
        "audit.sequence": "Int(1)",
    }.items():
        assert patched.get(key) == value, f"{key} is {patched.get(key)}, not {value}"
    assert re.fullmatch(r"Str\(4\.20?\)", patched["audit.changeset.price.old"]), patched
    assert re.fullmatch(r"Str\(4\.50?\)", patched["audit.changeset.price.new"]), patched


def main():
    package = importlib.util.find_spec("rotel")
    if package is None:
        sys.exit("no collector: pip install rotel==0.0.1a15")
    binary = Path(package.submodule_search_locations[0]) / "rotel-agent"
    for protocol in ("grpc", "http/protobuf"):
        check(binary, protocol)
        print(f"ok     collector, {protocol}", flush=True)


if __name__ == "__main__":
    main()
