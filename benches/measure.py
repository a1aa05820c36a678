#!/usr/bin/env python3
"""Measures what auditing costs, and writes docs/numbers.md with its curves: every figure there is printed by a program.

    python3 benches/measure.py            # everything; about an hour
    python3 benches/measure.py overhead   # some parts; what is there of the others stays

SQLite always; Postgres and MariaDB where FTN_AUDIT_TEST_POSTGRES and FTN_AUDIT_TEST_MARIADB say where.
"""

import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
FIGURES = DOCS / "numbers"
SCRATCH = ROOT / "target" / "numbers"
KEPT = SCRATCH / "figures.json"


def run(*command, cwd=ROOT, check=True):
    print("$", *command, flush=True)
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line.rstrip("\n"))
    status = process.wait()
    # A bench that misses a bound says so by its status; the figure is what is wanted here.
    assert not check or status == 0, f"{command} ended with {status}"
    return lines


def text_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def bench(name):
    return run("cargo", "bench", "--bench", name, check=False)


def overhead():
    pattern = re.compile(
        r"overhead (\S+) (\S+) (\S+) ([\d.]+) \((?:bound ([\d.]+)|no bound)(, MISSED)?, (\d+) pairs, middle half ([\d.]+) to ([\d.]+)\)"
    )
    rows = [match.groups() for match in map(pattern.fullmatch, bench("overhead")) if match]
    assert rows, "the bench printed no figure"
    return rows


def context():
    rows = [line for line in bench("context") if line.strip()]
    assert rows, "the bench printed no figure"
    return rows


def outbox():
    rows = [line for line in bench("outbox") if ": " in line]
    assert rows, "the bench printed no figure"
    return rows


def load():
    rows = [line.split(" ", 3)[1:] for line in bench("load") if line.startswith("load ")]
    assert rows, "the bench printed no figure"
    return rows


def growth():
    curves = {}
    for line in bench("growth"):
        if line.startswith("growth "):
            _, name, number, micros = line.split()
            curves.setdefault(name, []).append((int(number), float(micros)))
    assert curves, "the bench printed no figure"
    return curves


def cpu():
    shutil.rmtree(ROOT / "target" / "criterion", ignore_errors=True)
    bench("cpu")
    found = {}
    for file in sorted((ROOT / "target" / "criterion").glob("**/new/estimates.json")):
        name = "/".join(file.relative_to(ROOT / "target" / "criterion").parts[:-2])
        median = json.loads(file.read_text())["median"]
        interval = median["confidence_interval"]
        found[name] = [median["point_estimate"], interval["lower_bound"], interval["upper_bound"]]
    assert found, "criterion left no figure"
    return found


def allocations():
    lines = run("cargo", "test", "--workspace", "--all-features", "--test", "allocations", "--", "--nocapture")
    rows = [line for line in lines if line.startswith(("an update: ", "a waiting record: "))]
    assert len(rows) == 2, "the test printed no figure"
    return rows


ENTITY = """
pub mod entity_{number} {{
    {imports}
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel{derive})]
    #[sea_orm(table_name = "entity_{number}")]
    pub struct Model {{
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub price: i64,
        pub stock: i32,
        pub note: Option<String>,
        pub active: bool,
    }}
    {hooks}
}}
"""

ENTITIES = 200


def build_time():
    """Seconds to check and to build a crate of 200 entities, with and without the derive; its dependencies are built."""
    crate = SCRATCH / "entities"
    (crate / "src").mkdir(parents=True, exist_ok=True)
    (crate / "Cargo.toml").write_text(
        f"""[package]
name = "entities"
version = "0.0.0"
edition = "2024"

[dependencies]
ftn-audit-sea = {{ path = {json.dumps(str(ROOT / "ftn-audit-sea"))} }}
sea-orm = {{ version = "2.0.4", default-features = false, features = ["macros"] }}

[workspace]

[profile.dev]
debug = "line-tables-only"
"""
    )
    shutil.copy(ROOT / "Cargo.lock", crate / "Cargo.lock")
    sources = {}
    for name, derive, imports, hooks in [
        ("without", "", "", "impl ActiveModelBehavior for ActiveModel {}"),
        ("with", ", Auditable", "use ftn_audit_sea::entity::*;", ""),
    ]:
        entities = (
            ENTITY.format(number=number, derive=derive, imports=imports, hooks=hooks) for number in range(ENTITIES)
        )
        sources[name] = "".join(entities)
    times = {"without": [], "with": []}
    for turn in range(2):
        for name, source in sources.items():
            # The comment makes it another crate, so that no result of before is taken.
            (crate / "src" / "lib.rs").write_text(f"// {turn}\n{source}")
            start = time.monotonic()
            run("cargo", "build", "--quiet", cwd=crate)
            if turn > 0:
                times[name].append(time.monotonic() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def crates():
    """How many crates a feature of ftn-audit-sea adds to what SeaORM with nothing brings by itself."""

    def tree(*features):
        """The crates, and those of them that come with SeaORM."""
        listing = text_of(
            "cargo", "tree", "--package", "ftn-audit-sea", "--edges", "normal", "--prefix", "depth", "--no-dedupe",
            "--no-default-features", *(["--features", ",".join(features)] if features else []),
        )
        every, seas, inside = set(), set(), False
        for line in listing.splitlines():
            depth, name, version = re.match(r"(\d+)(\S+) (\S+)", line).groups()
            inside = name == "sea-orm" if depth == "1" else inside
            every.add((name, version))
            if inside:
                seas.add((name, version))
        return every, seas

    base, seas = tree()
    added = {"(none)": len(base - seas) - 1}
    metadata = json.loads(text_of("cargo", "metadata", "--format-version", "1", "--no-deps"))
    features = next(p for p in metadata["packages"] if p["name"] == "ftn-audit-sea")["features"]
    for feature in sorted(features):
        if feature != "default":
            added[feature] = len(tree(feature)[0] - base)
    return added


PARTS = [overhead, context, outbox, load, growth, cpu, allocations, build_time, crates]


def machine():
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    lock = (ROOT / "Cargo.lock").read_text()

    def locked(name):
        return re.search(rf'name = "{name}"\nversion = "([^"]*)"', lock).group(1)

    postgres, mariadb = os.environ.get("FTN_AUDIT_TEST_POSTGRES"), os.environ.get("FTN_AUDIT_TEST_MARIADB")
    return [
        ("measured", time.strftime("%Y-%m-%d", time.gmtime())),
        ("processor", f"{processor.group(1) if processor else platform.machine()}, {os.cpu_count()} cores"),
        ("memory", f"{int(memory.group(1)) >> 20} GiB" if memory else "?"),
        ("system", f"{platform.system()} {platform.release().split('-')[0]}"),
        ("Rust", text_of("rustc", "--version")),
        ("SeaORM", locked("sea-orm")),
        ("PostgreSQL", text_of("psql", postgres, "-Atc", "SHOW server_version") if postgres else "not measured"),
        ("MariaDB", text_of("mariadb", "--version") if mariadb else "not measured"),
    ]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def nanoseconds(value):
    return f"{value:.0f} ns" if value < 10_000 else f"{value / 1000:.1f} µs"


def chart(name, points):
    """A curve over a logarithmic axis, as SVG."""
    width, height, left, bottom = 560, 260, 60, 40
    import math

    places = [math.log10(number + 1) for number, _ in points]
    low, high = min(places), max(places) or 1
    top = max(max(value for _, value in points), 0.001) * 1.15

    def at(place, value):
        x = left + (place - low) / (high - low) * (width - left - 30)
        return x, height - bottom - max(value, 0) / top * (height - bottom - 20)

    dots = [at(place, value) for place, (_, value) in zip(places, points)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{left} 20V{height - bottom}H{width - 20}" fill="none" stroke="#888"/>',
        f'<polyline points="{line}" fill="none" stroke="#2b6cb0" stroke-width="2"/>',
    ]
    for (x, y), (number, value) in zip(dots, points):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2b6cb0"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{value:.1f}</text>')
        parts.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{number:,}</text>')
    parts.append(f'<text x="{left}" y="14">µs an event</text>')
    parts.append(f'<text x="{width - 20}" y="{height - 6}" text-anchor="end">{name.replace("_", " ")}</text></svg>')
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / f"{name}.svg").write_text("\n".join(parts) + "\n")


def write(figures):
    parts = [
        "# What auditing costs\n\nWritten by `python3 benches/measure.py`, which prints every figure; nothing here is by hand. Ratios are of the"
        " same work audited and bare, in interleaved pairs of one run: they carry over to other machines, times do not.\n",
        table(["", ""], machine()),
    ]
    if "overhead" in figures:
        rows = [
            (work, mode, database, f"**{ratio}**" + (" (missed)" if missed else ""), bound or "", f"{low} – {high}", pairs)
            for database, work, mode, ratio, bound, missed, pairs, low, high in figures["overhead"]
        ]
        rows.sort(key=lambda row: [each[1] for each in figures["overhead"]].index(row[0]))
        parts.append("\n## The same work, audited and bare\n\nQueue delivery to a sink that drops records, unless the name says otherwise."
                     " `auto`: each write alone; `txn`: in a transaction. The spread is the middle half of the pairs.\n")
        parts.append(table(["work", "mode", "database", "ratio", "bound", "spread", "pairs"], rows))
    if "context" in figures:
        parts.append("\n## The layer, a request\n\n```text\n" + "\n".join(figures["context"]) + "\n```")
    if "outbox" in figures:
        parts.append("\n## Outbox and relay\n\n```text\n" + "\n".join(figures["outbox"]) + "\n```")
    if "load" in figures:
        parts.append("\n## Under load\n\n64 tasks on a pool of four connections; a network of one millisecond there and back beside"
                     " localhost; bytes of the database's log; two updates in either order on ten rows.\n")
        parts.append(table(["database", "what", "audited / bare, or bytes"], figures["load"]))
    if "cpu" in figures:
        rows = [(name, nanoseconds(m), f"{nanoseconds(l)} – {nanoseconds(h)}") for name, (m, l, h) in figures["cpu"].items()]
        parts.append("\n## CPU\n\n")
        bare, recorded = figures["cpu"].get("update/bare"), figures["cpu"].get("update/recorded")
        if bare and recorded:
            parts.append(f"One update event of a table with six columns, capture to queue: **{nanoseconds((recorded[0] - bare[0]) / 200)}**"
                         " (`update/recorded` less `update/bare`, of 200 updates each).\n")
        parts.append(table(["what", "median", "95 % interval"], rows))
    if "allocations" in figures:
        parts.append("\n## Memory\n\n```text\n" + "\n".join(figures["allocations"]) + "\n```")
    if "growth" in figures:
        parts.append("\n## What it grows with\n\nMicroseconds that auditing adds to one row's change, on SQLite in memory.\n")
        curves = dict(figures["growth"])
        look_ups = [(int(name.rsplit("/", 1)[1]), value[0] / 1000) for name, value in figures.get("cpu", {}).items()
                    if name.startswith("look_up/found/")]
        if look_ups:
            curves["formatters"] = sorted(look_ups)
        for name, points in curves.items():
            chart(name, points)
            parts.append(f"![{name.replace('_', ' ')}](numbers/{name}.svg)\n")
    if "build_time" in figures:
        without, with_derive = figures["build_time"]["without"], figures["build_time"]["with"]
        parts.append(f"\n## Build time\n\nA crate of {ENTITIES} entities with six columns, `cargo build`, dependencies built: {without:.1f} s"
                     f" without the derive, {with_derive:.1f} s with it: **{(with_derive - without) * 1000 / ENTITIES:.0f} ms an entity**.")
    if "crates" in figures:
        parts.append("\n## Crates that a feature of `ftn-audit-sea` adds\n")
        parts.append(table(["feature", "crates beyond SeaORM's"], figures["crates"].items()))
    DOCS.mkdir(exist_ok=True)
    (DOCS / "numbers.md").write_text("\n".join(parts) + "\n")


def main():
    known = {part.__name__: part for part in PARTS}
    wanted = sys.argv[1:] or list(known)
    for name in wanted:
        if name not in known:
            sys.exit(f"no part {name}; there are: {', '.join(known)}")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    figures = json.loads(KEPT.read_text()) if KEPT.exists() and sys.argv[1:] else {}
    for name in wanted:
        figures[name] = known[name]()
        KEPT.write_text(json.dumps(figures))
    write(figures)
    print("wrote docs/numbers.md")


main()
