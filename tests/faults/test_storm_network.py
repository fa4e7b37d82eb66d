"""A host that is cut off from the others, by a cable that drops everything, and comes back."""

from pathlib import Path

import pytest

from faults.hosts import Host
from faults.networks import Cuts, NoNetworks, cables
from faults.site import site
from faults.storm import Storm, raging


def test_a_host_that_is_cut_off_and_comes_back_loses_and_doubles_nothing(empty_var: Path, tmp_path: Path) -> None:
    try:
        with (
            cables("north", "south") as laid,
            site(
                tmp_path / "site",
                networks=[f"{cable.there}/32" for cable in laid],
                listen_addresses=",".join(cable.here for cable in laid),
            ) as ground,
        ):
            hosts = [
                Host(
                    cable.name,
                    tmp_path / cable.name,
                    f"postgresql://forecourt@{cable.here}/forecourt",
                    prefix=cable.prefix,
                )
                for cable in laid
            ]
            with raging(Storm(ground.url, hosts, hurried=True, machines_lost=True)) as storm:
                result = storm.endure("cut off and healed", [Cuts(laid).cut_off_and_healed], 1)
    except NoNetworks as why:
        pytest.skip(str(why))
    assert result.survived, result
