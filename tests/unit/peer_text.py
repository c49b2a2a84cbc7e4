"""Variables of a channel that a peer can write, and whether FreeSWITCH checks their values.

``${name}`` in an argument is expanded, and its value is expanded again (switch_channel.c:4167). A
value that holds ``${system(…)}`` would run a shell. A variable that is set with ``var_check``
refuses a value with ``${`` in it (switch_channel.c:1502). It does not refuse a comma, a space or a
bracket, each of which means something in a dial string or an argument. Fields of the caller
profile are set without any check. Line numbers are those of FreeSWITCH v1.10.12.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["APIS", "FILLED", "INTERNAL", "PEER_APIS", "Filled", "filled"]

SOFIA = "mod_sofia/sofia.c"


@dataclass(frozen=True)
class Filled:
    """Variables that a peer fills."""

    name: str
    """A regular expression of their names."""
    where: str
    """The file of FreeSWITCH's source and the line that sets them."""
    checked: bool
    """Refusal of a value with ``${`` there."""


FILLED = (
    # Fields of the caller profile (switch_caller.c:193): copied, cleaned of control signs only.
    Filled("destination_number", f"{SOFIA}:11409, switch_ivr.c:2244 (a REFER's)", checked=False),
    Filled("(orig_)?caller_id_(name|number)", f"{SOFIA}:11401-11404", checked=False),
    Filled("username|ani|aniii", f"{SOFIA}:11399-11407", checked=False),
    Filled("rdnis", "switch_ivr.c:2245, what was dialled before a transfer", checked=False),
    Filled("callee_id_(name|number)", f"{SOFIA}:1207-1330", checked=False),
    Filled("transfer_(source|history)", "switch_ivr.c:2307-2311, sofia.c:7326", checked=False),
    Filled("(aleg|bleg)_.*", "switch_channel.c:994, the other leg's profile", checked=False),
    Filled("context|dialplan|chan_name", f"{SOFIA}:11400-11408, X-FS-Channel-Name", checked=False),
    # Added without a check.
    Filled("sip_multipart", f"{SOFIA}:11158", checked=False),
    Filled("sip_call_info", f"{SOFIA}:11213", checked=False),
    Filled("sip_identity", f"{SOFIA}:11496", checked=False),
    # Set with one.
    Filled("sip_(from|to|req|contact|referred_by)_.*", f"{SOFIA}:336-344, 11913", checked=True),
    Filled("sip_full_.*|sip_recover_.*|sip_invite_.*", f"{SOFIA}:204-360", checked=True),
    Filled("sip_(i|h|info_h|rh|bye_h|ph)_.*", f"{SOFIA}:11505-11578, 950", checked=True),
    Filled("sip_(subject|user_agent|via_.*|call_id|cseq|name_params)", f"{SOFIA}:309-357, 11128",
           checked=True),
    Filled("sip_(P-Asserted-Identity|P-Preferred-Identity|Remote-Party-ID|Privacy)",
           f"{SOFIA}:10851-10905", checked=True),
    Filled("sip_(history_info|geolocation.*|user_location|accept_language.*)",
           f"{SOFIA}:101, 11525",
           checked=True),
    Filled("sip_refer_.*|transfer_(to|destination|fallback_extension)|sip_replaces_.*",
           f"{SOFIA}:682, 9009, 9606-9625, 11423", checked=True),
    Filled("sip_redirect.*", f"{SOFIA}:6832-6942", checked=True),
    Filled("sip_(reason|bye_.*|hangup_phrase|invite_failure_phrase)", f"{SOFIA}:1013-1040, 6660",
           checked=True),
    Filled("alert_info|presence_(call_info.*|id|data)", f"{SOFIA}:11178-11240", checked=True),
    Filled("switch_[rl]_sdp|sip_reinvite_sdp|ep_codec_string", f"{SOFIA}:7497, 1685, "
           "switch_core_media.c:13541 (a codec is called as in SDP)", checked=True),
    Filled("fax_remote_.*", "mod_spandsp_fax.c:456", checked=True),
    # mod_voicemail's words for the caller, from the profile.
    Filled("voicemail_caller_id_(name|number)", "mod_voicemail.c:1827-1829", checked=True),
)  # fmt: skip

INTERNAL = frozenset(
    {
        "uuid", "signal_bond", "originating_leg_uuid", "originate_disposition",
        "endpoint_disposition", "sofia_profile_name", "network_addr", "proxy_media", "cc_cause",
        "cc_queue", "cc_record_filename", "cc_tracked_agent", "current_application_response",
        "fax_result_code", "fax_t38_status",
        "nibble_bill", "nibble_current_balance", "dialed_user", "dialed_domain",
        "voicemail_account", "voicemail_email", "voicemail_message_len", "voicemail_time",
        "voicemail_total_new_messages",
        # The user of a digest that was right (mod_sofia/sofia_reg.c:3445): an extension's number.
        "sip_auth_username",
        # The name of a gateway that FreeSWITCH has found (mod_sofia/sofia.c:11325).
        "sip_gateway",
        # One of FreeSWITCH's own names for causes (switch_core_state_machine.c:839).
        "hangup_cause",
        # Said by scripts/caps.lua: true, and what refuses a call.
        "cap_free", "capped",
    }
)  # fmt: skip
"""Variables whose text is FreeSWITCH's own, or an extension's number."""

APIS = frozenset(
    {
        "acl", "bgapi", "callcenter_config", "cond", "create_uuid", "db", "distributor",
        "limit_interval_reset", "limit_usage", "luarun", "md5", "nibblebill", "regex", "strftime",
        "user_data", "user_exists", "uuid_getvar", "uuid_kill", "uuid_media", "uuid_setvar",
        "valet_info",
    }
)  # fmt: skip
"""Commands whose answers are FreeSWITCH's own, the directory's, or what our dialplan has stored."""

PEER_APIS = {"sofia_contact": "mod_sofia/mod_sofia.c:3811 gives a phone's Contact as it came"}
"""Commands that give a peer's text. Only what stands before FreeSWITCH can look at that first."""


def filled(name: str) -> Filled | None:
    """Return the entry of the table that a variable belongs to, if any."""
    return next((one for one in FILLED if re.fullmatch(one.name, name)), None)
