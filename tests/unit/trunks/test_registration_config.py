"""What is registered where, as the settings of a trunk say."""

from __future__ import annotations

from gateway.base.redact import Secret
from gateway.settings.schema import TrunkSettings
from gateway.trunks.registration_config import instance_of, registration_config


def trunk(**given: object) -> TrunkSettings:
    return TrunkSettings.model_validate(
        {"targets": ["sip:carrier.example"], "username": "acme", "password": "pw", "register": True, **given}
    )


def test_what_is_registered_where() -> None:
    config = registration_config(
        "carrier",
        trunk(
            targets=["sip:sbc.example:5070;transport=tcp"],
            username="acme#1",
            from_domain="acme.example",
            outbound_proxy="sip:edge.example:5080;transport=tcp",
            register_expires_s=600,
        ),
        "node-1",
    )
    assert config.aor == "sip:acme%231@acme.example"
    assert config.registrar == "sip:sbc.example:5070"
    assert config.route == ("<sip:edge.example:5080;transport=tcp;lr>",)
    assert config.next_hop == "sip:edge.example:5080;transport=tcp"
    assert config.expires_s == 600
    assert config.credentials is not None
    assert config.credentials.password == Secret("pw")
    assert config.instance == instance_of("node-1", "carrier")
    assert instance_of("node-1", "carrier") != instance_of("node-2", "carrier")
    assert registration_config("c", trunk(username=None, password=None), "n").credentials is None


def test_without_a_proxy_the_target_says_how_to_get_there() -> None:
    config = registration_config("c", trunk(targets=["sip:sbc.example:5070;transport=tls"]), "n")
    assert (config.registrar, config.next_hop) == ("sip:sbc.example:5070", "sip:sbc.example:5070;transport=tls")
