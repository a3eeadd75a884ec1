#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the dashboard for Grafana: against Grafana's model, and each query against a Prometheus.

dashboard.py model BOARD                 what Grafana would draw wrongly or not at all
dashboard.py schema BOARD                the classes of grafana-foundation-sdk, which are made from Grafana's own schema
dashboard.py queries BOARD URL INSTANCE=MOUNT...
                                         each panel has data with the labels that its legend names; its numbers are
                                         those that `rmpfs status` (RMPFS) says of the mounts
"""

import enum
import json
import os
import re
import subprocess
import sys
import time
import typing
import urllib.parse
import urllib.request

# Units by what is measured, as the names of metrics say: Grafana's IDs for them.
UNITS = {"bytes": "bytes", "seconds": "s", "ratio": "percentunit", "count": "none"}
# The types that are used, with the format of their queries.
PANELS = {"stat": "time_series", "timeseries": "time_series", "table": "table"}


def queries(board):
    """Each panel with each of its queries."""
    return [(panel, target) for panel in board["panels"] for target in panel["targets"]]


def measured(expression):
    """What a query's result is a number of."""
    if re.search(r":ratio|\) / sum", expression):
        return "ratio"
    if re.search(r"^count|^sum by \(reason|_pages|(?<!4096 \* )rmpopt_regions|_seconds_total.*\[", expression):
        return "bytes" if expression.startswith("4096 * ") else "count"
    for name in ("bytes", "seconds"):
        if re.search(rf"_{name}\b", expression):
            return name
    return "count"


def model(board):
    """What can be said without Grafana and without data."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,40}", board["uid"]), "uid"
    assert board["schemaVersion"] >= 36, "schemaVersion: older than Grafana 9"
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource", "no variable for the data source"
    for one in variables.values():
        if one["type"] == "query":
            assert re.fullmatch(r"label_values\((.+), [a-z]+\)", one["query"]["query"]), one["query"]
            # Else all names would be in each query: a fleet's do not fit.
            assert not one["includeAll"] or one.get("allValue") == ".*", f"{one['name']}: allValue"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels), "two panels with one ID"
    taken = set()
    for panel in panels:
        where = panel["gridPos"]
        cells = {(x, y) for x in range(where["x"], where["x"] + where["w"])
                 for y in range(where["y"], where["y"] + where["h"])}
        assert all(x < 24 for x, _ in cells), f"{panel['title']}: wider than the dashboard"
        assert not cells & taken, f"{panel['title']}: covers another panel"
        taken |= cells
    for panel, target in queries(board):
        title, expression = panel["title"], target["expr"]
        assert PANELS[panel["type"]] == target.get("format", "time_series"), f"{title}: format"
        assert target.get("instant", False) == (panel["type"] != "timeseries"), f"{title}: instant"
        assert panel["datasource"] == target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert unit == UNITS[measured(expression)], f"{title}: {unit} for a number of {measured(expression)}"
        used = set(re.findall(r"\$\{?([a-z_]+)", expression))
        assert used <= variables.keys(), f"{title}: no variable {used - variables.keys()}"
        assert "instance" in used, f"{title}: shows all hosts, whatever is chosen"
        # One line for each of thousands of mounts is no picture.
        by_mount = re.search(r"\{\{(mount|instance)\}\}", target.get("legendFormat", ""))
        assert not by_mount or re.match(r"(top|bottom)k\(10, ", expression), f"{title}: a line for each mount"


# --- Grafana's schema ---


def fits(value, hint, path):
    """Compares a value with a type hint, as deep as the hint goes; enumerations by their values."""
    origin = typing.get_origin(hint)
    if origin is typing.Union:
        errors = []
        for one in typing.get_args(hint):
            try:
                return fits(value, one, path)
            except AssertionError as error:
                errors.append(str(error))
        raise AssertionError(errors[0])
    if origin is list:
        assert isinstance(value, list), f"{path}: no list"
        for index, item in enumerate(value):
            fits(item, typing.get_args(hint)[0], f"{path}[{index}]")
    elif origin is dict:
        assert isinstance(value, dict), f"{path}: no object"
        for key, item in value.items():
            fits(item, typing.get_args(hint)[1], f"{path}.{key}")
    elif origin is typing.Literal:
        assert value in typing.get_args(hint), f"{path}: {value!r}"
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        assert value in [one.value for one in hint], f"{path}: {value!r} is none of {[one.value for one in hint]}"
    elif hint is float:
        assert isinstance(value, (int, float)) and not isinstance(value, bool), f"{path}: {value!r} is no number"
    elif hint is int:
        assert isinstance(value, int) and not isinstance(value, bool), f"{path}: {value!r} is no whole number"
    elif hint in (str, bool, type(None)):
        assert isinstance(value, hint), f"{path}: {value!r} is no {hint.__name__}"
    elif isinstance(hint, type) and hint is not object:
        if isinstance(value, dict):
            # Which the SDK has left as it was.
            value = through(hint.from_json, value, path)
        assert isinstance(value, hint), f"{path}: {type(value).__name__} instead of {hint.__name__}"
        whole(value, path)
    else:
        whole(value, path)


def whole(value, path):
    """Compares the attributes of a value of the SDK with their hints."""
    if not type(value).__module__.startswith("grafana_foundation_sdk"):
        return
    hints = typing.get_type_hints(type(value), vars(sys.modules[type(value).__module__]))
    for name, item in vars(value).items():
        if name in hints:
            fits(item, hints[name], f"{path}.{name}")


def same(given, kept, path):
    """What a class of the SDK does not know is lost on the way through it."""
    if isinstance(given, dict):
        for key, value in given.items():
            assert key in kept, f"{path}.{key}: Grafana knows no such option"
            same(value, kept[key], f"{path}.{key}")
    elif isinstance(given, list):
        assert len(given) == len(kept), path
        for index, value in enumerate(given):
            same(value, kept[index], f"{path}[{index}]")
    else:
        assert given == kept, f"{path}: {given!r} becomes {kept!r}"


def through(reader, given, path):
    """What the SDK reads, if it writes the same again."""
    # Loaded by then: a test without it has ended.
    from grafana_foundation_sdk.cog import encoder

    read = reader(given)
    same(given, json.loads(encoder.JSONEncoder().encode(read)), path)
    return read


def schema(board):
    """The dashboard as Grafana's own types have it."""
    try:
        from grafana_foundation_sdk.cog import plugins, runtime
        from grafana_foundation_sdk.models import dashboard, units
    except ImportError:
        sys.exit(4)
    plugins.register_default_plugins()
    whole(through(dashboard.Dashboard.from_json, board, "board"), "board")
    known = {value for value in vars(units).values() if isinstance(value, str)}
    for panel in board["panels"]:
        title, unit = panel["title"], panel["fieldConfig"]["defaults"]["unit"]
        assert unit in known, f"{title}: {unit}: Grafana knows no such unit"
        config = runtime.panelcfg_config(panel["type"])
        assert config is not None, f"{title}: {panel['type']}: Grafana has no such panel"
        for hook, given, name in (
            (config.options_from_json_hook, panel["options"], "options"),
            (config.field_config_from_json_hook, panel["fieldConfig"]["defaults"].get("custom", {}), "custom"),
        ):
            if hook:
                whole(through(hook, given, f"{title}.{name}"), f"{title}.{name}")


# --- Queries ---


def ask(url, path, **parameters):
    """A reply of Prometheus' API."""
    data = urllib.parse.urlencode(parameters).encode()
    with urllib.request.urlopen(f"{url}/api/v1/{path}", data, timeout=10) as reply:
        return json.load(reply)["data"]


def results(url, target, **variables):
    """The series of a query, as Grafana would ask: their labels, and the last value of each."""
    expression = target["expr"]
    for name, value in variables.items():
        expression = re.sub(rf"\$\{{?{name}\b\}}?", lambda _: value, expression)
    if target.get("range"):
        now = time.time()
        found = ask(url, "query_range", query=expression, start=now - 20, end=now, step=1)["result"]
        # Those that are still there now.
        return [(one["metric"], float(one["values"][-1][1])) for one in found if one["values"][-1][0] > now - 3]
    return [(one["metric"], float(one["value"][1])) for one in ask(url, "query", query=expression)["result"]]


class Host:
    """What `rmpfs status` says of a mount."""

    def __init__(self, text):
        self.instance, self.mount = text.split("=", 1)
        said = subprocess.run([os.environ["RMPFS"], "status", "--json", self.mount], capture_output=True, timeout=30,
                              check=True).stdout
        status = json.loads(said)
        self.regions = status["regions"]["total"]
        self.free = status["regions"]["free"]
        self.optimized = status["regions"]["optimized_on_all"]
        self.last = status["last_pass"]
        self.pages = {}
        for one in status["blockers"]:
            if one["pages"] is not None:
                self.pages[one["kind"]] = self.pages.get(one["kind"], 0) + one["pages"]


def expected(hosts):
    """By title and query: what the panel must say, by the series' labels but job, instance and mount; None: any."""
    tables = [one for one in hosts if one.optimized is not None]
    readings = [one for one in hosts if one.free is not None]
    pages = {}
    for one in hosts:
        for kind, count in one.pages.items():
            pages[kind] = pages.get(kind, 0) + count
    held = sum(one.regions - one.optimized for one in tables) + sum(one.regions - one.free for one in readings)
    return {
        ("Optimized on all CPUs", "A"): [sum(one.optimized for one in tables) / sum(one.regions for one in tables)],
        ("Free by the RMP", "A"): [sum(one.free for one in readings) / sum(one.regions for one in readings)],
        ("Hosts", "A"): [len({one.instance for one in hosts})],
        ("Memory", "A"): [sum(one.optimized for one in tables) << 30],
        ("Assigned memory, by owner", "A", "guest"): [pages["guest"] << 12],
        ("Assigned memory, by owner", "A", "rmp_table"): [pages["rmp_table"] << 12],
        ("Assigned memory, by owner", "A", "firmware"): [pages["firmware"] << 12],
        ("Gigabytes held back, by reason", "A", "sum"): [held],
        ("Least optimized", "A"): sorted(one.optimized / one.regions for one in tables),
        ("Time of a pass", "B"): sorted((one.last["end_ns"] - one.last["start_ns"]) / 1e9 for one in tables
                                        if one.last and one.last["end_ns"]),
        ("Who answers", "A", "sum"): [len(hosts)],
    }


def live(board, url, given):
    """Every query with data."""
    hosts = [Host(text) for text in given]
    wanted = expected(hosts)
    for panel, target in queries(board):
        name = f"{panel['title']}, query {target['refId']}"
        found = results(url, target, instance=".*", mount=".*")
        assert found, f"{name}: no data: {target['expr']}"
        for metric, _ in found:
            for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")):
                assert metric.get(label), f"{name}: the legend names {label}, which is no label of {metric}"
        grouped = re.match(r"(?:4096 \* )?[a-z]+ by \((.*?)\)", target["expr"])
        for label in re.findall(r"\w+", grouped[1] if grouped else ""):
            assert any(metric.get(label) for metric, _ in found), f"{name}: nothing has a label {label}"
        key = panel["title"], target["refId"]
        checks = {key: sorted(value for _, value in found), (*key, "sum"): [sum(value for _, value in found)]}
        checks |= {(*key, label): [value] for metric, value in found for label in metric.values()}
        for check, values in wanted.items():
            if check[:2] != key:
                continue
            assert check in checks, f"{name}: no {check[2]}"
            got = checks[check]
            assert len(got) == len(values) and all(abs(a - b) <= 1e-6 * max(1, abs(b)) for a, b in zip(got, values)), \
                f"{name}: {got} instead of {values}"
    for key in wanted:
        assert any((panel["title"], target["refId"]) == key[:2] for panel, target in queries(board)), f"no panel {key}"
    # What is chosen is what is shown; by names with special characters, as Grafana escapes these.
    chosen = hosts[0]
    for panel, target in queries(board):
        escaped = {name: re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\\\1", value)
                   for name, value in (("instance", chosen.instance), ("mount", chosen.mount))}
        for metric, _ in results(url, target, **{name: f"({value}|none)" for name, value in escaped.items()}):
            assert metric.get("instance", chosen.instance) == chosen.instance, f"{panel['title']}: another host"
            assert metric.get("mount", chosen.mount) == chosen.mount, f"{panel['title']}: another mount"
    # The variables' values.
    for one in board["templating"]["list"]:
        match = re.fullmatch(r"label_values\((.+), ([a-z]+)\)", (one["query"] or {})["query"]) \
            if one["type"] == "query" else None
        if match:
            selector = match[1].replace("$instance", ".*")
            listed = set(ask_label(url, match[2], selector))
            assert listed >= {getattr(host, one["name"]) for host in hosts}, f"{one['name']}: {listed}"


def ask_label(url, label, selector):
    """The values of a label."""
    query = urllib.parse.urlencode({"match[]": selector})
    with urllib.request.urlopen(f"{url}/api/v1/label/{label}/values?{query}", timeout=10) as reply:
        return json.load(reply)["data"]


def main():
    what, path, *rest = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        board = json.load(file)
    try:
        {"model": model, "schema": schema, "queries": live}[what](board, *([rest[0], rest[1:]] if rest else []))
    except AssertionError as error:
        sys.exit(f"{path}: {error}")


if __name__ == "__main__":
    main()
