"""`elaaoms eval`: measure what is configured on labelled sets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from elaaoms.cli.base import awaits, config_option, json_option, stated
from elaaoms.cli.desk import plain, settings
from elaaoms.errors import ElaaomsError


@click.group("eval")
def evaluate() -> None:
    """Measure the configured provider or embedder on labelled sets."""


@evaluate.command("extraction")
@config_option
@json_option
@click.option("--injections", is_flag=True, help="Measure on calls that try to plant something instead.")
@click.option(
    "--hard", is_flag=True, help="Measure on calls about whole families, one half of them never read."
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@awaits
async def extraction(
    config_path: Path, as_json: bool, injections: bool, hard: bool, file: Path | None
) -> None:
    """Precision and recall of extraction on the project's own calls, or on FILE (JSON lines)."""
    if injections + hard + (file is not None) > 1:
        raise click.UsageError("choose one of --injections, --hard and FILE")
    from elaaoms import daemon  # noqa: PLC0415
    from elaaoms.budget import Tally  # noqa: PLC0415
    from elaaoms.config import load_secrets  # noqa: PLC0415
    from elaaoms.evaluation import extraction as evaluation  # noqa: PLC0415
    from elaaoms.evaluation import extraction_set, hard_set, injection_set  # noqa: PLC0415

    config = settings(config_path)
    own = injection_set if injections else hard_set if hard else extraction_set
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
    if hard:
        unread = [case for case in cases if case["split"] == "test"]
        report["verification_unread"] = evaluation.verification(unread)
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
    for name, of in (("verification", ""), ("verification_unread", " of the half that was never read")):
        if name in report:
            check = report[name]
            click.echo(
                f"The check of evidence keeps {check['kept']:.1%} of {check['facts']} labelled facts{of}"
            )
            click.echo(f"and lets {check['passed']:.1%} of {check['traps']} hallucinations through:")
            click.echo("  " + ", ".join(f"{kind} {share}" for kind, share in check["passed_by_kind"].items()))


@evaluate.command("duplicates")
@config_option
@json_option
@click.option(
    "--split",
    type=click.Choice(["test", "tuning", "all"]),
    help="Which half of a set that names halves; without it the test half of our own, all of FILE.",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
def duplicates(config_path: Path, as_json: bool, split: str | None, file: Path | None) -> None:
    """What is merged of the project's own labelled pairs, or of FILE (JSON lines: a, b, same, group)."""
    from elaaoms import daemon  # noqa: PLC0415
    from elaaoms.evaluation import duplicate_pairs  # noqa: PLC0415
    from elaaoms.evaluation import duplicates as evaluation  # noqa: PLC0415

    with stated():
        policy = daemon.policy_of(settings(config_path))
        pairs = evaluation.read(duplicate_pairs() if file is None else _lines(file))
    split = split or ("test" if file is None else "all")
    pairs = [pair for pair in pairs if split == "all" or pair.split in (split, "")]
    tally = evaluation.measure(pairs, evaluation.reconciled(policy))
    if as_json:
        click.echo(json.dumps(tally.report(), ensure_ascii=False, indent=2))
        return
    alone = evaluation.measure(pairs, evaluation.likeness_alone(policy))
    click.echo(f"{tally.n} pairs, {tally.same} of them the same (95 % intervals in brackets)")
    click.echo(f"{'':28} {'precision':>20} {'recall':>20} {'wrong merges':>13}")
    for name, row in (
        ("elaaoms", tally),
        (f"likeness > {policy.duplicate_threshold:g} alone", alone),
    ):
        shares = [(row.found, row.merged), (row.found, row.same)]
        cells = [
            f"{part / whole if whole else 1:.3f} [{low:.3f} {high:.3f}]"
            for part, whole in shares
            for low, high in [evaluation.interval(part, whole)]
        ]
        click.echo(f"{name:28} {cells[0]:>20} {cells[1]:>20} {row.wrong_merges.total():>13}")
    groups = sorted(tally.wrong_merges | alone.wrong_merges)
    if groups:
        click.echo("\nWrong merges by group (elaaoms, likeness alone)")
        for group in groups:
            click.echo(f"  {group or '-':26} {tally.wrong_merges[group]:>6} {alone.wrong_merges[group]:>6}")


@evaluate.command("retrieval")
@config_option
@json_option
@click.option("--split", type=click.Choice(["test", "tuning", "all"]), default="test", show_default=True,
              help="Which half of a set that names halves.")  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@awaits
async def retrieval(config_path: Path, as_json: bool, split: str, file: Path | None) -> None:
    """Recall of search on the project's own questions, or on FILE (JSON lines), beside three baselines."""
    from elaaoms import daemon  # noqa: PLC0415
    from elaaoms.config import load_secrets  # noqa: PLC0415
    from elaaoms.evaluation import everyday_set, retrieval_set  # noqa: PLC0415
    from elaaoms.evaluation import retrieval as evaluation  # noqa: PLC0415
    from elaaoms.meaning import fit  # noqa: PLC0415

    config = settings(config_path)
    encoder = daemon.encoder()
    questions, known = evaluation.read(
        [*retrieval_set(), *everyday_set()] if file is None else _lines(file), encoder
    )
    asked = [question for question in questions if split == "all" or question.split in ("", split)]
    systems = {"served": evaluation.served, **evaluation.baselines()}
    name = encoder.name
    if (embedder := daemon.embedder_of(config, load_secrets(config.folder, os.environ))) is not None:
        try:
            _, slope, shift = await fit(embedder, encoder)
            likened = await evaluation.likened(asked, known, embedder.embed, slope=slope, shift=shift)
        finally:
            await embedder.close()
        systems = {"served": likened, "builtin": evaluation.served, **evaluation.baselines()}
        name = embedder.model
    threshold = config.memory.relevance_threshold
    reports = {
        name: evaluation.measure(asked, known, system, threshold=threshold)
        for name, system in systems.items()
    }
    if as_json:
        served = reports.pop("served")
        click.echo(json.dumps({**served, "embedder": name, "baselines": reports}, indent=2))
        return
    names = (
        "recall@5",
        "recall@10",
        "recall@20",
        "hit@5",
        "hit@10",
        "mrr",
        "ndcg@10",
        "found",
        "off_topic_silent",
    )
    click.echo(f"Shares with half their 95 % interval, threshold {threshold:g}")
    click.echo(f"{'':14} {'n':>5} " + " ".join(f"{name:>16}" for name in names))
    rows = {**reports, **{f"  {name}": row for name, row in reports["served"]["groups"].items()}}
    for title, row in rows.items():
        cells = [
            f"{row[name]:>9.3f} ±{evaluation.interval(row[name], row['n'] or 1):.3f}"
            if name in row and (row["n"] or name == "off_topic_silent")
            else ""
            for name in names
        ]
        click.echo(f"{title:14} {row['n']:>5} " + " ".join(f"{cell:>16}" for cell in cells))


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise ElaaomsError(f"{file} is not JSON lines in UTF-8: {error}") from error
