#!/usr/bin/env python3
"""Whether the quickstart's records, a JSON object a line, say all that its work did, and nothing that was rolled back."""

import json
import sys
import uuid
from itertools import groupby

with open(sys.argv[1]) as lines:
    records = [json.loads(line) for line in lines]

for record in records:
    said = record["attributes"]
    assert uuid.UUID(record["id"]).version == 7, record
    assert record["transaction_id"] and record["sequence"] and record["transaction_count"], record
    assert said["audit.actor.type"] == "user" and said["user.id"], record
    assert "|/" in said["audit.raw_route"], record

for transaction, group in groupby(records, lambda record: record["transaction_id"]):
    group = list(group)
    assert [record["sequence"] for record in group] == list(range(1, len(group) + 1)), transaction
    assert {record["transaction_count"] for record in group} == {len(group)}, transaction
assert len({record["id"] for record in records}) == len(records)

items = [record for record in records if record["model"] == "Item"]
kinds = [(record["event_type"], record["attributes"].get("audit.action")) for record in items]
assert kinds == [
    ("creation", None),
    ("update", None),
    ("collection_update", "add"),
    ("collection_update", "remove"),
    ("deletion", None),
], kinds
created, updated, deleted = (items[number]["attributes"] for number in (0, 1, 4))
assert created["audit.changeset.price.new"] == updated["audit.changeset.price.old"], "the old value is not the stored one"
# The deletion comes after the rolled-back change, and has to show the value before it.
assert updated["audit.changeset.price.new"] == deleted["audit.changeset.price.old"], "rolled-back work was seen"
print(f"{len(records)} records are as they have to be")
