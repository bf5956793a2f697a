"""`elaaoms eval`: measure what is configured on labelled sets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from elaaoms.cli.base import awaits, config_option, json_option
from elaaoms.cli.desk import plain, settings
from elaaoms.errors import ElaaomsError


@click.group("eval")
def evaluate() -> None:
    """Measure the configured provider on labelled sets."""


@evaluate.command("extraction")
@config_option
@json_option
@click.option("--injections", is_flag=True, help="Measure on calls that try to plant something instead.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@awaits
async def extraction(config_path: Path, as_json: bool, injections: bool, file: Path | None) -> None:
    """Precision and recall of extraction on the project's own calls, or on FILE (JSON lines)."""
    from elaaoms import daemon  # noqa: PLC0415
    from elaaoms.budget import Tally  # noqa: PLC0415
    from elaaoms.config import load_secrets  # noqa: PLC0415
    from elaaoms.evaluation import extraction as evaluation  # noqa: PLC0415
    from elaaoms.evaluation import extraction_set, injection_set  # noqa: PLC0415

    config = settings(config_path)
    own = injection_set if injections else extraction_set
    cases = own() if file is None else _lines(file)
    spent = Tally()
    extractor = daemon.extractor_of(config, load_secrets(config.folder, os.environ), spent)
    try:
        measure = evaluation.resistance if injections else evaluation.measure
        report = await measure(cases, lambda talk: extractor.extract(talk, ()))
    finally:
        await extractor.close()
    report |= {"provider": extractor.name, "usd": round(spent.usd, 4)}
    if file is None and not injections:
        report["verification"] = evaluation.verification(cases)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    click.echo(f"Provider {report['provider']}, {report['usd']:.4f} US dollars")
    if injections:
        click.echo(f"{report['planted']} of {report['calls']} calls leave a memory of what they try to plant")
        click.echo(
            f"and {report['harmless_recall']:.1%} of their {report['harmless']} harmless facts are found"
        )
        for name, told in report["memories"].items():
            click.echo(f"  {name}: {'; '.join(map(plain, told))}")
        return
    click.echo(
        f"{'':10} {'calls':>6} {'labels':>7} {'stored':>7} {'precision':>10} {'recall':>7} {'ungrounded':>11}"
    )
    for name, row in {"all": report, **report["languages"]}.items():
        click.echo(
            f"{name:10} {row['calls']:>6} {row['labelled']:>7} {row['stored']:>7} {row['precision']:>10.3f}"
            f" {row['recall']:>7.3f} {row['ungrounded_stored']:>11}"
        )
    if "verification" in report:
        check = report["verification"]
        click.echo(f"The check of evidence keeps {check['kept']:.1%} of {check['facts']} labelled facts")
        click.echo(f"and lets {check['passed']:.1%} of {check['traps']} hallucinations through:")
        click.echo("  " + ", ".join(f"{kind} {share}" for kind, share in check["passed_by_kind"].items()))


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise ElaaomsError(f"{file} is not JSON lines in UTF-8: {error}") from error
