"""The recall/latency curve, drawn as one SVG file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pilotman.retrieval.vectors.tune import Point, Tuning

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 400, 60, 110, 30, 50
_SVG = "http://www.w3.org/2000/svg"
_COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377")
"""Told apart by the colour-blind too (Tol, Colour schemes, 2021)."""


def svg(tuning: Tuning, wanted: float) -> str:
    """Recall over milliseconds (p50, logarithmic), a line for each ``k_factor``, the wanted, the chosen."""
    scale = _Scale(tuning.points, wanted)
    parts = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH} {_HEIGHT}" style="font: 11px sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        *scale.axes(),
        scale.level(wanted),
        *(
            part
            for turn, factor in enumerate(sorted({point.k_factor for point in tuning.points}))
            for part in scale.line([p for p in tuning.points if p.k_factor == factor], turn)
        ),
        scale.mark(tuning.chosen),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Recall up, milliseconds to the right."""

    def __init__(self, points: Sequence[Point], wanted: float) -> None:
        times = [max(point.p50, 1e-6) for point in points]
        self._low, self._high = min(times), max(max(times), min(times) * 1.01)
        self._floor = min(*(point.recall for point in points), wanted, 0.99)

    def x(self, time: float) -> float:
        share = math.log(max(time, 1e-6) / self._low) / math.log(self._high / self._low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, recall: float) -> float:
        return _TOP + (1 - recall) / (1 - self._floor) * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self) -> Iterator[str]:
        for turn in range(5):
            recall = self._floor + (1 - self._floor) * turn / 4
            time = self._low * (self._high / self._low) ** (turn / 4)
            yield _line(_LEFT, self.y(recall), _WIDTH - _RIGHT, self.y(recall), "#dddddd")
            yield _text(_LEFT - 6, self.y(recall) + 4, f"{recall:.3f}", "end")
            yield _text(self.x(time), _HEIGHT - _BOTTOM + 18, f"{time:.3g}", "middle")
        yield _text(_LEFT, _TOP - 12, "recall", "middle")
        yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, "ms a query (p50)", "middle")

    def level(self, wanted: float) -> str:
        return _line(
            _LEFT, self.y(wanted), _WIDTH - _RIGHT, self.y(wanted), "#999999", ' stroke-dasharray="4"'
        )

    def line(self, points: Sequence[Point], turn: int) -> Iterator[str]:
        colour = _COLOURS[turn % len(_COLOURS)]
        places = [(self.x(point.p50), self.y(point.recall)) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        for point, (x, y) in zip(points, places, strict=True):
            setting = f"nprobe {point.nprobe}, k_factor {point.k_factor:g}"
            said = f"{setting}: {point.recall:.3f} at {point.p50:.3f} ms"
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"><title>{said}</title></circle>'
        yield f'<circle cx="{_WIDTH - _RIGHT + 14}" cy="{_TOP + 16 * turn}" r="4" fill="{colour}"/>'
        yield _text(_WIDTH - _RIGHT + 24, _TOP + 16 * turn + 4, f"k_factor {points[0].k_factor:g}", "start")

    def mark(self, chosen: Point) -> str:
        x, y = self.x(chosen.p50), self.y(chosen.recall)
        ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="none" stroke="black" stroke-width="1.5"/>'
        return ring + _text(x, y + 22, f"nprobe {chosen.nprobe}", "middle")


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"{more}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
