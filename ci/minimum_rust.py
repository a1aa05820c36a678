"""Reads `cargo metadata` and says which packages that users of the libraries build ask for a later Rust than promised."""

import json
import sys

LIBRARIES = ("ftn-audit", "ftn-audit-macros", "ftn-audit-sea")


def version(text):
    parts = [int(part) for part in (text or "0").split(".")]
    return parts + [0] * (3 - len(parts))


def built(metadata):
    """The packages that the libraries depend on, their tests and benches aside."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    waiting = [package["id"] for package in packages.values() if package["name"] in LIBRARIES]
    seen = set()
    while waiting:
        identity = waiting.pop()
        if identity in seen:
            continue
        seen.add(identity)
        for dependency in nodes[identity]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return [packages[identity] for identity in seen]


metadata = json.load(sys.stdin)
promised = {package["rust_version"] for package in metadata["packages"] if package["name"] in LIBRARIES}
if len(promised) != 1:
    sys.exit(f"the libraries promise different versions of Rust: {promised}")
promised = promised.pop()
packages = built(metadata)
later = [package for package in packages if version(package["rust_version"]) > version(promised)]
for package in later:
    print(f"{package['name']} {package['version']} needs Rust {package['rust_version']}", file=sys.stderr)
print(f"minimum Rust {promised}, {len(packages)} packages")
sys.exit(1 if later else 0)
