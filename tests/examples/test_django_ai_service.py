"""The example examples/django-ai-service: its call sites, commands and admin, in process and as a reader starts it."""

from __future__ import annotations

import html
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import promptctl
from tests.openai_server import OpenAIServer, failure, reply

EXAMPLE = Path(__file__).parents[2] / "examples/django-ai-service"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that sandbox/make.sh makes, with prompts that are wrong in several ways and a hostile name."""
    folder = tmp_path_factory.mktemp("django") / "prompts"
    environ = {**os.environ, "PYTHON": sys.executable}
    subprocess.run(["sh", EXAMPLE / "sandbox/make.sh", folder], check=True, capture_output=True, env=environ)
    for name, text in {
        "retired": "status: inactive\nmessages: [{role: user, content: Hello}]\n",
        "broken": "messages: [{role: user, content: '{{ 1 / 0 }}'}]\n",
        "wrong": "messages: nothing\n",
        "hostile": f"name: '{HOSTILE}'\nmessages: [{{role: user, content: '{HOSTILE}'}}]\n",
    }.items():
        (folder / f"prompts/{name}.prompt.yaml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="session")
def service(prompts: Path, model: OpenAIServer) -> Iterator[Any]:
    """The service `AIService`, with its tables and a staff user; `service.prompts` is closed at the end.

    Django is set up once for each process, however the tests are shared out.
    """
    settings = prompts / "promptctl.yaml"
    server = f'models: {{"local/*": {{api_base: "{model.url}", max_attempts: 1}}}}\n'
    settings.write_text(settings.read_text() + server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SETTINGS_MODULE", "config.settings")
        patch.setenv("DATA", str(prompts.parent))
        patch.setenv("PROMPTS", str(prompts))
        patch.syspath_prepend(str(EXAMPLE))
        import django

        django.setup()
        from django.conf import settings as configured
        from django.core.management import call_command

        configured.ALLOWED_HOSTS.append("testserver")
        call_command("migrate", verbosity=0)
        from django.contrib.auth.models import User
        from service.ai_service import AIService
        from service.prompts import workspace
    yield AIService(User.objects.create_superuser("ada", password="x"))
    workspace().close()


@pytest.fixture
def browser(service: Any) -> Any:
    """Django's client, signed in as staff."""
    from django.test import Client

    client = Client()
    client.force_login(service.user)
    return client


def answers() -> list[Any]:
    from service.models import AIResponse

    return list(AIResponse.objects.all())


def shown(page: Any) -> str:
    """The words of a page, without its markup."""
    text = re.sub(r"<[^>]+>", " ", page.content.decode())
    return html.unescape(" ".join(text.split()))


def test_both_kinds_of_call_sites_are_stored_and_logged(service: Any) -> None:
    from service import features
    from service.prompts import workspace

    issue = features.draft_issue(service, "The export button does nothing.")
    documented = features.document(service, "def area(): ...")
    assert issue.output == {"title": "a", "labels": ["bug"]} == json.loads(issue)
    assert (documented, documented.output) == ("def area(): ...", None)
    stored = answers()[:2]
    assert [(each.content, each.meta, each.user) for each in stored] == [
        (documented, documented.meta, service.user),
        (issue, issue.meta, service.user),
    ]
    assert [(each.meta["prompt"], each.meta["prompt_version"], each.meta["prompt_label"]) for each in stored] == [
        ("docs/generator", None, None),
        ("issues/feedback", 1, "production"),
    ]
    assert documented.meta["parameters"] == {"temperature": 0.2}
    for answer in (issue, documented):
        execution = workspace().log.execution(answer.meta["execution_id"])
        assert (execution.prompt, execution.user) == (answer.meta["prompt"], str(service.user.pk))


@pytest.mark.parametrize(
    ("name", "prompt", "context", "words"),
    [
        ("NotFound", "issues/feedbak", {}, "issues/feedbak"),
        ("NotFound", "issues/feedback@staging", {}, "staging"),
        ("NotFound", "retired", {}, "inactive"),
        ("Render", "broken", {}, "division"),
        ("Validation", "issues/feedback", {"feedbak": "x"}, "`feedback` is missing"),
        ("", "wrong", {}, "messages"),
    ],
)
def test_each_fault_of_a_prompt_is_the_exception_that_call_sites_know(
    service: Any, name: str, prompt: str, context: dict[str, Any], words: str
) -> None:
    from service import exceptions

    kinds = {
        "NotFound": exceptions.PromptTemplateNotFoundError,
        "Render": exceptions.PromptRenderError,
        "Validation": exceptions.PromptValidationError,
        "": exceptions.PromptTemplateError,
    }
    before = len(answers())
    with pytest.raises(exceptions.PromptTemplateError, match=re.escape(words)) as caught:
        service.call_ai_chat(prompt=prompt, context=context)
    assert type(caught.value) is kinds[name]
    assert isinstance(caught.value.__cause__, promptctl.PromptctlError)
    assert len(answers()) == before


def test_a_reply_that_never_fits_and_a_provider_that_fails(service: Any, model: OpenAIServer, browser: Any) -> None:
    from django.conf import settings
    from service.exceptions import PromptSchemaError

    def post(path: str, body: Any) -> tuple[int, Any]:
        response = browser.post(f"/api/{path}", json.dumps(body), content_type="application/json")
        return response.status_code, response.json()

    assert post("issues", {"feedback": "Ok"}) == (200, {"title": "a", "labels": ["bug"]})
    assert post("issues", {"feedback": ""})[0] == 422
    assert post("documentation", ["no object"])[0] == 422
    settings.AI_MODEL = "local/small"
    try:
        model.default = reply("no JSON")
        with pytest.raises(PromptSchemaError):
            service.call_ai_chat(prompt="issues/feedback@production", context={"feedback": "x"})
        assert post("issues", {"feedback": "x"}) == (502, {"error": "the answer was of no use"})
        model.default = failure(429, "busy, said the provider", retry_after=7)
        assert post("documentation", {"code": "x"}) == (503, {"error": "the model is busy"})
        with pytest.raises(promptctl.RateLimited):
            service.call_ai_chat(user_prompt="x", prompt_type="docs/generator")
    finally:
        settings.AI_MODEL = None


@pytest.mark.parametrize("arguments", [{}, {"system_prompt": "x"}, {"prompt": "chat/assistant", "user_prompt": "x"}])
def test_a_call_of_neither_kind_is_refused(service: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either `prompt`"):
        service.call_ai_chat(**arguments)


def test_the_admin_shows_prompts_with_what_the_log_has_of_them(service: Any, browser: Any) -> None:
    from service import features
    from service.prompts import workspace

    features.draft_issue(service, "The export button does nothing.")
    features.document(service, HOSTILE)
    listed = browser.get("/admin/service/prompt/")
    calls = {row.prompt: row.totals.calls for row in workspace().log.rules()}
    words = shown(listed)
    assert re.search(
        rf"issues/feedback Feedback issue creator v1 \(\w+\) production v1 echo/echo full {calls['issues/feedback']} ",
        words,
    )
    assert re.search(rf"docs/generator - no file - - metadata {calls['docs/generator']} ", words)
    assert "drafts ok" in words
    assert "500 calls per day" in words
    assert HOSTILE not in listed.content.decode()
    page = shown(browser.get("/admin/service/prompt/issues/feedback/"))
    for expected in (
        "Add the prompts of the service",
        "{{ feedback }}",
        "promptctl.yaml:6:5",
        '{"title": "a", "labels": ["bug"]}',
    ):
        assert expected in page
    assert "its messages are in code" in shown(browser.get("/admin/service/prompt/docs/generator/"))
    assert browser.get("/admin/service/prompt/wrong/").status_code == 200
    assert HOSTILE not in browser.get("/admin/service/prompt/hostile/").content.decode()
    assert browser.get("/admin/service/prompt/nothing/").status_code == 404
    answered = shown(browser.get("/admin/service/airesponse/"))
    assert re.search(r"docs/generator - - echo ada", answered)


def test_old_answers_without_meta_are_shown(service: Any, browser: Any) -> None:
    from service.models import AIResponse

    old = AIResponse.objects.create(content="Hello")
    assert str(old) == f"untracked {old.pk}"
    assert browser.get("/admin/service/airesponse/").status_code == 200
    assert browser.get(f"/admin/service/airesponse/{old.pk}/change/").status_code == 200


def test_only_staff_with_the_permission_see_prompts_and_nobody_edits(service: Any, browser: Any) -> None:
    from django.contrib.auth.models import Permission, User
    from django.test import Client
    from service import features

    anybody, staff = Client(), Client()
    ben = User.objects.create_user("ben", is_staff=True)
    staff.force_login(ben)
    for path in ("/admin/service/prompt/", "/admin/service/prompt/chat/assistant/"):
        assert anybody.get(path).status_code == 302
        assert staff.get(path).status_code == 403
    assert browser.get("/admin/service/airesponse/add/").status_code == 403
    features.draft_issue(service, "The export button does nothing.")
    ben.user_permissions.add(Permission.objects.get(codename="view_prompt"))
    page = shown(staff.get("/admin/service/prompt/issues/feedback/"))
    assert "Last calls" in page
    assert '"labels"' not in page  # what users were answered is for whoever may see answers


def test_a_page_costs_the_same_however_many_calls_there_are(
    service: Any, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    start: Callable[..., Any] = subprocess.Popen.__init__

    def counted(process: Any, *arguments: Any, **options: Any) -> None:
        started.append(arguments)
        start(process, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", counted)

    def cost() -> int:
        started.clear()
        browser.get("/admin/service/prompt/")
        return len(started)

    before = cost()
    for _ in range(3):
        service.call_ai_chat(user_prompt="x", prompt_type="docs/generator")
    assert cost() == before <= 15


def test_the_commands(service: Any, prompts: Path) -> None:
    from django.core.management import CommandError, call_command

    service.call_ai_chat(user_prompt="x", prompt_type="docs/once")
    out, err = StringIO(), StringIO()
    call_command("check_prompts", stdout=out, stderr=err)
    assert "issues/feedback\tv1" in out.getvalue()
    assert "docs/once\t-\tno file\t-\t1 call\t" in out.getvalue()
    assert "wrong.prompt.yaml" in err.getvalue()
    out = StringIO()
    call_command("test_prompt_templates", stdout=out)
    assert "issues/feedback\ta-wish\t2 messages" in out.getvalue()
    (prompts / "datasets/broken.yaml").write_text(
        "prompts: [broken]\ncases: [{id: a, inputs: {}, assert: [{type: is-json}]}]\n"
    )
    with pytest.raises(CommandError, match="1 case cannot be rendered"):
        call_command("test_prompt_templates", stdout=out, stderr=err)


def test_a_reader_sets_it_up_and_starts_it_with_two_commands(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {**os.environ, "PYTHON": sys.executable, "DATA": str(tmp_path), "PROMPTS": str(tmp_path / "prompts")}
    done = subprocess.run(["sh", EXAMPLE / "setup.sh"], capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Now: sh start.sh, then http://127.0.0.1:8000/admin/ (admin, admin)"
    with promptctl.open_workspace(tmp_path / "prompts") as workspace:
        assert sum(row.totals.calls for row in workspace.log.rules()) == 4
    command = ["sh", str(EXAMPLE / "start.sh")]
    with subprocess.Popen(
        command, env={**environ, "PORT": str(port)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        try:
            assert "Django administration" in _opened(f"http://127.0.0.1:{port}/", server)
        finally:
            server.terminate()


def _opened(url: str, server: subprocess.Popen[bytes]) -> str:
    """The text of a page, once the server answers."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60) as page:
                return str(page.read().decode())
        except urllib.error.URLError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.05)
