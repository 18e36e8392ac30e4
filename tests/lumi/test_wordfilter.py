"""Words that are not welcome: what a rule meets, that it counts at once, and that nothing is written before."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from gallery.models import Model
from generation import pipeline
from generation.models import GenerationRequest
from lumi import wordfilter
from lumi.accounts.models import User
from lumi.forms import MOST_AT_ONCE
from lumi.models import AuditEntry, DoomedFile, FilterRule
from lumi.wordfilter import Unwelcome
from tests.factories import make_model

Match, Scope = FilterRule.Match, FilterRule.Scope
USUAL = "Some of these words are not welcome here. Please choose other words and try again."


def rule(text: str, match: str = Match.WORD, scope: str = Scope.ALL, **fields: Any) -> FilterRule:
    """A rule as the admin saves it."""
    return FilterRule.objects.create(text=text, match=match, scope=scope, **fields)


def is_refused(text: str, scope: FilterRule.Scope = Scope.PROMPT) -> bool:
    """Whether an active rule meets it."""
    return wordfilter.first_met(text, scope) is not None


# --- What a rule meets ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("a gun", True), ("GUN", True), ("Gun!", True), ("(gun)", True), ("gun_rack", True), ("my gun's barrel", True),
        ("a gunnera leaf", False), ("a begun thing", False), ("guns", False), ("gun2", False), ("", False),
        ("ｇｕｎ", True), ("g\u200bun", True),
        ("g\u00adu\u2060n", True), ("\ufeffgun", True), ("g\ufe0fu\u034fn", True),
        ("𝐠𝐮𝐧", True), ("ⓖⓤⓝ", True), ("画gun给我", True), ("gún", False), ("a begun gun", True),
    ],
)  # fmt: skip
def test_a_word_is_met_whole_however_it_is_written(text: str, refused: bool) -> None:
    rule("Gun")
    assert is_refused(text) == refused


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("word", "text", "refused"),
    [
        ("手枪", "一把手枪模型", True), ("手枪", "手 枪", False), ("手枪", "手\u200b枪", True), ("枪", "水枪", True),
        ("爆弾", "でかい爆弾です", True), ("폭탄", "폭탄을 그려줘", True), ("ปืน", "รูปปืนเล็ก", True),
        ("ﾊﾞｸﾀﾞﾝ", "バクダン", True), ("AK枪", "ak枪", True), ("AK枪", "mak枪", False), ("AK枪", "一把AK枪械", True),
        ("hot dog", "a hot\n\n  dog", True), ("hot dog", "hotdog", False), ("straße", "STRASSE", True),
        ("c++", "in C++, please", True), ("бомба", "Бомба", True), ("бомба", "бомбарда", False),
        ("हिन्दी", "हिन्दीय", False),
        ("aa", "aaa aa", True),
    ],
)  # fmt: skip
def test_scripts_without_spaces_are_met_inside_of_words(word: str, text: str, refused: bool) -> None:
    rule(word)
    assert is_refused(text) == refused


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("pattern", "text", "refused"),
    [
        (r"\bbomb(s|er)?\b", "two BOMBS", True), (r"\bbomb(s|er)?\b", "bombastic", False),
        (r"[炸爆]\s?弹", "炸 弹", True), (r"^a cat$", "A  cat ", True), (r"B.M", "b\u200bom", True),
        (r"\p{Han}{3}", "三个字", True), ("(a+)+$", "a" * 5000 + "!", False),
    ],
)  # fmt: skip
def test_a_pattern_is_searched_for(pattern: str, text: str, refused: bool) -> None:
    rule(pattern, Match.PATTERN)
    assert is_refused(text) == refused


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "meets"),
    [(Scope.ALL, {"PROMPT", "NAME"}), (Scope.PROMPT, {"PROMPT"}), (Scope.NAME, {"NAME"})],
)
def test_a_rule_counts_where_it_says(scope: str, meets: set[str]) -> None:
    rule("gun", scope=scope)
    assert {where.value for where in (Scope.PROMPT, Scope.NAME) if is_refused("gun", where)} == meets


@pytest.mark.django_db
def test_a_rule_that_no_form_has_seen_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    rule("(", Match.PATTERN)
    rule("\u200b")
    rule("gun")
    assert is_refused("a gun")
    assert not is_refused("a cat (")
    assert "passed over" in caplog.text


# --- At once, and cheaply ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestNews:
    def test_a_rule_counts_from_the_moment_on(self) -> None:
        assert not is_refused("a gun")
        first = rule("gun")
        assert is_refused("a gun")
        FilterRule.objects.filter(pk=first.pk).update(is_active=False, updated_at=first.created_at)
        first.refresh_from_db()
        first.is_active = False
        first.save()
        assert not is_refused("a gun")
        first.text, first.is_active = "sword", True
        first.save()
        assert is_refused("a sword")
        first.delete()
        assert not is_refused("a sword")

    def test_also_a_change_whose_clock_was_behind(self) -> None:
        old, new = rule("gun"), rule("sword")
        assert is_refused("a gun")
        behind = new.updated_at.replace(microsecond=(new.updated_at.microsecond + 1) % 1_000_000, year=2020)
        FilterRule.objects.filter(pk=old.pk).update(text="knife", updated_at=behind)
        assert is_refused("a knife")
        assert not is_refused("a gun")

    def test_one_statement_a_check(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        rule("gun")
        rule("bomb", Match.PATTERN)
        with django_assert_num_queries(2):
            wordfilter.check("a cat", Scope.PROMPT)
        for _ in range(3):
            with django_assert_num_queries(1):
                wordfilter.check("a cat", Scope.PROMPT)

    def test_none_for_no_text(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(0):
            wordfilter.check("", Scope.NAME)

    def test_a_hit_does_not_make_the_rules_old(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        met = rule("gun")
        assert is_refused("a gun")
        wordfilter.count_hit(met.pk)
        with django_assert_num_queries(1):
            assert is_refused("a gun")


# --- What the person is told ------------------------------------------------------------------------------------------


@pytest.fixture
def gun(db: None) -> FilterRule:
    """A rule with the usual sentence."""
    return rule("gun")


@pytest.mark.parametrize(("language", "sentence"), [("en", USUAL), ("zh-hans", None)])
def test_the_sentence_does_not_say_which_rule(
    gun: FilterRule, alice: User, language: str, sentence: str | None
) -> None:
    client = APIClient(headers={"accept-language": language})
    client.force_authenticate(alice)
    answer = client.post("/api/requests", {"prompt": "a cat with a gun"})
    assert answer.status_code == 400
    body = answer.json()["data"]
    assert body["code"] == "VALIDATION_ERROR"
    assert "gun" not in answer.content.decode()
    if sentence:
        assert body["message"] == sentence
        assert body["details"] == {"prompt": [sentence]}


def test_a_rule_may_have_a_sentence_of_its_own(db: None, as_alice: APIClient) -> None:
    rule("gun", sentence="We make no weapons. Please ask for something else.")
    answer = as_alice.post("/api/requests", {"prompt": "a gun"})
    assert answer.json()["data"]["message"] == "We make no weapons. Please ask for something else."


# --- Before anything is written ---------------------------------------------------------------------------------------


def picture() -> SimpleUploadedFile:
    """Never looked at: the words come first."""
    return SimpleUploadedFile("cat.png", b"no picture", "image/png")


@pytest.mark.usefixtures("gun")
class TestNothingIsWritten:
    def test_of_a_prompt(self, as_alice: APIClient) -> None:
        assert as_alice.post("/api/requests", {"prompt": "a Gun"}).status_code == 400
        assert not GenerationRequest.objects.exists()

    def test_of_a_prompt_beside_a_picture(self, alice: User) -> None:
        with pytest.raises(Unwelcome):
            pipeline.start_from_image(owner=alice, file=picture(), prompt="a gun")
        assert not GenerationRequest.objects.exists()
        assert not DoomedFile.objects.exists()

    @pytest.mark.parametrize("field", ["name", "description"])
    def test_of_a_models_words(self, alice: User, as_alice: APIClient, field: str) -> None:
        model = make_model(alice, name="Cat", description="small")
        answer = as_alice.patch(f"/api/models/{model.pk}", {"name": "Dog", field: "a gun"})
        assert answer.status_code == 400
        assert set(answer.json()["data"]["details"]) == {field}
        model.refresh_from_db()
        assert (model.name, model.description) == ("Cat", "small")

    @pytest.mark.parametrize(("file_name", "name"), [("cat.stl", "my gun"), ("gun.stl", "")])
    def test_of_an_upload(self, as_alice: APIClient, file_name: str, name: str) -> None:
        file = SimpleUploadedFile(file_name, b"solid nothing", "model/stl")
        answer = as_alice.post("/api/models/upload", {"file": file, "name": name}, format="multipart")
        assert answer.status_code == 400
        assert set(answer.json()["data"]["details"]) == {"name"}
        assert not Model.objects.exists()
        assert not DoomedFile.objects.exists()

    def test_of_a_persons_name(self, alice: User, as_alice: APIClient) -> None:
        assert as_alice.patch("/api/auth/me", {"name": "Mr Gun"}).status_code == 400
        alice.refresh_from_db()
        assert alice.name == "Alice"


@pytest.mark.django_db(transaction=True)
def test_each_refusal_is_counted_although_nothing_else_is_written(as_alice: APIClient, alice: User) -> None:
    met, model = rule("gun"), make_model(alice)
    as_alice.post("/api/requests", {"prompt": "a gun"})
    as_alice.patch(f"/api/models/{model.pk}", {"name": "gun"})
    as_alice.patch("/api/auth/me", {"name": "gun"})
    as_alice.post("/api/requests", {"prompt": "a cat"})
    met.refresh_from_db()
    assert met.hits == 3


def test_inside_of_a_transaction_a_hit_is_counted_after_it(
    gun: FilterRule, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as after:
        with pytest.raises(Unwelcome):
            wordfilter.check("gun", Scope.NAME)
        gun.refresh_from_db()
        assert gun.hits == 0
    assert len(after) == 1
    gun.refresh_from_db()
    assert gun.hits == 1


# --- The desk ---------------------------------------------------------------------------------------------------------

RULES = "/admin/lumi/filterrule/"


@pytest.fixture
def desk(db: None) -> Client:
    """Somebody who may write rules."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.create_superuser("boss@example.com", "a long password"))
    return client


def form(text: str, match: str = Match.WORD) -> dict[str, str]:
    """As it is posted."""
    return {"text": text, "match": match, "scope": Scope.ALL, "sentence": "", "is_active": "on"}


@pytest.mark.parametrize(
    ("text", "match", "complaint"),
    [
        ("(", "PATTERN", "missing )"), (r"(a)\1", "PATTERN", "references"), ("(?=a)b", "PATTERN", "look-around"),
        ("((a{99}){99}){99}", "PATTERN", "repetition"), ("a*", "PATTERN", "every text"), ("\u200b", "WORD", "seen"),
        (".|", "PATTERN", "every text"),
    ],
)  # fmt: skip
def test_a_rule_that_could_not_be_used_is_a_form_error(desk: Client, text: str, match: str, complaint: str) -> None:
    page = desk.post(f"{RULES}add/", form(text, match))
    assert page.status_code == 200
    assert complaint in str(page.context["adminform"].form.errors["text"])
    assert not FilterRule.objects.exists()


def test_what_staff_do_to_a_rule_is_in_the_trail(desk: Client) -> None:
    desk.post(f"{RULES}add/", form("gun"))
    pk = FilterRule.objects.get().pk
    desk.post(f"{RULES}{pk}/change/", form("gun.?", "PATTERN"))
    desk.post(f"{RULES}{pk}/delete/", {"post": "yes"})
    added, changed, deleted = AuditEntry.objects.order_by("number")
    assert {entry.subject_id for entry in (added, changed, deleted)} == {pk}
    assert added.after["text"] == "gun"
    assert (changed.before, changed.after["match"]) == ({"text": "gun", "match": "WORD"}, "PATTERN")
    assert (deleted.action, deleted.before["text"]) == ("deleted", "gun.?")


class TestManyAtOnce:
    def post(self, desk: Client, texts: str, match: str = Match.WORD) -> Any:
        """Paste them."""
        return desk.post(f"{RULES}many/", {"texts": texts, "match": match, "scope": Scope.NAME})

    def test_one_a_line(self, desk: Client) -> None:
        rule("sword", scope=Scope.NAME)
        assert self.post(desk, " gun \n\nbomb\ngun\nsword\n").status_code == 302
        assert set(FilterRule.objects.values_list("text", "scope")) == {(w, "NAME") for w in ("gun", "bomb", "sword")}
        assert AuditEntry.objects.get().after == {"match": "WORD", "scope": "NAME", "texts": ["gun", "bomb"]}
        assert is_refused("a bomb", Scope.NAME)

    @pytest.mark.parametrize(
        ("texts", "match", "complaint"),
        [
            ("gun\n(", "PATTERN", "missing )"), ("gun\n" + "x" * 201, "WORD", "at most 200"), ("", "WORD", "required"),
            ("\n".join(map(str, range(MOST_AT_ONCE + 1))), "WORD", f"At most {MOST_AT_ONCE}"),
            ("gun", "?", "valid choice"),
        ],
    )  # fmt: skip
    def test_all_or_none(self, desk: Client, texts: str, match: str, complaint: str) -> None:
        page = self.post(desk, texts, match)
        assert page.status_code == 200
        assert complaint in str(page.context["form"].errors)
        assert not FilterRule.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_the_page_opens(self, desk: Client) -> None:
        assert "many/" in desk.get(RULES).content.decode()
        assert desk.get(f"{RULES}many/").status_code == 200


def test_the_list_of_rules_is_few_queries(desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    FilterRule.objects.bulk_create(FilterRule(text=f"word {number}") for number in range(300))
    with django_assert_max_num_queries(8):
        assert desk.get(RULES).status_code == 200
