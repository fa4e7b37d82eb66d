"""Promises of the settings: typed, from variables or .env, and every mistake named at once."""

from pathlib import Path

import pytest

from forecourt.settings import Settings, WrongSettings, read, settings


def test_without_any_variable_the_defaults_hold() -> None:
    assert read({}) == Settings()
    assert read({"FORECOURT_TIMEZONE": "", "FORECOURT_VAR": ""}) == Settings()


def test_local_files_belong_to_the_project_wherever_in_it_a_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORECOURT_VAR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    below = tmp_path / "shop" / "src" / "deep"
    below.mkdir(parents=True)

    def var() -> Path:
        settings.cache_clear()
        return settings().var

    monkeypatch.chdir(below)
    assert var() == tmp_path / "home" / ".local" / "share" / "forecourt", "no project: one place, also for cron"
    (tmp_path / "shop" / "pyproject.toml").touch()
    assert var() == tmp_path / "shop" / "var"
    (tmp_path / "shop" / ".env").write_text("FORECOURT_VAR=local\nFORECOURT_ENVIRONMENT=found")
    assert (var(), settings().environment) == (tmp_path / "shop" / "local", "found")
    monkeypatch.setenv("FORECOURT_VAR", "elsewhere")
    assert var() == below / "elsewhere"
    settings.cache_clear()


def test_two_applications_in_two_plain_folders_do_not_share_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORECOURT_VAR", raising=False)
    for folder, module, app in (("one", "shop.py", "shop:app"), ("two", "clinic/night.py", "clinic.night:app")):
        file = tmp_path / folder / module
        file.parent.mkdir(parents=True)
        file.touch()
        monkeypatch.chdir(file.parent)
        monkeypatch.setenv("FORECOURT_APP", app)
        settings.cache_clear()
        assert settings().var == tmp_path / folder / "var"
    settings.cache_clear()


def test_variables_are_read_as_what_they_mean() -> None:
    found = read(
        {
            "FORECOURT_VAR": "/srv/forecourt",
            "FORECOURT_POOLED": "True",
            "FORECOURT_WEB_PORT": "9000",
            "FORECOURT_TIMEZONE": "Asia/Damascus",
            "FORECOURT_BASE_URL": "https://cars.example/",
            "FORECOURT_UNKNOWN": "is nobody's",
        }
    )
    assert (found.var, found.archive) == (Path("/srv/forecourt"), Path("/srv/forecourt/archive"))
    assert (found.pooled, found.web_port, found.base_url) == (True, 9000, "https://cars.example")
    assert found.zone.key == "Asia/Damascus"
    assert read({"FORECOURT_POOLED": "off"}).pooled is False


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("TIMEZONE", "Mars/Olympus", "'Mars/Olympus' is not an IANA time zone"),
        ("TIMEZONE", "America", "'America' is not an IANA time zone"),
        ("TIMEZONE", "../etc/passwd", "is not an IANA time zone"),
        ("TIMEZONE", "localtime", "is not an IANA time zone"),
        ("TIMEZONE", "right/Europe/Berlin", "is not an IANA time zone"),
        ("BASE_URL", "cars.example", "must start with http:// or https://"),
        ("BASE_URL", "https://", "'https://' is not an address such as https://cars.example"),
        ("BASE_URL", "https:///car", "is not an address"),
        ("BASE_URL", "https://cars.example:port", "is not an address"),
        ("BASE_URL", "https://cars.example/?page=1", "is not an address"),
        ("BASE_URL", "https://cars example", "is not an address"),
        ("QUEUE_LIMITS", "high", "expected queues with seconds such as high=30,low=3600, not 'high'"),
        ("QUEUE_LIMITS", "high=0", "expected queues with seconds"),
        ("QUEUE_LIMITS", "high=30,=5", "expected queues with seconds such as high=30,low=3600, not '=5'"),
        ("ALERT_MAIL", "ops@cars.example;anna@cars.example, nobody", "'nobody' is not a mail address"),
        ("ALERT_MAIL", "Ops <ops@cars.example>", "each with a language of en or ar or none"),
        ("ALERT_SECRET", "short", "a secret has 16 characters or more"),
        ("ALERT_SECRET", "whsec_?????????????", "what follows whsec_ must be base64"),
        ("ALERT_WEBHOOK", "ftp://chat.example", "is not an address such as https://monitor.example/ping/1234"),
        ("ALERT_APPRISE", "ntfy://topic s3cret", "number 2 is not an address of Apprise's, such as ntfy://topic"),
        ("CLOCK_PING", "https://[::1", "is not an address"),
        ("REPORT_MAIL", "anna@cars.example fr", "each with a language of en or ar or none"),
        ("ALERT_WEBHOOK_LANGUAGE", "fr", "'fr' is not one of en, ar"),
        ("MAIL_FROM", "Cars", "expected Name <name@example.com>, not 'Cars'"),
        ("MAIL_FROM", "Cars, all of them <a@cars.example>", "expected Name <name@example.com>"),
        ("HOST", "web 1", "expected a name without spaces and commas, such as web-1, not 'web 1'"),
        ("MAIL_TEMPLATES", "x" * 300, "File name too long"),
        ("WEB_PORT", "0", "expected a port from 1 to 65535, not '0'"),
        ("WEB_PORT", "eighty", "expected a port from 1 to 65535"),
        ("POOLED", "perhaps", "expected true or false, not 'perhaps'"),
        ("LOG_LEVEL", "LOUD", "'LOUD' is not one of DEBUG, INFO, WARNING, ERROR"),
        ("LOG_FORMAT", "xml", "'xml' is not one of auto, text, json"),
    ],
)
def test_a_wrong_value_is_refused_with_its_variable(name: str, text: str, words: str) -> None:
    with pytest.raises(WrongSettings) as refused:
        read({f"FORECOURT_{name}": text})
    assert str(refused.value).startswith(f"FORECOURT_{name}: ")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["http://mail.example", "smtp://", "mail.example:25", "smtp://u:se/cret@h", "smtp://u:se#cret@h", "smtp://h:99999"],
)
def test_a_mail_server_s_address_that_is_none_is_a_clear_mistake_and_shows_no_password(url: str) -> None:
    with pytest.raises(WrongSettings, match="FORECOURT_SMTP_URL: expected smtp://") as refused:
        read({"FORECOURT_SMTP_URL": url})
    assert "cret" not in str(refused.value)


def test_lists_are_read_as_what_they_mean() -> None:
    found = read(
        {
            "FORECOURT_QUEUE_LIMITS": "high=30, low=3600",
            "FORECOURT_ALERT_MAIL": "ops@cars.example, anna@cars.example",
            "FORECOURT_REPORT_MAIL": "anna@cars.example, omar@cars.example ar",
            "FORECOURT_ALERT_WEBHOOK": "https://chat.example/hook?wait=true",
            "FORECOURT_ALERT_SECRET": "sixteen characters",
        }
    )
    assert [found.queue_limit(queue) for queue in ("high", "low", "other")] == [30, 3600, 60]
    assert found.alert_mail == (("ops@cars.example", "en"), ("anna@cars.example", "en"))
    assert found.report_mail == (("anna@cars.example", "en"), ("omar@cars.example", "ar"))
    assert found.alert_webhook == "https://chat.example/hook?wait=true"


def test_apprise_that_is_not_installed_is_refused_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WrongSettings, match=r"FORECOURT_ALERT_APPRISE: .*pip install 'forecourt\[apprise\]'"):
        read({"FORECOURT_ALERT_APPRISE": "ntfy://topic"})


def test_a_webhook_without_a_secret_is_refused() -> None:
    with pytest.raises(WrongSettings, match="FORECOURT_ALERT_WEBHOOK needs FORECOURT_ALERT_SECRET"):
        read({"FORECOURT_ALERT_WEBHOOK": "https://chat.example/hook"})


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(WrongSettings, match=r"FORECOURT_LOG_LEVEL: .*; FORECOURT_WEB_PORT: "):
        read({"FORECOURT_WEB_PORT": "-1", "FORECOURT_LOG_LEVEL": "low"})


def test_a_variable_wins_over_the_file_and_the_file_over_the_default(
    empty_var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text(
        'FORECOURT_MAIL_FROM="Night <night@cars.example>"\nFORECOURT_ENVIRONMENT=file\n# a comment\n'
    )
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", "variable")
    settings.cache_clear()
    assert settings().mail_from == "Night <night@cars.example>"
    assert settings().environment == "variable"
    assert settings().var == empty_var
    settings.cache_clear()


def test_a_misspelled_setting_is_named_instead_of_overlooked() -> None:
    """Overlooked, a private database would be filled in place of the one that was meant."""
    with pytest.raises(WrongSettings, match="FORECOURT_DATABSE_URL is no setting: did you mean FORECOURT_DATABASE_URL"):
        read({"FORECOURT_DATABSE_URL": "postgresql://db/shop"})
    of_kubernetes = ("SERVICE_HOST", "PORT", "PORT_80_TCP_ADDR", "WEB_SERVICE_PORT", "WEB_PORT_80_TCP_PORT")
    assert read({f"FORECOURT_{name}": "tcp://10.0.0.1:80" for name in of_kubernetes}) == read({})


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"FORECOURT_APP shop:app", "expected NAME=value"), (b"FORECOURT_HOST=caf\xe9", "expected UTF-8")],
)
def test_a_line_of_the_file_that_is_no_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, words: str
) -> None:
    (tmp_path / ".env").write_bytes(b"# ours\n%s\n" % line)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    with pytest.raises(WrongSettings, match=rf"\.env, line 2: {words}"):
        settings()
    settings.cache_clear()
