"""Tools and structured answers through the OpenAI SDK for Python."""

import json
from typing import cast

import openai
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel


class Step(BaseModel):
    explanation: str
    output: str


class Solution(BaseModel):
    steps: list[Step]
    final_answer: str


def tool(name: str, **properties: str) -> ChatCompletionToolParam:
    return {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {one: {"type": kind} for one, kind in properties.items()},
                "required": list(properties),
                "additionalProperties": False,
            },
            "strict": True,
        },
    }


WEATHER = tool("get_weather", city="string")
CLOCK = tool("get_time", zone="string")


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def test_a_tool_is_called_and_its_result_read(client: OpenAI) -> None:
    asked = user("What does get_weather say of Paris?")
    first = client.chat.completions.create(model="small", messages=asked, tools=[WEATHER])
    call = (first.choices[0].message.tool_calls or [])[0]
    assert call.type == "function"
    assert first.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"city": "text"}

    told = first.choices[0].message.model_dump(exclude_none=True)
    second = client.chat.completions.create(
        model="small",
        messages=[
            *asked,
            cast("ChatCompletionMessageParam", told),
            {"role": "tool", "tool_call_id": call.id, "content": '{"celsius": 21}'},
        ],
        tools=[WEATHER],
    )

    assert second.choices[0].finish_reason == "stop"


def test_tools_are_called_in_parallel(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small",
        messages=user("Use get_weather and get_time"),
        tools=[WEATHER, CLOCK],
        parallel_tool_calls=True,
        tool_choice="auto",
    )

    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == [
        "get_weather",
        "get_time",
    ]
    assert len({call.id for call in calls}) == 2


def test_a_forced_tool_is_called(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small",
        messages=user("Anything"),
        tools=[WEATHER, CLOCK],
        tool_choice={"type": "function", "function": {"name": "get_time"}},
    )

    call = (answer.choices[0].message.tool_calls or [])[0]
    assert call.type == "function"
    assert call.function.name == "get_time"


def test_streamed_tool_calls_are_put_together(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="small", messages=user("Use get_weather and get_time"), tools=[WEATHER, CLOCK]
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()

    calls = final.choices[0].message.tool_calls or []
    assert "tool_calls.function.arguments.done" in kinds
    assert [json.loads(call.function.arguments) for call in calls] == [
        {"city": "text"},
        {"zone": "text"},
    ]


def test_an_answer_is_parsed_into_a_model(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="small", messages=user("Solve x + 1 = 2"), response_format=Solution
    )

    parsed = answer.choices[0].message.parsed
    assert parsed == Solution(steps=[Step(explanation="text", output="text")], final_answer="text")


def test_a_parsed_tool_call_has_its_arguments(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="small",
        messages=user("call Step now"),
        tools=[openai.pydantic_function_tool(Step)],
    )

    call = (answer.choices[0].message.tool_calls or [])[0]
    assert call.function.parsed_arguments == Step(explanation="text", output="text")


def test_a_parsed_stream_gives_the_model(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="small", messages=user("Solve x + 1 = 2"), response_format=Solution
    ) as stream:
        stream.until_done()
        final = stream.get_final_completion()

    assert final.choices[0].message.parsed is not None
    assert final.choices[0].message.parsed.final_answer == "text"
