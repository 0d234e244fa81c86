"""The conformance checklist of the catalog: every number is asked for, of both backends where they can be."""

import re
from pathlib import Path
from urllib.parse import quote

import httpx
from tests.contract.cases import load_cases
from tests.contract.pair import Pair, compare
from tests.contract.walk import Walk

CATALOG = "/api/catalog"
TESTS = Path(__file__).parents[1]
LAST = 195
# What a listed request cannot ask: number to the file, and the tests or texts in it that do.
ELSEWHERE = {
    5: ("unit/identity/test_authenticator.py", "limited"),
    12: ("contract/requests/by-query.yaml", "{bad"),
    14: ("contract/test_catalog_checklist.py", "def test_a_body_above_the_limit_is_refused_alike"),
    15: ("contract/test_catalog_checklist.py", "def test_92_kib_of_references_are_taken"),
    16: ("store/test_openapi.py", "def test_"),
    17: ("contract/test_catalog_checklist.py", "def test_answers_are_compressed_for_those_who_ask"),
    18: ("contract/test_catalog_checklist.py", "def test_an_answer_that_is_known_already_is_not_sent_again"),
    52: ("contract/test_catalog_checklist.py", "def test_uids_are_found_in_any_case"),
    66: ("contract/test_catalog_walks.py", "def test_pages_forth_and_back"),
    67: ("contract/test_catalog_walks.py", "def test_pages_forth_and_back"),
    68: ("contract/test_catalog_checklist.py", "def test_beside_a_cursor_other_parameters_do_not_count"),
    70: ("contract/test_catalog_checklist.py", "def test_beside_a_cursor_other_parameters_do_not_count"),
    73: ("contract/requests/by-query.yaml", "cursor-order"),
    82: ("contract/test_catalog_checklist.py", "def test_what_comes_between_pages_moves_no_other"),
    104: ("contract/requests/by-query.yaml", '{"limit": -1}'),
    128: (
        "store/test_registered_locations.py",
        "def test_a_registered_location_is_visible_without_waiting_for_its_turn",
    ),
    129: ("store/test_registered_locations.py", "def test_what_is_pinned_to_a_commit_is_not_edited"),
    130: ("store/test_scenarios.py", "def test_links_that_a_browser_would_run_are_replaced"),
    132: ("store/test_scenarios.py", "def test_the_etag_changes_with_what_is_served_and_only_then"),
    133: ("contract/test_catalog_walks.py", "def test_a_location_is_registered_looked_at_and_removed"),
    137: ("store/test_registered_locations.py", "def test_a_dry_run_tells_all_and_stores_nothing"),
    140: ("contract/requests/locations.yaml", '{get: "/locations/by-query"'),
    142: ("contract/test_catalog_walks.py", "def test_a_location_is_registered_looked_at_and_removed"),
    143: ("contract/test_catalog_walks.py", "def test_a_location_is_pointed_elsewhere"),
    144: ("contract/test_catalog_walks.py", "def test_a_location_is_registered_looked_at_and_removed"),
    145: ("store/test_registered_locations.py", "def test_readonly_refuses_changes_and_allows_dry_runs"),
    146: (
        "store/test_registered_locations.py",
        "def test_a_location_that_cannot_be_is_not_stored",
        "def test_a_location_that_another_backend_stored_without_a_target_stops_no_start",
    ),
    148: ("store/test_catalog_api.py", "def test_refresh_reads_the_file_again"),
    159: ("store/test_scenarios.py", "def test_an_invalid_entity_keeps_its_last_good_form_and_its_siblings_go_on"),
    160: ("store/test_scenarios.py", "def test_what_was_never_valid_is_not_served"),
    161: ("store/test_scenarios.py", "def test_a_broken_document_leaves_the_whole_file_as_it_was_and_says_where"),
    162: ("store/test_scenarios.py", "def test_the_entities_of_an_optional_file_that_vanishes_become_orphans"),
    163: ("store/test_scenarios.py", "def test_a_kind_that_no_rule_allows_stops_the_file_and_is_named"),
    164: ("unit/catalog/test_rules.py", "def test_the_default_rules"),
    165: ("unit/catalog/test_rules.py", "def test_rules_of_a_configured_location_add_to_the_global_ones"),
    166: ("store/test_scenarios.py", "def test_a_renamed_entity_appears_and_the_old_one_becomes_an_orphan_and_goes"),
    167: ("store/test_providers.py", "def test_the_first_provider_keeps_the_name_until_it_lets_go"),
    168: ("store/test_providers.py", "def test_the_same_key_is_a_co_owner_who_takes_over"),
    169: ("store/test_providers.py", "def test_another_location_key_makes_it_another_entity"),
    170: ("store/test_providers.py", "def test_removal_goes_down_but_spares_what_another_root_leads_to"),
    171: (
        "store/test_registered_locations.py",
        "def test_a_deleted_entity_that_is_still_emitted_comes_back_with_a_new_uid",
    ),
    172: ("store/test_scenarios.py", "def test_placeholders_are_read_beside_the_file_and_not_outside_of_its_tree"),
    173: ("store/test_registered_locations.py", "def test_refresh_keys_reach_what_was_read_from_them"),
    174: ("store/test_scenarios.py", "def test_processing_that_is_switched_off_serves_what_is_there"),
    175: (
        "store/test_processors.py",
        "def test_relative_targets_are_read_beside_the_file_that_names_them",
        "def test_a_url_location_cannot_name_files",
    ),
    176: ("store/test_processors.py", "def test_globs_name_many_files"),
    177: ("contract/test_catalog_permissions.py", "def test_what_a_user_may_not_read_is_not_there"),
    178: ("contract/test_catalog_permissions.py", "def test_all_ways_of_reading_agree"),
    179: ("contract/test_catalog_permissions.py", "def test_hidden_ancestors_are_left_out_and_not_named"),
    180: ("contract/test_catalog_permissions.py", "def test_denied_permissions_are_refused_alike"),
    181: ("contract/test_catalog_permissions.py", "def test_an_entity_that_does_not_match_is_not_deleted"),
    182: ("contract/test_catalog_permissions.py", "def test_unknown_rules_and_bad_parameters_fail_and_show_nothing"),
    183: ("contract/requests/edge.yaml", '{get: "/api/catalog/.well-known/backstage/permissions/metadata"}'),
    185: ("contract/test_catalog_permissions.py", "def test_a_service_is_not_asked_about"),
    186: ("contract/test_catalog_actions.py", "def test_actions_attributes_and_schemas_are_the_same"),
    189: (
        "contract/test_catalog_actions.py",
        "def test_a_location_is_registered_and_unregistered_by_its_url_in_another_case",
    ),
    190: ("contract/test_catalog_actions.py", "def test_broken_yaml_is_told_and_never_an_error"),
    192: ("contract/test_catalog_client.py", "def test_a_stream_of_more_than_a_page_gives_each_entity_once"),
    193: ("contract/test_catalog_client.py", "def test_2500_references_come_in_order"),
    194: ("contract/test_catalog_client.py", "def test_entities_by_filter_query_reference_and_name"),
    195: (
        "store/test_reports.py",
        "def test_pending_entities_are_listed_by_owner_and_deleted",
        "def test_pending_entities_are_for_those_with_the_permission",
    ),
}


def test_every_number_is_asked() -> None:
    asked = {number for case in load_cases("checklist") for number in case.checks}
    assert asked | ELSEWHERE.keys() >= set(range(1, LAST + 1))
    for file, *texts in ELSEWHERE.values():
        content = (TESTS / file).read_text(encoding="utf-8")
        assert [text for text in texts if text not in content] == [], file


def both(pair: Pair, method: str, path: str, **options: object) -> tuple[httpx.Response, httpx.Response]:
    return pair.send(pair.stock, method, path, **options), pair.send(pair.ours, method, path, **options)


def test_a_body_above_the_limit_is_refused_alike(pair: Pair) -> None:
    stock, ours = both(pair, "POST", f"{CATALOG}/entities/by-refs", json={"entityRefs": ["x" * 102_400]})
    assert not compare(*pair.normalised(stock, ours))
    assert ours.status_code == 413
    assert ours.json()["error"]["limit"] == 102_400


def test_92_kib_of_references_are_taken(pair: Pair) -> None:
    refs = [f"component:default/{number:060}" for number in range(92 * 1024 // 82)]
    stock, ours = both(pair, "POST", f"{CATALOG}/entities/by-refs", json={"entityRefs": refs})
    assert not compare(*pair.normalised(stock, ours))
    assert ours.json() == {"items": [None] * len(refs)}


def test_answers_are_compressed_for_those_who_ask(pair: Pair) -> None:
    for coding in ("gzip", "identity"):
        stock, ours = both(pair, "GET", f"{CATALOG}/entities?limit=50", headers={"accept-encoding": coding})
        assert stock.headers.get("content-encoding") == ours.headers.get("content-encoding")
        assert (ours.headers.get("content-encoding") == "gzip") == (coding == "gzip")
        assert "accept-encoding" in ours.headers["vary"].lower()
        difference = compare(*pair.normalised(stock, ours))
        assert not difference, difference


def test_an_answer_that_is_known_already_is_not_sent_again(pair: Pair) -> None:
    for path in ("/entities/by-query?fields=kind&limit=1", "/entity-facets?facet=kind"):
        for first in both(pair, "GET", CATALOG + path):
            backend = pair.stock if str(first.url).startswith(pair.stock.url) else pair.ours
            etag = first.headers["etag"]
            assert re.fullmatch(r'W/"[^"]+"', etag)
            again = pair.send(backend, "GET", CATALOG + path, headers={"if-none-match": etag})
            assert again.status_code == 304
            assert again.content == b""


def test_uids_are_found_in_any_case(pair: Pair) -> None:
    uid = sorted(pair.uids)[0].upper()
    for path in (f"/entities?filter=metadata.uid={uid}", f"/entities/by-uid/{uid}"):
        stock, ours = both(pair, "GET", CATALOG + path)
        assert not compare(*pair.normalised(stock, ours))
        assert ours.status_code == 200


def test_beside_a_cursor_other_parameters_do_not_count(pair: Pair) -> None:
    """Each verb takes the cursor of either; the page goes on strictly after the last row, whatever else is asked."""
    walk = Walk(pair)
    responses = walk.same("GET", f"{CATALOG}/entities/by-query?limit=2&orderField=metadata.name,asc")
    cursors = [response.json()["pageInfo"]["nextCursor"] for response in responses]
    walk.keep("cursor", (quote(cursors[0]), quote(cursors[1])))
    rest = "limit=2&filter=kind=nope&orderField=kind,desc&offset=7&totalItems=exclude&fullTextFilterTerm=x"
    by_get = walk.same("GET", f"{CATALOG}/entities/by-query?cursor={{cursor}}&{rest}")[1].json()
    walk.keep("cursor", (cursors[0], cursors[1]))
    body = {"cursor": "{cursor}", "limit": 2, "query": {"kind": "nope"}, "offset": 7}
    by_post = walk.same("POST", f"{CATALOG}/entities/by-query", json=body)[1].json()
    assert by_get == by_post
    names = [entity["metadata"]["name"] for entity in responses[1].json()["items"] + by_get["items"]]
    assert len(set(names)) == 4
    assert by_get["totalItems"] == responses[1].json()["totalItems"]


def test_what_comes_between_pages_moves_no_other(pair: Pair) -> None:
    """A location is registered while its entity would lie on the page that was read; no later entity is skipped or repeated."""
    query = "/entities/by-query?orderField=kind,desc&filter=kind=location&filter=kind=user&limit=3&fields=metadata.name"
    for backend in (pair.stock, pair.ours):
        everything = pair.send(backend, "GET", f"{CATALOG}{query.replace('limit=3', 'limit=1000')}").json()["items"]
        page = pair.send(backend, "GET", CATALOG + query).json()
        walked = page["items"]
        target = {"type": "url", "target": f"{pair.files.url}/one.yaml"}
        created = pair.send(backend, "POST", f"{CATALOG}/locations", json=target).json()
        pair.await_served(backend, "http-one")
        while cursor := page["pageInfo"].get("nextCursor"):
            following = f"{CATALOG}/entities/by-query?limit=3&fields=metadata.name&cursor={quote(cursor)}"
            page = pair.send(backend, "GET", following).json()
            walked += page["items"]
        pair.send(backend, "DELETE", f"{CATALOG}/locations/{created['location']['id']}")
        names = [entity["metadata"]["name"] for entity in walked]
        new = created["location"]["entityRef"].partition("/")[2]
        assert [name for name in names if name != new] == [entity["metadata"]["name"] for entity in everything]
        assert names.count(new) <= 1
    pair.settle()
