"""How long `promptctl adopt` takes over many Python files, as a whole process that writes nothing.

    python benchmarks/adopt.py [--files 2000] [--rounds 3]

Each file has about 220 lines; one in ten has two hard-coded prompts, one in three asks a model with messages that are
made elsewhere. Exits 1 where the target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from processes import Target, Work, run_in_turns

PROMPTCTL = (sys.executable, "-m", "promptctl")
PLAIN = '''\

def total_{n}(rows, rate=0.19, *, since=None):
    """Return the sums of the rows by their month, with the tax of each."""
    found = {{}}
    for row in rows:
        if since is not None and row["date"] < since:
            continue
        month = row["date"][:7]
        net, tax = found.get(month, (0, 0))
        found[month] = net + row["net"], tax + round(row["net"] * rate)
    return [{{"month": month, "net": net, "tax": tax}} for month, (net, tax) in sorted(found.items())]
'''
ASKING = """\

def ask_{n}(client, messages, **options):
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages, **options)
"""
PROMPTS = '''\

RULES_{n} = """You triage tickets of {{product}}.
Answer as JSON: {{{{"label": "billing"}}}}
"""

def triage_{n}(client, ticket, history, product="Acme"):
    prompt = f"Ticket: {{ticket.strip()}}"
    return client.chat.completions.create(
        model="gpt-4o-mini",
        temperature=0,
        messages=[
            {{"role": "system", "content": RULES_{n}.format(product=product)}},
            *history,
            {{"role": "user", "content": prompt}},
        ],
    )

def summarise_{n}(client, text: str, words=100):
    return client.messages.create(
        model="claude-sonnet-4-5", max_tokens=500, system="You summarise in at most %d words." % words,
        messages=[{{"role": "user", "content": text}}],
    )
'''


def write(folder: Path, files: int) -> None:
    (folder / "promptctl.yaml").write_text("model: echo/echo\n", encoding="utf-8")
    for number in range(files):
        blocks = [PLAIN.format(n=each) for each in range(18)]
        blocks += [ASKING.format(n=number)] if number % 3 == 0 else []
        blocks += [PROMPTS.format(n=number)] if number % 10 == 0 else []
        file = folder / f"app/part{number % 40}/module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("import json\n\nfrom openai import OpenAI\n" + "".join(blocks), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.files)
        command = (*PROMPTCTL, "adopt", "app", "--dry-run", "--json")
        work = Work(f"adopt, {given.files:,} files", command, Path(folder), Target(20.0))
        return run_in_turns([work], given.rounds)


if __name__ == "__main__":
    sys.exit(main())
