from jaxcell.plates.stacks import numbered, one_plane_a_view, planes_that_differ
from jaxcell.plates.tables import images_table


def _table(*rows):
    """Rows of well, view, z, time and file."""
    return images_table(
        numbered({"plate": "P", "well": well, "field": 1, "view": view, "z": z, "time": time}, file)
        for well, view, z, time, file in rows
    )


STACK = _table(
    *[("A01", "FITC", z, None, f"f{z}.tif") for z in (1, 2, 3)],
    ("A01", "Cy5", 1, None, "c1.tif"),
    ("A02", "FITC", None, None, "g.tif"),
)


def test_without_a_rule_a_stack_is_refused_once_a_plate_and_the_rest_stays():
    images, (finding,) = one_plane_a_view(STACK)
    assert finding.fatal and "3 planes of focus" in finding.message
    assert "jaxcell plates FOLDER --z max" in finding.cure
    assert set(images["view"] + images["well"]) == {"Cy5A01", "FITCA02"}


def test_the_maximum_is_of_all_files_of_a_view():
    images, findings = one_plane_a_view(STACK, "max")
    assert not findings and len(images) == 3
    path = images.set_index(["well", "view"])["path"]
    assert path["A01", "FITC"] == "f1.tif|f2.tif|f3.tif#z=max"
    assert path["A01", "Cy5"] == "c1.tif#z=1" and path["A02", "FITC"] == "g.tif"


def test_one_plane_by_its_number_and_none_in_its_place():
    images, findings = one_plane_a_view(STACK, 2)
    assert not findings and "f2.tif#z=2" in set(images["path"])
    images, (finding,) = one_plane_a_view(STACK, 7)
    assert "has no z 7" in finding.message and "FITC" in finding.message
    assert not images["path"].str.startswith("f").any()


def test_stacks_in_one_file_stay_in_it():
    table = _table(*[("A01", "FITC", z, None, "stack.tif") for z in (1, 2)])
    images, _ = one_plane_a_view(table, "max")
    assert images["path"].tolist() == ["stack.tif#z=max"]


def test_no_maximum_is_taken_over_pages_that_a_list_numbers():
    """A path names one page: the first plane must not pass for the maximum."""
    place = {"plate": "P", "well": "A01", "field": 1}
    rows = [
        numbered(place | {"view": view, "z": z, "page": page}, file)
        for view, z, page, file in (
            *(("FITC", z, z, "stack.tif") for z in (1, 2, 3)),
            *(("Cy5", z, 2, f"c{z}.tif") for z in (1, 2)),
        )
    ]
    images, (finding,) = one_plane_a_view(images_table(rows), "max")
    assert images["path"].tolist() == ["c1.tif|c2.tif#page=2&z=max"]
    assert finding.fatal and finding.well == "A01" and "FITC" in finding.message
    assert "--z 3" in finding.cure and "--z max" not in finding.cure
    images, findings = one_plane_a_view(images_table(rows), 2)
    assert not findings and "stack.tif#page=2&z=2" in set(images["path"])


def test_a_series_of_times_is_no_stack_of_focus():
    table = _table(*[("A01", "FITC", z, t, f"{t}{z}.tif") for z in (1, 2) for t in (1, 2)])
    _, findings = one_plane_a_view(table, "max")
    assert [finding.problem for finding in findings] == ["time series"]
    images, findings = one_plane_a_view(table, "max", 2)
    assert images["path"].tolist() == ["21.tif|22.tif#z=max&time=2"] and not findings


def test_views_of_other_focus_or_time_are_refused_naming_both():
    for axis in ("z", "time"):
        first, second = ({"z": None, "time": None} | {axis: number} for number in (5, 1))
        table = _table(
            ("A01", "FITC", first["z"], first["time"], "a.tif"),
            ("A01", "Cy5", second["z"], second["time"], "b.tif"),
        )
        (finding,) = planes_that_differ(table)
        assert finding.fatal and finding.well == "A01"
        assert f"FITC is of {axis} 5" in finding.message and f"{axis} 1" in finding.message


def test_a_maximum_beside_a_single_plane_is_a_note():
    images, _ = one_plane_a_view(STACK, "max")
    (finding,) = planes_that_differ(images)
    assert not finding.fatal and "z max" in finding.message
