# SPDX-License-Identifier: LGPL-2.1-or-later
"""Medians over the rounds, ratios within a round, and what pgrok aims at, as Markdown and JSON."""

import statistics
from dataclasses import dataclass

OURS, PLAIN, TLS = "pgrok-mux", "nginx-plain", "nginx-tls"


class Values:
    """By peer and metric, one for each round."""

    def __init__(self):
        self.rounds = []
        self.metrics = []  # in the order in which they came

    def begin_round(self):
        self.rounds.append({})

    def add(self, peer, values):
        self.rounds[-1].setdefault(peer, {}).update(values)
        self.metrics += [m for m in values if m not in self.metrics]

    def of(self, peer, metric):
        return [r[peer][metric] for r in self.rounds if metric in r.get(peer, {})]

    def median(self, peer, metric):
        values = self.of(peer, metric)
        return statistics.median(values) if values else None

    def ratio(self, peer, metric, other, other_metric):
        """Of two values of the same round; the median over the rounds."""
        pairs = [(r.get(peer, {}).get(metric), r.get(other, {}).get(other_metric)) for r in self.rounds]
        ratios = [a / b for a, b in pairs if a is not None and b]
        return statistics.median(ratios) if ratios else None

    def twin(self, peer, metric):
        """What METRIC is to be compared with: to a proxy without HTTP, that is all the same as TCP."""
        if self.of(peer, metric):
            return metric
        return metric.replace("http", "tcp") if "https" not in metric else metric


@dataclass
class Aim:
    text: str
    metric: str
    at_least: bool
    bound: float
    other: str = ""  # a peer: the bound is for the ratio to it
    other_metric: str = ""

    def value(self, values):
        if not self.other:
            return values.median(OURS, self.metric)
        return values.ratio(OURS, self.metric, self.other, self.other_metric or self.metric)

    def is_met(self, value):
        return value >= self.bound if self.at_least else value <= self.bound


def bulk_aims():
    for streams in (1, 8):
        for way in ("down", "up"):
            metric = f"bulk {way} ×{streams}"
            yield Aim(f"{metric} / nginx, TLS", f"{metric} Gbit/s", True, 1.5, TLS)
            yield Aim(f"{metric}, CPU / nginx, TLS", f"{metric} CPU s/GiB", False, 0.68, TLS)


def role_aims():
    for role in ("server", "client"):
        yield Aim(f"idle {role}, MiB", f"idle {role} RSS MiB", False, 9)
        yield Aim(f"idle {role}, anonymous MiB", f"idle {role} anonymous MiB", False, 3)
        for protocol, bound in (("tcp", 3), ("http", 3), ("https", 24)):
            yield Aim(f"idle {protocol} visitor, {role} KiB", f"held {protocol} {role} KiB", False, bound)


AIMS = [
    Aim("tcp req/s / nginx, plain", "tcp req/s", True, 1.1, PLAIN),
    Aim("tcp req/s / nginx, TLS", "tcp req/s", True, 1.4, TLS),
    Aim("tcp CPU / nginx, plain", "tcp CPU µs", False, 0.8, PLAIN),
    Aim("tcp CPU / nginx, TLS", "tcp CPU µs", False, 0.6, TLS),
    Aim("http CPU / nginx, plain", "http CPU µs", False, 0.9, PLAIN, "tcp CPU µs"),
    Aim("https req/s / nginx, TLS", "https req/s", True, 1.2, TLS),
    Aim("new connection, req/s / nginx, plain", "tcp, new req/s", True, 1.25, PLAIN),
    Aim("new connection, req/s / nginx, TLS", "tcp, new req/s", True, 2.3, TLS),
    Aim("new connection, CPU / nginx, plain", "tcp, new CPU µs", False, 0.62, PLAIN),
    Aim("ping p50 / nginx, plain", "ping p50 µs", False, 1.02, PLAIN),
    *bulk_aims(),
    Aim("long line down / bare TCP", "long line down Mbit/s", True, 0.85, "direct"),
    Aim("long line up / bare TCP", "long line up Mbit/s", True, 0.85, "direct"),
    *role_aims(),
    Aim("opening an idle tcp visitor, CPU µs", "held tcp open CPU µs", False, 100),
    Aim("one stalled of 64, the others, 1 KiB", "stalled, 1k: others' rate", True, 0.9),
    Aim("one stalled of 64, the others, 64 KiB", "stalled, 64k: others' rate", True, 0.9),
]


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def times(value):
    return "–" if value is None else f"{value:.2f}"


def print_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["-" * w for w in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |")
    print()


def ratio_to(values, metric, other):
    return values.ratio(OURS, metric, other, values.twin(other, metric))


def print_values(values, peers):
    compared = [other for other in (PLAIN, TLS) if other in peers and OURS in peers]
    lines = [["median", *(kind.title for kind in peers.values()), *(f"mux / {peers[o].title}" for o in compared)]]
    for metric in values.metrics:
        lines.append([metric, *(number(values.median(peer, metric)) for peer in peers),
                      *(times(ratio_to(values, metric, other)) for other in compared)])
    print_table(lines)


def reached(values):
    """The aims that were measured, each with its value."""
    return [(aim, aim.value(values)) for aim in AIMS if aim.value(values) is not None]


def print_aims(values):
    lines = [["pgrok, mux", "measured", "aim", ""]]
    for aim, value in reached(values):
        lines.append([aim.text, times(value), f"{'≥' if aim.at_least else '≤'} {aim.bound}",
                      "" if aim.is_met(value) else "missed"])
    if len(lines) > 1:
        print_table(lines)


def as_json(values, peers, options, disturbed, failures):
    return {
        "options": options,
        "medians": {p: {m: values.median(p, m) for m in values.metrics if values.of(p, m)} for p in peers},
        "ratios": {other: {m: ratio_to(values, m, other) for m in values.metrics if ratio_to(values, m, other)}
                   for other in peers if other != OURS},
        "aims": [{"aim": a.text, "value": v, "at_least" if a.at_least else "at_most": a.bound, "met": a.is_met(v)}
                 for a, v in reached(values)],
        "rounds": values.rounds,
        "foreign_cpu": disturbed,
        "failures": failures,
    }
