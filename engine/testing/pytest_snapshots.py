"""Where syrupy keeps the snapshots of samples: in the very files of `engine test`."""

from __future__ import annotations

from pathlib import Path

from syrupy.data import Snapshot, SnapshotCollection
from syrupy.extensions.single_file import SingleFileSnapshotExtension
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from engine.snapshots import FOLDER, file_name


class SampleSnapshots(SingleFileSnapshotExtension):
    """`__samples__/SPEC/SAMPLE.json` beside the integration, as bytes. To syrupy its name is `SPEC.SAMPLE`."""

    file_extension = "json"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(Path(test_location.filepath).parent / FOLDER / test_location.basename)

    @classmethod
    def get_file_basename(cls, *, test_location: PyTestLocation, index: SnapshotIndex) -> str:
        return file_name(test_location.testname)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        return f"{test_location.basename}.{file_name(test_location.testname)}"

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        path = Path(snapshot_location)
        found = SnapshotCollection(location=snapshot_location)
        found.add(Snapshot(name=f"{path.parent.name}.{path.stem}"))
        return found

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Whether a snapshot is of this sample, and not of one whose name begins as this one's does."""
        return cls.get_location(test_location=test_location, index=0) == snapshot_location
