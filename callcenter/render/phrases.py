"""What FreeSWITCH's modules say by themselves, by language: words for numbers and dates, and the
phrases of voicemail, in which ``{1}`` is a value that is told at run time.

The keys of menus are those of mod_voicemail's own defaults, which our profile keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from callcenter.site import Language, Say

__all__ = ["PHRASES", "WORDS", "Part", "macros"]

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
_UP_TO_NINETEEN = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
]

WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        **{f"digits/{number}": word for number, word in enumerate(_UP_TO_NINETEEN)},
        **{f"digits/{10 * number}": word for number, word in enumerate(_TENS, 2)},
        **{f"digits/h-{number}": word for number, word in enumerate(_ORDINALS, 1)},
        "digits/h-20": "twentieth",
        "digits/h-30": "thirtieth",
        "digits/hundred": "hundred",
        "digits/thousand": "thousand",
        "digits/million": "million",
        "digits/dot": "point",
        "ascii/42": "star",
        "ascii/35": "pound",
        "ascii/43": "plus",
        **{f"time/mon-{number}": name for number, name in enumerate(_MONTHS)},
        **{f"time/day-{number}": name for number, name in enumerate(_DAYS)},
        "time/today": "today",
        "time/yesterday": "yesterday",
        "time/at": "at",
        "time/oclock": "o'clock",
        "time/oh": "oh",
        "time/a-m": "a m",
        "time/p-m": "p m",
        **{f"time/{one}": one for one in ("hour", "hours", "minute", "minutes")},
        **{f"time/{one}": one for one in ("second", "seconds")},
    },
    "zh": {
        **{f"digits/{number}": word for number, word in enumerate("零一二三四五六七八九十")},
        "digits/100": "百",
        "digits/1000": "千",
        "digits/10000": "万",
        "digits/100000000": "亿",
        "digits/ordinal": "第",
        "ascii/42": "星号",
        "ascii/35": "井号",
        "ascii/43": "加号",
        **{f"time/day-{number}": f"星期{name}" for number, name in enumerate("日一二三四五六")},
        "time/today": "今天",
        "time/yesterday": "昨天",
        "time/tomorrow": "明天",
        "time/year": "年",
        "time/month": "月",
        "time/day": "日",
        "time/morning": "凌晨",
        "time/am": "上午",
        "time/pm": "下午",
        "time/evening": "晚上",
        "time/2s": "两",
        "time/hour": "点",
        "time/hours": "小时",
        "time/minute": "分",
        "time/second": "秒",
        "time/seconds": "秒",
    },
}
"""The words that FreeSWITCH's say modules play, by the name of the file."""

Phrase = tuple[str, tuple[str, ...]]
"""A pattern of what the module gives, and the parts that are said: words, or ``{n}`` and how."""

_ANY = ".*"
_NUMBER = "{1:items}"

PHRASES: Final[dict[str, dict[Language, dict[str, tuple[Phrase, ...]]]]] = {
    "mod_voicemail": {
        "en": {
            "voicemail_abort": ((_ANY, ("Too many attempts.",)),),
            "voicemail_ack": (
                (r"^too-small\z", ("Your message is too short.",)),
                (r"^deleted\z", ("Message deleted.",)),
                (r"^saved\z", ("Message saved.",)),
                (r"^emailed\z", ("Message sent by e-mail.",)),
                (r"^marked-urgent\z", ("Message marked urgent.",)),
            ),
            "voicemail_change_pass_fail": ((_ANY, ("This PIN cannot be used.",)),),
            "voicemail_change_pass_success": ((_ANY, ("Your PIN has been changed.",)),),
            "voicemail_choose_greeting": ((_ANY, ("Choose a greeting from 1 to 9.",)),),
            "voicemail_choose_greeting_fail": ((_ANY, ("There is no such greeting.",)),),
            "voicemail_config_menu": (
                (
                    _ANY,
                    (
                        "To record a greeting, press 1. To choose a greeting, press 2. To record "
                        "your name, press 3. For the main menu, press 0.",
                    ),
                ),
            ),
            "voicemail_disk_quota_exceeded": ((_ANY, ("This mailbox is full.",)),),
            "voicemail_enter_id": ((_ANY, ("Enter your extension, then press pound.",)),),
            "voicemail_enter_pass": ((_ANY, ("Enter your PIN, then press pound.",)),),
            "voicemail_fail_auth": ((_ANY, ("That was not right.",)),),
            "voicemail_forward_message_enter_extension": (
                (_ANY, ("Enter the extension to forward this message to, then press pound.",)),
            ),
            "voicemail_forward_prepend": (
                (_ANY, ("To add a message of your own, press 1. To send it as it is, press 8.",)),
            ),
            "voicemail_goodbye": ((_ANY, ("Goodbye.",)),),
            "voicemail_greeting_selected": ((r"^(\d+)\z", ("Greeting", _NUMBER, "is in use.")),),
            "voicemail_hello": ((_ANY, ()),),
            "voicemail_invalid_extension": ((_ANY, ("There is no such extension.",)),),
            "voicemail_listen_file_check": (
                (
                    _ANY,
                    (
                        "To hear it again, press 0. To keep it, press 2. To delete it, press 7. "
                        "To call back, press 5. To forward it, press 8.",
                    ),
                ),
            ),
            "voicemail_menu": (
                (
                    _ANY,
                    (
                        "To hear new messages, press 1. To hear kept messages, press 2. To change "
                        "your settings, press 5. To leave, press pound.",
                    ),
                ),
            ),
            "voicemail_message_count": (
                (r"^1:urgent-new\z", ("You have one urgent message.",)),
                (r"^1:new\z", ("You have one new message.",)),
                (r"^1:saved\z", ("You have one kept message.",)),
                (r"^(\d+):urgent-new\z", ("You have", _NUMBER, "urgent messages.")),
                (r"^(\d+):new\z", ("You have", _NUMBER, "new messages.")),
                (r"^(\d+):saved\z", ("You have", _NUMBER, "kept messages.")),
            ),
            "voicemail_play_greeting": (
                (r"^(\d+)\z", ("Extension", "{1:name_spelled}", "is not available.")),
                (_ANY, ("The person you called is not available.",)),
            ),
            "voicemail_record_file_check": (
                (
                    _ANY,
                    (
                        "To hear your recording, press 1. To keep it, press 2. To record it again, "
                        "press 3.",
                    ),
                ),
            ),
            "voicemail_record_greeting": (
                (_ANY, ("Speak your greeting after the tone, then press any key.",)),
            ),
            "voicemail_record_message": (
                (_ANY, ("Leave your message after the tone, then press any key or hang up.",)),
            ),
            "voicemail_record_name": (
                (_ANY, ("Speak your name after the tone, then press any key.",)),
            ),
            "voicemail_record_urgent_check": (
                (_ANY, ("To mark it urgent, press star. To go on, press pound.",)),
            ),
            "voicemail_say_date": ((r"^(.*)\z", ("{1:short_date_time}",)),),
            "voicemail_say_message_number": ((r"^[a-z]+:(\d+)\z", ("Message number", _NUMBER)),),
            "voicemail_say_name": ((r"^(\d+)\z", ("{1:name_spelled}",)), (_ANY, ())),
            "voicemail_say_number": ((r"^(\d+)\z", (_NUMBER,)),),
            "voicemail_say_phone_number": (
                (r"^(\+?[0-9*#]+)\z", ("From", "{1:name_spelled}")),
                (_ANY, ("From an unknown caller.",)),
            ),
        },
        "zh": {
            "voicemail_abort": ((_ANY, ("尝试次数过多。",)),),
            "voicemail_ack": (
                (r"^too-small\z", ("您的留言太短。",)),
                (r"^deleted\z", ("留言已删除。",)),
                (r"^saved\z", ("留言已保存。",)),
                (r"^emailed\z", ("留言已通过邮件发送。",)),
                (r"^marked-urgent\z", ("留言已标为紧急。",)),
            ),
            "voicemail_change_pass_fail": ((_ANY, ("这个密码不能使用。",)),),
            "voicemail_change_pass_success": ((_ANY, ("您的密码已更改。",)),),
            "voicemail_choose_greeting": ((_ANY, ("请选择一到九号问候语。",)),),
            "voicemail_choose_greeting_fail": ((_ANY, ("没有这个问候语。",)),),
            "voicemail_config_menu": (
                (
                    _ANY,
                    ("录制问候语请按一，选择问候语请按二，录制姓名请按三，返回主菜单请按零。",),
                ),
            ),
            "voicemail_disk_quota_exceeded": ((_ANY, ("该信箱已满。",)),),
            "voicemail_enter_id": ((_ANY, ("请输入您的分机号，按井号结束。",)),),
            "voicemail_enter_pass": ((_ANY, ("请输入密码，按井号结束。",)),),
            "voicemail_fail_auth": ((_ANY, ("输入有误。",)),),
            "voicemail_forward_message_enter_extension": (
                (_ANY, ("请输入要转发到的分机号，按井号结束。",)),
            ),
            "voicemail_forward_prepend": ((_ANY, ("添加您的留言请按一，直接发送请按八。",)),),
            "voicemail_goodbye": ((_ANY, ("再见。",)),),
            "voicemail_greeting_selected": ((r"^(\d+)\z", ("正在使用问候语", _NUMBER)),),
            "voicemail_hello": ((_ANY, ()),),
            "voicemail_invalid_extension": ((_ANY, ("没有这个分机。",)),),
            "voicemail_listen_file_check": (
                (
                    _ANY,
                    ("重听请按零，保存请按二，删除请按七，回拨请按五，转发请按八。",),
                ),
            ),
            "voicemail_menu": (
                (_ANY, ("听新留言请按一，听已保存的留言请按二，设置请按五，退出请按井号。",)),
            ),
            "voicemail_message_count": (
                (r"^(\d+):urgent-new\z", ("您有", _NUMBER, "条紧急留言。")),
                (r"^(\d+):new\z", ("您有", _NUMBER, "条新留言。")),
                (r"^(\d+):saved\z", ("您有", _NUMBER, "条已保存的留言。")),
            ),
            "voicemail_play_greeting": (
                (r"^(\d+)\z", ("分机", "{1:name_spelled}", "暂时无法接听。")),
                (_ANY, ("您拨打的用户暂时无法接听。",)),
            ),
            "voicemail_record_file_check": ((_ANY, ("听录音请按一，保存请按二，重录请按三。",)),),
            "voicemail_record_greeting": ((_ANY, ("请在提示音后录制问候语，按任意键结束。",)),),
            "voicemail_record_message": ((_ANY, ("请在提示音后留言，按任意键或挂机结束。",)),),
            "voicemail_record_name": ((_ANY, ("请在提示音后说出您的姓名，按任意键结束。",)),),
            "voicemail_record_urgent_check": ((_ANY, ("标为紧急请按星号，继续请按井号。",)),),
            "voicemail_say_date": ((r"^(.*)\z", ("{1:current_date_time}",)),),
            "voicemail_say_message_number": ((r"^[a-z]+:(\d+)\z", ("第", _NUMBER, "条留言")),),
            "voicemail_say_name": ((r"^(\d+)\z", ("{1:name_spelled}",)), (_ANY, ())),
            "voicemail_say_number": ((r"^(\d+)\z", (_NUMBER,)),),
            "voicemail_say_phone_number": (
                (r"^(\+?[0-9*#]+)\z", ("来自", "{1:name_spelled}")),
                (_ANY, ("来自未知号码。",)),
            ),
        },
    },
}
"""Macros by module, each with the phrases of which the first that fits is said."""


@dataclass(frozen=True)
class Part:
    """A part of a phrase: words that are played, or what FreeSWITCH says itself."""

    words: Say | None
    group: str | Markup = ""
    """Group of the phrase's pattern that is said."""
    kind: str = ""
    """Type of it in FreeSWITCH's words, such as a number."""


Macro = tuple[str, list[tuple[str, list[Part]]]]
"""Name of a macro, and by pattern what it says."""


def macros(known: Mapping[str, Sequence[Phrase]], language: Language) -> Iterator[Macro]:
    """Yield the macros of a module, with their parts taken apart."""
    for name, phrases in known.items():
        yield (
            name,
            [(pattern, [_part(one, language) for one in parts]) for pattern, parts in phrases],
        )


def _part(text: str, language: Language) -> Part:
    if text.startswith("{"):
        group, kind = text[1:-1].split(":")
        return Part(None, Markup(f"${group}"), kind)
    return Part(Say(text, language=language))
