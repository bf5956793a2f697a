"""How long what arrived stays archived: the files go first, so that what a crash interrupts is done again."""

from __future__ import annotations

from functools import partial
from itertools import groupby

from elaaoms.archive import Archive
from elaaoms.calls import CallStore
from elaaoms.database import Database

AT_ONCE = 256  # bodies of one transaction


async def let_go(
    database: Database, calls: CallStore, archive: Archive, *, audio: bool, before: float
) -> int:
    """Remove bodies that arrived before then, either recordings or the rest; how many."""
    count = 0
    while bodies := await calls.outlived(audio=audio, before=before, limit=AT_ONCE):
        for conversation, group in groupby(sorted(bodies), key=lambda body: body[0]):
            paths = [path for _, path in group]
            decoded = [f"{path.removesuffix('.json')}.mp3" for path in paths] if audio else []
            await archive.let_go(conversation, [*paths, *decoded])
        await database.write(partial(calls.let_go, bodies=bodies))
        count += len(bodies)
    return count
