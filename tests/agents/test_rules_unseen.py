"""Tools that the rules have never seen, in trades that they do not know: called rightly, or not at all."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from pydantic import BaseModel, Field

from pilotman.agents import ChatRules, Tool, tool
from pilotman.guardrails.policy import Effect

pytestmark = pytest.mark.anyio


class Address(BaseModel):
    street: str
    zip_code: str = Field(pattern=r"^\d{5}$")
    city: str


def book_table(
    restaurant: str, guests: int, date: dt.date, time: str, place: Literal["in", "outdoor"]
) -> str:
    """Book a table at a restaurant."""
    return "ok"


def weather(city: str, days: int = 1) -> str:
    """Weather forecast of a city."""
    return "ok"


def track_parcel(tracking_number: Annotated[str, Field(pattern=r"^[A-Z]{2}\d{9}[A-Z]{2}$")]) -> str:
    """Track a parcel."""
    return "ok"


def ship_order(order_id: str, address: Address) -> str:
    """Ship an order to an address."""
    return "ok"


def schedule_meeting(title: str, start: dt.datetime, attendees: list[str], duration_minutes: int = 30) -> str:
    """Schedule a meeting."""
    return "ok"


def dose_check(drug: str, weight_kg: float, age: int) -> str:
    """Check the dose of a drug for a patient."""
    return "ok"


def scale(deployment: str, replicas: Annotated[int, Field(ge=1, le=20)], namespace: str = "default") -> str:
    """Scale a deployment."""
    return "ok"


def grade(student: str, points: int, passed: bool) -> str:
    """Grade a student's exam."""
    return "ok"


def send_sms(phone: str, text: str) -> str:
    """Send a text message."""
    return "ok"


def rename_file(path: str, new_name: str) -> str:
    """Rename a file."""
    return "ok"


def library_search(query: str, language: Literal["en", "de"] | None = None) -> str:
    """Search the library's catalogue."""
    return "ok"


def reset_password(username: str) -> str:
    """Reset a user's password."""
    return "ok"


def archive(before: dt.date) -> str:
    """Archive mails from before a date."""
    return "ok"


def translate(text: str, language: Literal["German", "Polish"]) -> str:
    """Translate a text."""
    return "ok"


ORDERED = "Ship order A-1 to street Elm St. 5, zip code 10115, city New York"
MEETING = 'Schedule a meeting "Budget" on 2026-12-01T10:00:00 with ann@x.org and bob@x.org for 45 minutes'
CASES: list[tuple[Any, Effect, str, dict[str, Any]]] = [
    (
        book_table,
        "write",
        'Please book a table for 4 guests at "Trattoria Roma" on 2026-12-24 at 19:30, outdoor.',
        {
            "restaurant": "Trattoria Roma",
            "guests": 4,
            "date": "2026-12-24",
            "time": "19:30",
            "place": "outdoor",
        },
    ),
    (weather, "read", "What will the weather be in Oslo for the next 3 days?", {"city": "Oslo", "days": 3}),
    (track_parcel, "read", "Where is my parcel RB123456785DE?", {"tracking_number": "RB123456785DE"}),
    (
        ship_order,
        "write",
        ORDERED,
        {
            "order_id": "A-1",
            "address": {"street": "Elm St. 5", "zip_code": "10115", "city": "New York"},
        },
    ),
    (
        schedule_meeting,
        "write",
        MEETING,
        {
            "title": "Budget",
            "start": "2026-12-01T10:00:00",
            "attendees": ["ann@x.org", "bob@x.org"],
            "duration_minutes": 45,
        },
    ),
    (
        dose_check,
        "read",
        "Check the dose of ibuprofen for a patient of 72.5 kg, age 34",
        {"drug": "ibuprofen", "weight_kg": 72.5, "age": 34},
    ),
    (
        scale,
        "write",
        "Scale deployment checkout to 5 replicas in namespace shop",
        {"deployment": "checkout", "replicas": 5, "namespace": "shop"},
    ),
    (
        grade,
        "write",
        "Grade the exam of student Maria Lopez with 87 points, passed: yes",
        {"student": "Maria Lopez", "points": 87, "passed": True},
    ),
    (
        send_sms,
        "egress",
        'Send an SMS to +43 660 1234567: "I am late"',
        {"phone": "+43 660 1234567", "text": "I am late"},
    ),
    (
        rename_file,
        "write",
        "Rename /home/ann/a.txt to final.txt",
        {"path": "/home/ann/a.txt", "new_name": "final.txt"},
    ),
    (library_search, "read", "Find books about signals", {"query": "Find books about signals"}),
    (reset_password, "write", "Please reset the password of user mmeier", {"username": "mmeier"}),
    (archive, "write", "Archive all mails from before 2025-06-30", {"before": "2025-06-30"}),
    (
        translate,
        "read",
        'Translate "good morning" to Polish',
        {"text": "good morning", "language": "Polish"},
    ),
]


def offered(known: Tool[..., Any]) -> dict[str, Any]:
    schema = dict(known.args_schema)
    return {
        "type": "function",
        "function": {"name": known.name, "description": known.description, "parameters": schema},
    }


@pytest.mark.parametrize(("fn", "effect", "request_text", "args"), CASES, ids=[c[0].__name__ for c in CASES])
async def test_it_is_called_with_what_was_said_and_once(
    fn: Any, effect: Effect, request_text: str, args: dict[str, Any]
) -> None:
    known: Tool[..., Any] = tool(effect=effect)(fn)
    model = ChatRules().bind_tools([offered(known)])
    asked = HumanMessage(request_text)
    reply = await model.ainvoke([asked])
    assert [call["args"] for call in reply.tool_calls] == [args]
    known.validate(reply.tool_calls[0]["args"])
    done = ToolMessage("done", tool_call_id=reply.tool_calls[0]["id"] or "", name=known.name)
    assert (await model.ainvoke([asked, reply, done])).tool_calls == []
    stands_in = ChatRules(fallback=True).bind_tools([offered(known)])
    proposes = (await stands_in.ainvoke([asked])).tool_calls
    assert not proposes or effect == "read"


@pytest.mark.parametrize(
    ("fn", "request_text"),
    [
        (reset_password, "Who has reset the password of user mmeier?"),
        (reset_password, "Lock the user account"),
        (scale, "Why was deployment checkout scaled to 5 replicas?"),
        (scale, "The deployment failed. Scale it to 5 replicas."),
        (book_table, 'Can I cancel my table at "Trattoria Roma"?'),
        (archive, "Do not archive mails from before 2025-06-30"),
        (weather, "How are you today?"),
        (rename_file, "Rename the file please"),
    ],
)
async def test_what_nobody_asked_for_or_said_is_not_called(fn: Any, request_text: str) -> None:
    model = ChatRules().bind_tools([offered(tool(effect="write")(fn))])
    assert (await model.ainvoke([HumanMessage(request_text)])).tool_calls == []
