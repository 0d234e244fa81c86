"""How many small templates a millisecond of processor time renders: `python -m tests.perf.rendering` (`make bench-templates`).

Processor time, so that what else the machine does counts as little as it can. Warm is what a loop over a list or a tree of files
meets, cold is the first render of each text, its parsing included. Exit code 1 below the promise of two a millisecond.
"""

import sys
import time
from collections.abc import Callable

from understage.templating import Environment

PROMISE = 2.0
ROUNDS = 5
CONTEXT = {
    "parameters": {"name": "web", "owner": "group:default/team-a", "ports": [80, 443], "public": True},
    "steps": {"publish": {"output": {"remoteUrl": "https://git.example/acme/web"}}},
}
TEMPLATES = {
    "a value": "${{ parameters.name }}",
    "text and a filter": "Hello ${{ parameters.name | upper }}!",
    "a comparison": "${{ parameters.ports | length > 1 }}",
    "a condition": "{% if parameters.public %}public{% else %}private{% endif %}",
    "a loop": "{% for port in parameters.ports %}${{ port }} {% endfor %}",
    "methods": "${{ parameters.owner.split('/')[1] }}-${{ parameters.name | replace('w', 'v') }}",
    "a regular expression": "${{ parameters.name.replace(r/[^a-z]+/g, '-') }}",
    "an object": "${{ {url: steps.publish.output.remoteUrl, name: parameters.name} }}",
}


def rate(render: Callable[[int], object], count: int) -> float:
    """Renders a millisecond, the best of the rounds."""
    best = 0.0
    for round_ in range(ROUNDS):
        started = time.process_time_ns()
        for number in range(count):
            render(round_ * count + number)
        best = max(best, count * 1e6 / (time.process_time_ns() - started))
    return best


def measure(template: str) -> tuple[float, float]:
    """(warm, cold) of one template."""
    environment = Environment()
    warm = rate(lambda _: environment.render_string_value(template, CONTEXT), 2000)
    # Another text each time: none is in the cache.
    cold = rate(lambda number: environment.render_text(f"{template} {number}", CONTEXT), 200)
    return warm, cold


def main() -> int:
    """Measure and print all."""
    slowest = float("inf")
    print(f"{'renders a millisecond':<24}{'warm':>8}{'cold':>8}")
    for name, template in TEMPLATES.items():
        warm, cold = measure(template)
        slowest = min(slowest, warm, cold)
        print(f"{name:<24}{warm:>8.1f}{cold:>8.1f}")
    print(f"promised are {PROMISE:g}; the slowest is {slowest:.1f}")
    return 0 if slowest >= PROMISE else 1


if __name__ == "__main__":
    sys.exit(main())
