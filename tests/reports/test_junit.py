from __future__ import annotations

import xml.etree.ElementTree as ET

from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.request import Limits
from tests.evaluation_lab import Lab, answering
from tests.reports.conftest import Write


def test_each_case_is_a_test_and_what_was_expected_and_came_stands_inside(
    mixed: list[Evaluation], write: Write
) -> None:
    (suite,) = ET.parse(write(mixed, "r.xml")).getroot()
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6", "failures": "2", "errors": "1", "skipped": "0",
    }  # fmt: skip
    tests = {test.get("name"): test for test in suite.iter("testcase")}
    (properties,) = tests["good"]
    about = {each.get("name"): each.get("value") for each in properties}
    assert (about["input.ticket"], about["expected"]) == ("good", "good")
    assert len(about["execution"] or "") == 36
    _, failed = tests["wrong"]
    assert failed.tag == "failure"
    assert failed.get("message") == 'equals: expected "right as it is", got "wrong as it is"'
    assert "  expected: right as it is\n  got: wrong as it is" in (failed.text or "")
    assert "user:\nwrong\nreply:\nwrong as it is" in (failed.text or "")
    _, error = tests["refused"]
    assert (error.tag, error.get("type")) == ("error", "RequestRejected")
    assert "<no> & no" in (error.text or "")


def test_what_was_not_run_is_not_green(lab: Lab, write: Write) -> None:
    lab.many(3)
    (suite,) = ET.parse(write(lab.evaluate(limits=Limits(max_cost_nano_usd=0)), "r.xml")).getroot()
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    (error,) = suite.iter("error")
    assert error.get("message") == "3 of 3 cases were not run"


def test_no_reply_breaks_the_document(mixed: list[Evaluation], write: Write) -> None:
    text = write(mixed, "r.xml").read_text()
    (suite,) = ET.fromstring(text)
    tests = {test.get("name"): test for test in suite.iter("testcase")}
    forged = "".join(tests["forged|`x`"].itertext())
    assert "</script><script>" in forged
    assert "\x00" not in text
    assert "\x1b" not in text


def test_what_was_evaluated_and_what_came_of_it_are_properties(mixed: list[Evaluation], write: Write) -> None:
    (suite,) = ET.parse(write(mixed, "r.xml")).getroot()
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties["dataset"] == "datasets/triage.yaml"
    assert str(properties["verdict"]).startswith("failed: 3 of 6 cases")


def test_repeats_are_one_test(lab: Lab, write: Write) -> None:
    lab.many(2)
    lab.server.default = answering({"c1": "wrong"})
    (suite,) = ET.parse(write(lab.evaluate(repeats=3), "r.xml")).getroot()
    assert (suite.get("tests"), suite.get("failures"), len(list(suite.iter("testcase")))) == ("2", "1", 2)
    (failed,) = suite.iter("failure")
    assert str(failed.get("message")).startswith("0 of 3 passed: equals: ")


def test_a_cost_that_is_not_known_is_left_out(lab: Lab, write: Write) -> None:
    lab.many(1)
    for model, wanted in (("local/gpt-4o-mini", ["0.000015000"]), ("local/unpriced", [])):
        (suite,) = ET.parse(write(lab.evaluate(models=(model,)), "r.xml")).getroot()
        assert [each.get("value") for each in suite.iter("property") if each.get("name") == "cost_usd"] == wanted
