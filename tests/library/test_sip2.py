"""SIP2 with a client that this project did not write: an ordinary machine asks, and is answered."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.library.sip2_server import Sip2Server, UnsafeAddressError, tls_context
from tests.library.certificates import made_up_certificate
from tests.library.conftest import Served
from tests.library.reading_room import READER, done, leave, open_library
from tests.library.self_service import (
    MendedClient,
    connected,
    info_text,
    say,
    serving,
)
from tests.redemptions.builders import API, keys_of

# Of each answer: the fields that it may have, AY and AZ of the error detection beside.
ALLOWED = {
    "64": {"AO", "AA", "AE", "CB", "BL", "CQ", "PC", "AF"},
    "24": {"AO", "AA", "AE", "BL", "CQ", "AF"},
    "98": {"AO", "AM", "BX", "AF"},
    "36": {"AO", "AA"},
}


def information(client: MendedClient, scanned: str, kind: str = "none") -> dict[str, Any]:
    client.patron = scanned
    found: dict[str, Any] = client.sip_patron_information_response(
        client.get_response(client.sip_patron_information_request(kind))
    )
    return found


def variable(answer: dict[str, Any]) -> dict[str, str]:
    fields = {name: values[0] for name, values in answer["variable"].items() if name != "Raw"}
    fields.pop("AY", None)
    fields.pop("AZ", None)
    fields.pop("", None)
    return fields


def test_a_machines_own_programme_walks_through_a_visit(served: Served) -> None:
    """Login, status, a holder, the limit, the end: as the client's wrapper does it."""
    wrapper = served.wrapper()
    status = wrapper.return_sc_status()
    assert status["fixed"]["OnlineStatus"] == "Y"
    assert status["fixed"]["CheckoutOk"] == status["fixed"]["CheckinOk"] == "N"
    assert status["variable"]["BX"] == ["YNNNYYYYYNNNNNNN"]
    assert wrapper.login_patron(served.code_of(served.holder("AA")))
    info = wrapper.sip_patron_information()
    assert info["variable"]["CB"] == ["0020"]
    assert info["variable"]["AE"] == ["持卡人"]
    assert wrapper.get_patron_screenMessages() == "可借图书20册；少儿图书40册免押金。"
    assert wrapper.get_patron_chargedItems() == wrapper.get_patron_overdueItems() == {}
    assert wrapper.sip_item_checkout("9787-0001") is False  # the status said so
    wrapper.sip_patron_session_end()
    wrapper.disconnect()


@pytest.mark.parametrize(("tier", "limit", "words"), [
    ("A", "0015", "可借图书15册。"),
    ("AA", "0020", "可借图书20册；少儿图书40册免押金。"),
    ("AAA", "0025", "可借图书25册，免押金；少儿图书40册免押金。"),
])
def test_a_machine_learns_the_limit_and_the_words(
    served: Served, tier: str, limit: str, words: str
) -> None:
    client = served.client()
    code = served.code_of(served.holder(tier))
    answer = variable(information(client, code))
    assert (answer["BL"], answer["CQ"], answer["CB"]) == ("Y", "Y", limit)
    assert (answer["PC"], answer["AF"], answer["AA"]) == (tier, words, code)


def test_r23_answers_hold_what_is_needed_and_no_more(served: Served) -> None:
    client = served.client()
    code = served.code_of(served.holder("AAA"))
    asked = information(client, code)
    assert set(variable(asked)) == ALLOWED["64"]
    status = client.sip_patron_status_response(
        client.get_response(client.sip_patron_status_request())
    )
    assert set(variable(status)) == ALLOWED["24"]
    assert status["fixed"]["PatronStatus"] == " " * 14
    of_machine = client.sip_sc_status_response(
        client.get_response(client.sip_sc_status_request())
    )
    assert set(variable(of_machine)) == ALLOWED["98"] - {"AF"}
    end = client.sip_end_patron_session_response(
        client.get_response(client.sip_end_patron_session_request())
    )
    assert set(variable(end)) == ALLOWED["36"]
    assert end["fixed"]["EndSession"] == "Y"


@pytest.mark.parametrize("kind", ["hold", "overdue", "charged", "fine", "recall", "unavail"])
def test_r24_whoever_asks_for_items_gets_blank_counts(served: Served, kind: str) -> None:
    client = served.client()
    answer = information(client, served.code_of(served.holder()), kind)
    counts = {name: text for name, text in answer["fixed"].items() if name.endswith("Count")}
    assert set(counts.values()) == {" " * 4}
    assert set(variable(answer)) == ALLOWED["64"]


def test_r24_lending_is_refused_and_no_title_comes_or_goes(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    title, item = "资治通鉴第三册", "ITEM-77310021"
    with connected(served.port) as stream:
        assert say(stream, served.login).startswith(b"941")
        for message, head in (
            (f"11NN{' ' * 36}AO|AA1|AB{item}|AC|AJ{title}|", "120NUN"),
            (f"09N{' ' * 36}AP|AO|AB{item}|AC|AJ{title}|", "100NUN"),
            (f"17{' ' * 18}AO|AB{item}|AJ{title}|", "18010001"),
            (f"15+{' ' * 18}AO|AA1|AJ{title}|", "160N"),
            (f"29NN{' ' * 36}AO|AA1|AB{item}|AJ{title}|", "300NUN"),
            (f"19{' ' * 18}AO|AB{item}|", "200"),
            (f"37{' ' * 18}0100CNYBV5|AO|AA1|", "38N"),
            (f"65{' ' * 18}AO|AA1|", "660"),
            (f"01N{' ' * 18}AO|AL{title}|AA1|AC|", "24"),
            (f"25{' ' * 18}AO|AA1|", "26"),
        ):
            answer = say(stream, message).decode()
            assert answer.startswith(head)
            assert "AF此接口只查询借阅额度，不办理该业务。|" in answer
            assert title not in answer
            assert item not in answer
    assert title not in caplog.text
    assert item not in caplog.text


def test_r5_without_consent_the_baseline_and_no_tier(served: Served) -> None:
    client = served.client()
    answer = variable(information(client, served.code_of(served.holder("AAA", consents=()))))
    assert (answer["BL"], answer["CB"], answer["AF"]) == ("Y", "0015", "可借图书15册。")
    assert "PC" not in answer


def test_r5_whoever_left_is_told_what_everybody_gets(served: Served) -> None:
    client = served.client()
    holder = served.holder("AAA")
    code, later = served.code_of(holder), served.code_of(holder)
    assert variable(information(client, code))["CB"] == "0025"
    leave(served.app, holder.citizen_id)
    for scanned in (code, later):  # the one before the machine, and another one
        answer = variable(information(client, scanned))
        assert (answer["BL"], answer["CQ"], answer["CB"]) == ("N", "N", "0015")
        assert answer["AF"] == "此卡当前不可用，请按基础标准提供服务。"
        assert "PC" not in answer


def test_one_scan_may_be_asked_about_twice_here_and_nowhere_else(served: Served) -> None:
    first, second = served.client(), served.client(served.library.make_machine())
    code = served.code_of(served.holder())
    assert variable(information(first, code))["BL"] == "Y"
    assert variable(information(first, code))["BL"] == "Y"
    elsewhere = variable(information(second, code))
    assert (elsewhere["BL"], elsewhere["CB"]) == ("N", "0015")
    assert elsewhere["AF"] == "此码已出示过，请持卡人刷新后再扫。"
    first.get_response(first.sip_end_patron_session_request())
    assert variable(information(first, code))["BL"] == "N"  # the visit is over


def test_readings_of_a_machine_are_in_the_trail(served: Served) -> None:
    holder = served.holder()
    information(served.client(), served.code_of(holder))
    lines = done(
        served.library.client.get(f"{API}/me/trail", headers=holder.headers)
    )["lines"]
    assert lines[0]["actor_kind"] == "machine"
    assert (lines[0]["action"], lines[0]["fields"]) == ("library_ask", ["benefits", "tier"])
    assert lines[0]["reason"].startswith("门店")


def test_the_librarys_own_code_of_a_reader_stands_for_whoever_has_a_waiver(
    served: Served,
) -> None:
    holder = served.holder("AAA")
    waiver = served.library.registered(holder, reader_reference=READER)
    client = served.client()
    answer = variable(information(client, READER))
    assert (answer["BL"], answer["CQ"], answer["CB"]) == ("Y", "N", "0025")  # no PIN was checked
    other = open_library(served.app, served.library.client)
    foreign = served.client(other.make_machine())
    for asking, scanned in ((client, "LIB-9999"), (foreign, READER), (client, "")):
        unknown = variable(information(asking, scanned))
        assert (unknown["BL"], unknown["CB"]) == ("N", "0015")
        assert unknown["AF"] == "请出示诚信卡二维码，或按基础标准借阅。"
    served.library.registered(served.holder("AAA"), reader_reference=READER)
    client.get_response(client.sip_end_patron_session_request())
    assert variable(information(client, READER))["BL"] == "N"  # of two nobody is guessed
    served.library.at_desk("waivers/return", receipt=waiver["receipt"])


def test_a_suspended_machine_learns_nothing_from_its_next_message_on(served: Served) -> None:
    machine = served.library.make_machine()
    client = served.client(machine)
    code = served.code_of(served.holder())
    assert variable(information(client, code))["BL"] == "Y"
    served.library.suspend(machine["machine"]["machine_id"])
    answer = variable(information(client, code))
    assert (answer["BL"], answer["AF"]) == ("N", "此设备已停用，请到服务台办理。")
    assert "CB" not in answer
    with connected(served.port) as stream:
        login = f"9300CN{machine['machine']['machine_id']}|CO{machine['secret']}|"
        assert say(stream, login) == b"940"
    served.library.suspend(machine["machine"]["machine_id"], suspended=False)
    assert variable(information(served.client(machine), code))["BL"] == "N"  # burnt


def test_texts_go_as_the_machine_writes_them(served: Served) -> None:
    old = served.library.make_machine(encoding="gb18030")
    client = served.client(old, encoding="gb18030")
    client.institutionId = "市圖書館總館"  # in GB18030 one of these ends with the byte of |
    answer = variable(information(client, served.code_of(served.holder())))
    assert answer["AO"] == client.institutionId
    assert answer["AE"] == "持卡人"


def test_error_detection_follows_the_machine(served: Served) -> None:
    client = served.client()
    client.withCrc = client.withSeq = False
    client.get_response(client.sip_sc_status_request())
    assert "AZ" not in client.last_response
    client.withSeq = True
    client.get_response(client.sip_sc_status_request())
    assert client.last_response.endswith("AY1\r")  # the login was 0
    client.withCrc = True
    client.get_response(client.sip_sc_status_request())
    assert "AY2AZ" in client.last_response
    before = client.last_response
    assert client.get_response(client.sip_sc_resend_request()) == before


def test_a_message_sent_again_is_answered_again_and_done_once(served: Served) -> None:
    holder = served.holder()
    client = served.client()
    client.patron = served.code_of(holder)
    message = client.sip_patron_information_request("none")
    first = client.get_response(message)
    assert client.get_response(message) == first
    lines = done(
        served.library.client.get(f"{API}/me/trail", headers=holder.headers)
    )["lines"]
    assert [one["action"] for one in lines].count("library_ask") == 1


def test_another_address_needs_a_certificate(served: Served) -> None:
    for address in ("0.0.0.0", "10.0.0.7", "::"):  # noqa: S104 -- refused is what is shown
        with pytest.raises(UnsafeAddressError):
            Sip2Server((address, 0), app=served.app, keys=keys_of(served.app))


def test_the_same_over_tls(served: Served, tmp_path: Path) -> None:
    certificate, private_key = made_up_certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(certificate))
    tls = tls_context(certificate=certificate, private_key=private_key)
    with serving(served.app, tls=tls) as port:
        client = MendedClient(port, tls=trusted)
        client.connect()
        account = served.machine
        login = client.sip_login_request(account["machine"]["machine_id"], account["secret"])
        assert client.get_response(login).startswith("941")
        assert variable(information(client, served.code_of(served.holder())))["BL"] == "Y"
        client.disconnect()
        with connected(port) as plain, suppress(ConnectionError):
            assert not say(plain, info_text("x")).startswith(b"9")  # who speaks no TLS
