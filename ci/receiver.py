#!/usr/bin/env python3
"""The shop against an independent OTLP receiver, over gRPC and HTTP: what arrives, and what every fault does.

The receiver is a program of its own, with its own decoder and scripted faults; OTLP_RECV says where it lies. It is needed in
CI only. The shop has to be built: `cargo build --example shop`.
"""

import base64
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shop import ROOT, SCRATCH, SPAN_ID, TRACE_ID, Shop, free_port, fresh_sqlite, happy_path, wait_for

RECEIVER = Path(os.environ.get("OTLP_RECV", ROOT.parent / "shared" / "tools" / "otlp_recv.py"))
PROTOCOLS = ("grpc", "http/protobuf")
SERVERS = {"postgresql": "SHOP_POSTGRES", "mariadb": "SHOP_MARIADB"}
WRITES = 3
# Far above what a write takes, far below what a fault lasts.
SLOWEST_WRITE = 2.0

# What must become of every record: D delivered, F fallback, E either.
FAULTS = {
    "ok": "DD",
    "warn": "DD",
    "partial": "FF",
    "partial,ok": "EE",
    "unavailable": "FF",
    "unavailable,ok": "DD",
    "unavailable:1,ok": "DD",
    "unavailable:60": "FF",
    "exhausted": "FF",
    "exhausted,ok": "ED",
    "exhausted:1,ok": "DD",
    "exhausted:60": "FF",
    "invalid": "FF",
    "unauth": "FF",
    "unauth,ok": "DD",
    "internal": "FF",
    "hang:30": "EE",
    "hang:30,ok": "DD",
    "store-then-fail": "EE",
    "store-then-fail,ok": "DD",
}
HTTP_FAULTS = {
    "408": "F",
    "413": "F",
    "500": "F",
    "502": "F",
    "502,ok": "D",
    "504": "F",
    "504,ok": "D",
}


class Receiver:
    def __init__(self, name, protocol, script="ok"):
        self.port = free_port()
        self.out = SCRATCH / f"{name}.ndjson"
        listen = "--grpc" if protocol == "grpc" else "--http"
        self.command = [sys.executable, RECEIVER, listen, f"127.0.0.1:{self.port}", "--out", self.out, "--script", script]

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        SCRATCH.mkdir(parents=True, exist_ok=True)
        self.out.unlink(missing_ok=True)
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert line.strip() == "ready", line + self.process.stderr.read()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def records(self, kept=True):
        """What was received, as (resource, record) with attributes as dictionaries."""
        found = []
        text = self.out.read_text() if self.out.exists() else ""
        # The last line may be half written.
        for line in text[: text.rfind("\n") + 1].splitlines():
            entry = json.loads(line)
            if kept and not entry["kept"]:
                continue
            for resource in entry["request"].get("resourceLogs", []):
                for scope in resource.get("scopeLogs", []):
                    assert scope["scope"]["name"] == "ftn_audit", scope["scope"]
                    for record in scope["logRecords"]:
                        record["attributes"] = attributes(record)
                        found.append((attributes(resource["resource"]), record))
        return found


def attributes(holder):
    return {pair["key"]: plain(pair["value"]) for pair in holder.get("attributes", [])}


def pk(record):
    return record["attributes"]["audit.model_pk"]


def plain(value):
    [(kind, inner)] = value.items()
    if kind == "arrayValue":
        return [plain(each) for each in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


def check_happy_path(protocol, system, url=None):
    name = f"happy-{system}-{protocol.partition('/')[0]}"
    with Receiver(name, protocol) as receiver:
        with Shop(name, protocol, receiver.endpoint, DATABASE_URL=url or fresh_sqlite(name)) as shop:
            expected = happy_path(shop)
            wait_for("all records arrive", 15, lambda: len(receiver.records()) >= expected)
            shop.stop()
        received = receiver.records()
        assert len(received) == expected, [record["eventName"] for _, record in received]
        assert not shop.fallback()
        stats = shop.stats()
        assert stats["delivered"] == expected and stats["discarded"] == 2, stats
        check_records(received, system)


def check_records(received, system):
    by_route = {}
    for resource, record in received:
        assert resource["service.name"] == "shop", resource
        said = record["attributes"]
        assert "hush" not in json.dumps(record) and "psst" not in json.dumps(record), "a masked value left"
        assert said["user.id"] == "1" and said["user.email"] == "ann@example.org", said
        assert said["db.system.name"] == system, said
        assert said["audit.actor.type"] == "user" and said["client.address"] == "127.0.0.1", said
        by_route.setdefault(said["audit.raw_route"], []).append(record)

    assert sorted(by_route) == ["PATCH|/items/:id", "PATCH|/items/:id/slow", "POST|/items", "PUT|/items/:id/tags"]

    [created] = by_route["POST|/items"]
    assert created["eventName"] == "audit.shop_item.creation", created
    assert created["body"] == {"stringValue": "New item Tea"}, created["body"]
    assert created["attributes"]["audit.changeset.title.new"] == "Tea"

    [patched] = by_route["PATCH|/items/:id"]
    said = patched["attributes"]
    assert patched["eventName"] == "audit.shop_item.update", patched
    assert patched["body"] == {"stringValue": "Item #1 repriced"}, patched["body"]
    assert base64.b64decode(patched["traceId"]).hex() == TRACE_ID, patched
    assert base64.b64decode(patched["spanId"]).hex() == SPAN_ID, patched
    assert patched["severityText"] == "INFO", patched
    assert float(said["audit.changeset.price.old"]) == 4.2, said
    assert float(said["audit.changeset.price.new"]) == 4.5, said
    assert said["http.route"] == "/items/{id}" and said["http.request.method"] == "PATCH", said
    assert said["url.path"] == "/items/1" and said["audit.request_id"] == "check-1", said
    assert said["audit.model"] == "Item" and said["audit.model_pk"] == "1", said
    assert said["shop.section"] == "catalogue", said
    assert "audit.changeset.updated_at.new" not in said, said
    assert len(said["log.record.uid"]) == 36 and said["audit.sequence"] == 1, said

    links = [record for record in by_route["PUT|/items/:id/tags"] if record["eventName"].endswith("collection_update")]
    assert [record["attributes"]["audit.pk_set"] for record in links] == [[1, 2]], links
    numbers = [record["attributes"]["audit.sequence"] for record in by_route["PUT|/items/:id/tags"]]
    assert numbers == [1, 2, 3], numbers

    [slow] = by_route["PATCH|/items/:id/slow"]
    assert float(slow["attributes"]["audit.changeset.price.old"]) == 4.5, "the abandoned change was seen"
    assert float(slow["attributes"]["audit.changeset.price.new"]) == 5.0, slow


def check_fault(protocol, script, fate):
    name = f"fault-{protocol.partition('/')[0]}-{script.replace(':', '_').replace(',', '-')}"
    with Receiver(name, protocol, script) as receiver:
        run_fault(name, protocol, receiver.endpoint, receiver.records, fate)


def check_split(protocol):
    """A batch that is refused in part is sent again in smaller ones, until each record's fate is known."""
    name = f"split-{protocol.partition('/')[0]}"
    with Receiver(name, protocol, "ok,partial,ok") as receiver:
        with Shop(name, protocol, receiver.endpoint) as shop:
            ann = shop.login()
            assert shop.request("POST", "/items", {"title": "Tea", "price": "1"}, **ann)[0] == 201
            wait_for("the first record is delivered", 15, receiver.records)
            assert shop.request("PUT", "/items/1/tags", ["green", "hot"], **ann)[0] == 200
            wait_for("the refused ones are delivered", 15, lambda: len(receiver.records()) == 4)
            shop.stop()
        assert len(receiver.records(kept=False)) == 4 + 3, "one refused batch of three"
        assert not shop.fallback() and shop.stats()["delivered"] == 4, shop.stats()


def check_unreachable(protocol):
    name = f"fault-{protocol.partition('/')[0]}-unreachable"
    run_fault(name, protocol, f"http://127.0.0.1:{free_port()}", lambda: [], "F")


def run_fault(name, protocol, endpoint, received, fate):
    patience = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1000", "SHUTDOWN_SECONDS": "2"}
    with Shop(name, protocol, endpoint, **patience) as shop:
        ann = shop.login()
        for number in range(WRITES):
            item = {"title": f"Item {number}", "price": "1"}
            status, text, seconds = shop.request("POST", "/items", item, **ann)
            assert status == 201, (status, text)
            assert seconds < SLOWEST_WRITE, f"a write took {seconds:.2f} s"
            # So that some writes come while a batch is on its way.
            time.sleep(0.3)
        if fate == "D":
            wait_for("every record is delivered", 30, lambda: len({pk(record) for _, record in received()}) == WRITES)
        shop.stop()

    stats, fallback = shop.stats(), shop.fallback()
    delivered = {pk(record): record["attributes"]["log.record.uid"] for _, record in received()}
    parked = {record["pk"]: record["id"] for record in fallback}
    everyone = {str(number + 1) for number in range(WRITES)}
    assert delivered.keys() | parked.keys() == everyone, f"lost: {everyone - delivered.keys() - parked.keys()}"
    for both in delivered.keys() & parked.keys():
        assert delivered[both] == parked[both], "one record has two ids"
    if fate == "D":
        assert not fallback, fallback
    if fate == "F":
        assert not delivered and parked.keys() == everyone, (delivered, parked)
    assert len(fallback) == len(parked), "something is twice in the fallback"
    assert stats["captured"] == WRITES and stats["dropped"] == 0, stats
    assert stats["fallback"] == len(fallback), stats
    assert stats["delivered"] + stats["fallback"] == WRITES, stats
    if fallback:
        assert sum(stats["failures"].values()) >= len(fallback), stats


def main():
    if not RECEIVER.exists():
        sys.exit(f"no receiver at {RECEIVER}: say where it lies by OTLP_RECV")
    checks = {f"happy path, sqlite, {protocol}": (check_happy_path, protocol, "sqlite") for protocol in PROTOCOLS}
    # Fresh databases, so one check each.
    for (system, variable), protocol in zip(SERVERS.items(), PROTOCOLS):
        if url := os.environ.get(variable):
            checks[f"happy path, {system}, {protocol}"] = (check_happy_path, protocol, system, url)
    for protocol in PROTOCOLS:
        checks[f"unreachable, {protocol}"] = (check_unreachable, protocol)
        checks[f"split, {protocol}"] = (check_split, protocol)
    for script, fates in FAULTS.items():
        for protocol, fate in zip(PROTOCOLS, fates):
            checks[f"{script}, {protocol}"] = (check_fault, protocol, script, fate)
    for script, fate in HTTP_FAULTS.items():
        checks[f"{script}, http/protobuf"] = (check_fault, "http/protobuf", script, fate)
    wanted = [word.lower() for word in sys.argv[1:]]
    checks = {name: check for name, check in checks.items() if not wanted or any(word in name for word in wanted)}

    failed = 0
    with ThreadPoolExecutor(max_workers=4) as pool:
        runs = {name: pool.submit(*check) for name, check in checks.items()}
        for name, run in runs.items():
            error = run.exception()
            print(f"{'FAILED' if error else 'ok    '} {name}", flush=True)
            if error:
                failed += 1
                print(f"       {type(error).__name__}: {error}", flush=True)
    if failed or not checks:
        sys.exit(f"{failed} of {len(checks)} checks failed; logs lie in {SCRATCH}")
    print(f"{len(checks)} checks passed")


if __name__ == "__main__":
    main()
